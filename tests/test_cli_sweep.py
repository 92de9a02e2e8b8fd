"""`s2s sweep`: what it refuses, what it prints, and one real sweep of four runs of which two fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, TINY, Outcome
from small import SMALL

from s2s_lib import Config
from s2s_lib.cli import schema_flags
from s2s_lib.files import write_json
from s2s_lib.pipeline.sweep import run

RATE = "training.learning_rate"


@pytest.fixture
def refused_sweep(refused: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Runs `s2s sweep` on a file with these sections, expects it to be refused with nothing written."""

    def call(sweep: dict[str, Any], *arguments: str, **sections: Any) -> str:
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"sweep": sweep, **sections}))
        return refused("sweep", "--config", "mine.yaml", *arguments)

    return call


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ({}, "sweep.keys names nothing to vary"),
        ({"keys": {"training.learnin_rate": [1e-3]}}, "unknown key 'training.learnin_rate' (did you mean 'training."),
        ({"keys": {"output.name": ["a"]}}, "no run's result depends on section 'output'"),
        ({"keys": {"training": [1]}}, "sweep.keys.training: is a section"),
        ({"keys": {RATE: []}}, f"{RATE} is an empty list"),
        ({"keys": {RATE: 1e-3}}, f"{RATE} is 0.001; give a list of values, or a range"),
        ({"keys": {RATE: ["fast"]}}, f"sweep.keys.{RATE} is 'fast': input should be a valid number"),
        ({"keys": {RATE: [2.0]}}, f"sweep.keys.{RATE} is 2.0: input should be less than or equal to 1"),
        ({"keys": {RATE: [1e-3, "1e-3"]}}, f"sweep.keys.{RATE}: names 0.001 twice"),
        ({"keys": {RATE: {"low": 1e-3}}}, f"{RATE}: a range needs low and high"),
        ({"keys": {RATE: {"low": 1e-2, "high": 1e-3}}}, f"{RATE}: low 0.01 is above high 0.001"),
        ({"keys": {RATE: {"low": 0, "high": 1, "log": True}}}, f"{RATE}: low 0 has no logarithm"),
        ({"keys": {RATE: {"low": 0.1, "high": 1, "log": True, "step": 0.1}}}, "log and step don't go together"),
        ({"keys": {RATE: {"low": 0.1, "high": 1, "stepp": 0.1}}}, "unknown key 'stepp' (did you mean 'step'?)"),
        ({"keys": {RATE: {"low": 1e-4, "high": 1e-3}}}, f"sweep.keys.{RATE}: a grid needs a step"),
        ({"keys": {"model.device": {"low": 1, "high": 2}}}, "sweep.keys.model.device: is no number"),
        ({"keys": {"training.batch_size": {"low": 1, "high": 2, "step": 0.5}}}, "takes whole numbers alone"),
        ({"keys": {"training.warmup_steps": {"low": 1, "high": 10**6}}}, "a grid of 1000000 runs; at most 10000"),
        ({"keys": {RATE: [1e-3]}, "trials": 3}, "trials 3 with search 'grid'"),
        ({"keys": {RATE: [1e-3]}, "search": "random"}, "search 'random' needs trials"),
        ({"keys": {RATE: [1e-3]}, "search": "tpe", "trials": 2}, "trials 2 are more than the 1 combinations"),
        ({"keys": {RATE: [1e-3]}, "metric": "f1"}, "sweep.metric 'f1' is unknown; take one of val_loss"),
        ({"keys": {RATE: [1e-3]}, "metric": "val_loss", "source": "midi"}, "sweep.source 'midi' says nothing"),
        ({"keys": {"model.hidden_size": [96, 97]}}, "hidden_size 97 is no multiple of num_decoder_heads 4"),
        ({"keys": {"dataset.soundfonts": [["embedded"], ["no.sf2"]]}}, "no.sf2: there is no such soundfont"),
        ({"keys": {"evaluation.onset_threshold": [0.1, 0.2]}}, "vary the evaluation alone"),
        ({"keys": {RATE: [1e-3]}, "scheduler": "tcp://127.0.0.1:1"}, "sweep.scheduler tcp://127.0.0.1:1 does not"),
    ],
)
def test_a_sweep_that_can_not_work_is_refused_by_name(
    refused_sweep: Callable[..., str], sweep: dict[str, Any], expected: str
) -> None:
    if "scheduler" in sweep:
        pytest.importorskip("distributed")
    assert expected in refused_sweep(sweep)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--no-eval"], "sweep.metric onset.f1 comes from the evaluation"),
        (["--resume", "old"], "the trials of a sweep start afresh"),
        (["--set", "training.val_clips=0", "--metric", "val_onset_f1"], "needs training.val_clips above 0"),
        (["--parallel", "0"], "--parallel (sweep.parallel) is '0'"),
        (["--output-dir", "/proc/1/runs"], "choose another folder with --output-dir"),
    ],
)
def test_flags_that_leave_no_sweep_are_refused(
    refused_sweep: Callable[..., str], arguments: list[str], expected: str
) -> None:
    assert expected in refused_sweep({"keys": {RATE: [1e-3]}}, *arguments)


