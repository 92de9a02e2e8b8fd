"""Sweeps: which trials there are, how they go on, share and fail, and where they run. Most trials here are toys."""

from __future__ import annotations

import _thread
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small import SMALL

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.pipeline import SweepResult, failures, run_sweep, sweep_table
from s2s_lib.pipeline.stages import RunState, stage_inputs
from s2s_lib.pipeline.sweep import machine, pool, run, work
from s2s_lib.pipeline.sweep.metric import direction
from s2s_lib.pipeline.sweep.work import Job, Outcome, run_job

RATE, SIZE, TOP = "training.learning_rate", "training.batch_size", 0.01
FOUR = {RATE: [1e-3, 2e-3], SIZE: [2, 4]}


class Toys:
    """Stands in for the processes: notes what was to be run, and leaves a run that is best at learning rate 0.01."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, tuple[str, ...]]] = []
        self.fail: Callable[[Config], str | None] = lambda config: None
        self.compared: list[Config] = []

    def run(self, job: Job) -> Outcome:
        config, stages = Config.resolve(job.config), tuple(job.stages)
        self.ran.append((config.output.name, stages))
        error = None if stages == ("generate",) else self.fail(config)
        if error == "stop":
            _thread.interrupt_main(signal.SIGINT)
            while not Path(job.stop).exists():
                time.sleep(0.01)
            return Outcome(stopped=True)
        if error is not None:
            return Outcome(error=error)
        for stage in stages:
            with RunState(config.output).attempt(stage, stage_inputs(config, stage)):
                self.leave(stage, config)
        return Outcome()

    def leave(self, stage: str, config: Config) -> None:
        value = abs(config.training.learning_rate - TOP) + config.training.batch_size / 10000
        folder = config.output.run_dir
        if stage == "generate":
            write_json(config.output.data / "train_manifest.json", {})
        elif stage == "train":
            write_json(folder / "training_history.json", {"epochs": [{"epoch": 1, "val_loss": value}]})
            write_json(folder / "model" / "model.safetensors", {})
        else:
            mean = {"onset.f1": 1 - value, "velocity_error": None}
            write_json(folder / "results" / "evaluation_report.json", {"summary": {"test split": {"mean": mean}}})

    def compare(self, config: Config) -> Path:
        self.compared.append(config)
        return config.output.run_dir / "05_compare.html"

    @property
    def names(self) -> list[str]:
        return [name for name, stages in self.ran if stages != ("generate",)]


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    toys = Toys()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs that ignore it
    for module in (run, pool):
        monkeypatch.setattr(module, "run_job", toys.run)
    monkeypatch.setattr(run, "run_comparison", toys.compare)
    monkeypatch.setattr(run, "PERIOD_S", 0.01)
    yield toys
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def sweep(toys: Toys, tmp_path: Path) -> Callable[..., SweepResult]:
    """Runs a sweep named `lr` over toys, one at a time unless told otherwise."""

    def call(keys: dict[str, Any], sections: dict[str, Any] | None = None, **settings: Any) -> SweepResult:
        given = {"keys": keys, "metric": "val_loss", "parallel": 1, **settings}
        output = {"output_dir": str(tmp_path / "runs"), "name": "lr"}
        return run_sweep(Config.resolve(SMALL, {"sweep": given, "output": output}, sections or {}))

    return call


def points(result: SweepResult) -> list[tuple[Any, ...]]:
    return [tuple(trial.values.values()) for trial in result.trials]


def test_a_failed_trial_does_not_stop_the_rest(toys: Toys, sweep: Callable[..., SweepResult], tmp_path: Path) -> None:
    toys.fail = lambda config: "out of luck." if config.training.batch_size == 2 and rate(config) == 2e-3 else None
    result = sweep(FOUR, metric="onset.f1", parallel=2)
    assert points(result) == [(1e-3, 2), (1e-3, 4), (2e-3, 2), (2e-3, 4)]
    assert [trial.state for trial in result.trials] == ["done", "done", "failed", "done"]
    assert failures(result) == ["lr-03: out of luck."]
    assert not result.complete
    assert result.best.name == "lr-04"
    assert result.best.value == pytest.approx(1 - 0.008 - 0.0004)
    config = toys.compared[0]
    assert config.comparison.runs == [str(tmp_path / "runs" / f"lr-0{number}") for number in (1, 2, 4)]
    assert config.output.run_dir == tmp_path / "runs" / "lr"
    over = "training.learning_rate and training.batch_size"
    best = "the best by onset.f1 is lr-04, with 0.9916"
    assert config.comparison.remarks == [
        f"Sweep 'lr': 4 trials (grid search) over {over}; {best}.",
        "Failed: lr-03: out of luck.",
    ]
    rows = [line.split() for line in sweep_table(result).splitlines()]
    assert rows[0] == ["run", "learning_rate", "batch_size", "onset.f1"]
    assert rows[3:] == [["lr-03", "0.002", "2", "failed"], ["lr-04", "0.002", "4", "0.9916", "best"]]


def rate(config: Config) -> float:
    return config.training.learning_rate


def test_the_same_command_runs_what_is_left(toys: Toys, sweep: Callable[..., SweepResult]) -> None:
    toys.fail = lambda config: {1: "broken", 2: "stop"}.get(len(toys.names) - 1)
    with pytest.raises(KeyboardInterrupt):
        sweep(FOUR)
    assert toys.names == ["lr-01", "lr-02", "lr-03"]
    assert toys.compared == []
    toys.fail = lambda config: None
    toys.ran.clear()
    result = sweep(FOUR)
    assert toys.ran == [(name, ("train", "evaluate")) for name in ("lr-03", "lr-04", "lr-02")]  # and no dataset again
    assert [trial.name for trial in result.trials] == ["lr-01", "lr-02", "lr-03", "lr-04"]
    assert result.complete
    toys.ran.clear()
    assert sweep(FOUR).trials == result.trials
    assert toys.ran == []


def test_a_changed_sweep_keeps_the_runs_that_are_the_same(toys: Toys, sweep: Callable[..., SweepResult]) -> None:
    sweep(FOUR)
    result = sweep({RATE: [2e-3, 5e-3], SIZE: [4]})
    assert [trial.name for trial in result.trials] == ["lr-04", "lr-05"]
    other = sweep(FOUR, {"training": {"num_epochs": 1}})
    assert [trial.name for trial in other.trials] == ["lr-06", "lr-07", "lr-08", "lr-09"]


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_draws_depend_on_the_seed_alone(
    toys: Toys, sweep: Callable[..., SweepResult], search: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {RATE: {"low": 1e-4, "high": 1e-2, "log": True}, SIZE: {"low": 2, "high": 16}, "model.dropout": [0.0, 0.1]}
    whole = points(sweep(keys, search=search, trials=6))
    assert len(set(whole)) == 6
    for kind in (0, 1):
        assert len({point[kind] for point in whole}) > 2
    elsewhere = {"output": {"output_dir": str(tmp_path / "other")}}
    broken = {8: "broken"} if search == "random" else {}  # tpe would draw otherwise for want of a result
    toys.fail = lambda config: ({9: "stop"} | broken).get(len(toys.names))
    with pytest.raises(KeyboardInterrupt):
        sweep(keys, elsewhere, search=search, trials=6)
    toys.fail = lambda config: None
    assert points(sweep(keys, elsewhere, search=search, trials=6)) == whole
    another = {"output": {"output_dir": str(tmp_path / "another")}}
    assert points(sweep(keys, another, search=search, trials=6, seed=1)) != whole
    assert points(sweep(keys, elsewhere, search=search, trials=8))[:6] == whole  # two more, as asked


def test_a_finite_space_is_drawn_without_repeating(sweep: Callable[..., SweepResult]) -> None:
    result = sweep({SIZE: {"low": 1, "high": 3}, "dataset.soundfonts": [["embedded"], ["embedded", "embedded"]]},
                   search="random", trials=6)  # fmt: skip
    assert len({json.dumps(point) for point in points(result)}) == 6


def test_tpe_draws_near_what_did_well(sweep: Callable[..., SweepResult]) -> None:
    result = sweep({RATE: {"low": 1e-6, "high": 0.1}}, search="tpe", trials=24, seed=1)
    misses = [abs(trial.values[RATE] - TOP) for trial in result.trials]
    assert sum(misses[-8:]) < sum(misses[:8]) / 2


def test_trials_share_a_dataset_unless_they_vary_it(toys: Toys, sweep: Callable[..., SweepResult]) -> None:
    result = sweep({"dataset.samples": [6, 7], RATE: [1e-3, 2e-3], "dataset.num_workers": [1, 2]})
    assert len(points(result)) == 8
    assert [stages for _, stages in toys.ran].count(("generate",)) == 2
    assert len(list(result.config.output.run_dir.glob("dataset-*"))) == 2


def test_a_dataset_that_is_there_is_taken(toys: Toys, sweep: Callable[..., SweepResult], tmp_path: Path) -> None:
    write_json(tmp_path / "data" / "train_manifest.json", {})
    sweep({SIZE: [2]}, {"output": {"data_dir": str(tmp_path / "data")}})
    assert toys.ran == [("lr-01", ("train", "evaluate"))]


def test_trials_without_scores_are_not_compared(toys: Toys, sweep: Callable[..., SweepResult]) -> None:
    assert sweep({SIZE: [2, 4]}, {"evaluation": {"enabled": False}}).complete
    assert [stages for _, stages in toys.ran] == [("generate",), ("train",), ("train",)]
    assert toys.compared == []


def test_a_dataset_that_fails_is_tried_once_and_told_for_each(
    toys: Toys, sweep: Callable[..., SweepResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_job", lambda job: Outcome(error="no music"))
    result = sweep(FOUR)
    assert failures(result) == ["lr-01, lr-02, lr-03, lr-04: no music"]
    assert toys.ran == []
    assert result.report is None


def test_a_drawn_trial_that_does_not_hold_together_fails_alone(sweep: Callable[..., SweepResult]) -> None:
    result = sweep({"model.hidden_size": {"low": 16, "high": 17}}, search="random", trials=2)
    assert sorted(trial.state for trial in result.trials) == ["done", "failed"]
    assert "hidden_size 17 is no multiple of num_decoder_heads 2" in failures(result)[0]


def test_a_metric_without_a_value_is_a_failure(sweep: Callable[..., SweepResult]) -> None:
    result = sweep({SIZE: [2]}, metric="velocity_error")
    assert "velocity_error has no value in its evaluation of test split" in failures(result)[0]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("onset.f1", "maximize"), ("note_accuracy", "maximize"), ("val_onset_f1", "maximize"), ("val_loss", "minimize"),
     ("velocity_error", "minimize"), ("onset_deviation.mean_absolute_s", "minimize")],
)  # fmt: skip
def test_more_of_a_score_and_less_of_an_error_is_better(metric: str, expected: str) -> None:
    assert direction(Config.resolve({"sweep": {"metric": metric}})) == expected
    assert direction(Config.resolve({"sweep": {"metric": metric, "direction": "maximize"}})) == "maximize"


def test_two_sweeps_do_not_share_a_folder(toys: Toys, sweep: Callable[..., SweepResult]) -> None:
    def second(config: Config) -> str | None:
        toys.fail = lambda config: None
        with pytest.raises(InputError, match="another sweep is at work here"):
            sweep(FOUR)
        return None

    toys.fail = second
    assert sweep({SIZE: [2]}).complete


@pytest.mark.parametrize(
    ("cores", "gpus", "memory", "sections", "expected"),
    [
        (8, (0, 0), 64, {}, (4, "2", None)),  # as many as there are trials
        (2, (0, 0), 64, {}, (2, "1", None)),
        (8, (0, 0), 5, {}, (2, "4", None)),
        (8, (0, 0), 64, {"training": {"num_processes": 2, "num_workers": 1}}, (2, "2", None)),
        (8, (2, 0), 64, {"model": {"device": "auto"}}, (2, "4", ["0", "1"])),
        (8, (4, 0), 64, {"model": {"device": "auto"}, "training": {"num_processes": 2}}, (2, "2", ["0,1", "2,3"])),
        (8, (1, 0), 64, {"model": {"device": "auto"}, "sweep": {"parallel": 3}}, (3, "2", None)),
        (8, (0, 1), 64, {"model": {"device": "auto"}}, (1, "8", None)),
    ],
)
def test_the_machine_is_shared_out(
    cores: int, gpus: tuple[int, int], memory: int, sections: dict[str, Any], expected: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    monkeypatch.setattr(machine, "_gpus", lambda: gpus)
    monkeypatch.setattr(machine, "_memory", lambda: memory << 30)
    for name in (*machine.CPU_SHARE, machine.VISIBLE):
        monkeypatch.delenv(name, raising=False)
    shares = machine.slots(Config.resolve({"model": {"device": "cpu"}}, sections), 4)
    visible = [share[machine.VISIBLE] for share in shares if machine.VISIBLE in share] or None
    assert (len(shares), shares[0]["OMP_NUM_THREADS"], visible) == expected
    assert shares[0][machine.LOADER_SHARE] == str(cores // len(shares))


def test_a_cluster_runs_the_trials(toys: Toys, sweep: Callable[..., SweepResult]) -> None:
    distributed = pytest.importorskip("distributed")
    toys.fail = lambda config: "out of luck." if rate(config) == 2e-3 else None
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        result = sweep(FOUR, scheduler=cluster.scheduler_address, parallel=None)
    assert [trial.state for trial in result.trials] == ["done", "done", "failed", "failed"]


# --- the real processes ---------------------------------------------------------------------------------------------


def job(tmp_path: Path, config: dict[str, Any]) -> Job:
    return Job(config, ("train",), str(tmp_path / "logs" / "a.log"), str(tmp_path / "stop"))


def test_what_a_process_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    outcome = run_job(job(tmp_path, {"output": {"output_dir": str(tmp_path), "name": "a"}}))
    assert outcome == Outcome(error=f"{tmp_path}/a/data: there is no dataset; make one with 's2s generate --name a'.")


@pytest.mark.parametrize(
    ("code", "stops", "expected"),
    [
        ("import os; os.kill(os.getpid(), 9)", False, "its process died (exit status -9)"),
        ("import time; print('at it', flush=True); time.sleep(60)", True, None),
    ],
)
def test_a_process_that_dies_or_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, stops: bool, expected: str | None
) -> None:
    monkeypatch.setattr(work, "COMMAND", (sys.executable, "-c", code))
    work_for = replace(job(tmp_path, {}), stop=str(tmp_path if stops else tmp_path / "stop"))
    outcome = run_job(work_for)
    assert outcome.stopped == stops
    assert outcome.error is None if expected is None else outcome.error.startswith(expected)