@pytest.mark.parametrize(
    ("file", "expected"),
    [("state.json", "mine: is a run; choose another --name"), ("optuna.log", "is no record of a sweep's trials")],
)
def test_a_folder_of_something_else_is_left_alone(
    refused_sweep: Callable[..., str], tmp_path: Path, file: str, expected: str
) -> None:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / file).write_text("this\nis\nnothing\n")
    (folder / ".lock").touch()
    (folder / "sweep.yaml").touch()
    assert expected in refused_sweep({"keys": {RATE: [1e-3]}})
    assert (folder / file).read_text() == "this\nis\nnothing\n"


def test_only_a_sweep_takes_its_flags(s2s: Callable[..., Outcome]) -> None:
    assert [flag.name for flag in schema_flags()["sweep"]] == [
        "--search", "--trials", "--metric", "--parallel", "--scheduler"
    ]  # fmt: skip
    assert "--trials" in s2s("sweep", "--help").out
    assert "unknown argument --trials" in s2s("run", "--trials", "3").err


def test_keys_may_be_written_as_sections_and_set_by_hand(s2s: Callable[..., Outcome]) -> None:
    shown = s2s("config", "--set", "sweep.keys.training.batch_size=[2, '4']", "--config", str(TINY))
    assert Config.resolve(yaml.safe_load(shown.out)).sweep.keys == {"training.batch_size": [2, 4]}


def test_the_example_is_a_sweep_of_four() -> None:
    config = Config.load(ROOT / "parameters" / "sweep.yaml")
    assert config.sweep.combinations() == 4
    assert config.sweep.search == "grid"


def test_four_real_runs_of_which_two_fail(
    s2s: Callable[..., Outcome], small_data: Path, fake_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluations alone, on the dataset that is there: the quickest runs that are real ones."""
    compared = []

    def compare(config: Config) -> Path:
        compared.append(config)
        write_json(config.output.results / "comparison.json", {"verdicts": ["no telling."]})
        return tmp_path / "05_compare.html"

    monkeypatch.setattr(run, "run_comparison", compare)
    keys = {"evaluation.model_path": ["released", str(fake_model)], "evaluation.batch_size": [4, 8]}
    sections = SMALL | {"sweep": {"keys": keys}, "output": {"html": False}}
    sections["evaluation"] = {"visualizations": {"enabled": False}}
    Path("mine.yaml").write_text(yaml.safe_dump(sections, sort_keys=False))
    outcome = s2s("sweep", "--config", "mine.yaml", "--data-dir", str(small_data))
    assert outcome.code == 1, outcome
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0] == ["run", "model_path", "batch_size", "onset.f1"]
    assert [row[-1] for row in rows[1:5]] == ["best", rows[2][-1], "failed", "failed"]
    assert rows[5:] == [["no", "telling."], ["compare:", "05_compare.html"]]
    assert [Path(name).name for name in compared[0].comparison.runs] == ["mine-01", "mine-02"]
    report = json.loads(Path("runs/mine-01/results/evaluation_report.json").read_text())
    assert float(rows[1][-2]) == pytest.approx(report["summary"]["test split"]["mean"]["onset.f1"], rel=1e-3)
    told = [line for line in outcome.err.splitlines() if line.startswith("s2s: error: ")]
    assert all("stage evaluate failed" in line and "model" in line for line in told)
    assert {name for line in told for name in ("mine-03", "mine-04") if name in line} == {"mine-03", "mine-04"}
    again = s2s("sweep", "--config", "mine.yaml", "--data-dir", str(small_data), "--set",
                "sweep.keys.evaluation.model_path=[released]")  # fmt: skip
    assert again.code == 0
    assert "mine-02" in again.out
