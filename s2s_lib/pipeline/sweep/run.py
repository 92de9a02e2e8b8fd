"""The sweep: checks first, then each trial that is not done yet, then the comparison of those that are."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from filelock import FileLock, Timeout

from s2s_lib.config import Config, MetricName
from s2s_lib.errors import InputError
from s2s_lib.pipeline.checks import check, check_folders
from s2s_lib.pipeline.compare import NOTEBOOK, run_comparison
from s2s_lib.pipeline.execute import StageError
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.pipeline.stages import RunState
from s2s_lib.pipeline.sweep.metric import check_metric, direction, measured
from s2s_lib.pipeline.sweep.pool import Pool, finished, open_pool, outcome_of
from s2s_lib.pipeline.sweep.record import Record, Trial
from s2s_lib.pipeline.sweep.space import Values, dataset_config, grid, probes, trial_config, with_dataset
from s2s_lib.pipeline.sweep.table import remarks, text
from s2s_lib.pipeline.sweep.work import GRACE_S, Job, Outcome, last_words, run_job
from s2s_lib.progress import TerminalLine, describe, duration
from s2s_lib.runs.find import is_run
from s2s_lib.wording import counted

PARAMETERS, LOCK, STOP = "sweep.yaml", ".lock", ".stop"
PERIOD_S = 0.5
SHOWN = 4  # running trials that the progress line tells of


@dataclass(frozen=True)
class SweepResult:
    """What a sweep left: its folder, its trials and the best of them, and the report that compares them.

    `fault` says why there is no report where there should be one.
    """

    config: Config
    trials: list[Trial] = field(default_factory=list)
    best: Trial | None = None
    report: Path | None = None
    fault: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all went well."""
        return self.fault is None and all(trial.state == "done" for trial in self.trials)


def run_sweep(config: Config) -> SweepResult:
    """Runs the trials of `config.sweep`, each in a folder `<output_dir>/<name>-<number>/` beside the sweep's own.

    Trials that are done are not run again, those broken off go on where they stopped, and failed ones are tried
    again. A trial that fails does not stop the others. Raises InputError before anything runs if the input is at
    fault, also where that of one trial is; KeyboardInterrupt leaves everything as a later call can go on with.
    """
    config = absolute_paths(config, Path.cwd())
    _check(config)
    folder = config.output.run_dir
    number = config.sweep.trials or config.sweep.combinations() or 1
    with open_pool(config, number) as pool, _alone(folder):
        (folder / STOP).unlink(missing_ok=True)
        config.save(folder / PARAMETERS)
        record = Record(config, direction(config))
        record.plan(grid(config.sweep) if config.sweep.search == "grid" else ())
        ran = _Runner(config, record, pool, number).run()
    result = SweepResult(config, record.trials(), record.best())
    report, fault = _compare(result, renew=ran)
    return replace(result, report=report, fault=fault)


def _check(config: Config) -> None:
    """Raises InputError if this sweep, or a trial of it, can't work."""
    sweep = config.sweep
    if not sweep.keys:
        raise InputError("sweep.keys names nothing to vary; give it keys and values in the --config file.", usage=True)
    no_model = config.evaluation.model_path is None and "evaluation.model_path" not in sweep.keys
    if _evaluates_only(sweep.keys) and no_model:
        raise InputError(
            "sweep.keys vary the evaluation alone, and each trial would train the same model; name one with "
            "--model-path.",
            usage=True,
        )
    if config.training.resume is not None:
        raise InputError("training.resume: the trials of a sweep start afresh; drop it.", usage=True)
    if is_run(config.output.run_dir):
        raise InputError(f"{config.output.run_dir}: is a run; choose another --name for the sweep.", usage=True)
    check_metric(config)
    check_folders(config)
    if sweep.search == "grid":
        for values in grid(sweep):
            trial_config(config, values, f"{config.output.name}-00")
    for values in probes(sweep):
        _check_trial(config, values)


def _check_trial(config: Config, values: Values) -> None:
    """Raises InputError if the trial would be refused; one that does not hold together is left to fail when drawn."""
    try:
        trial = trial_config(config, values, f"{config.output.name}-00")
    except InputError:
        return
    stages, dataset = _stages(trial, values), None
    if _needs_dataset(trial, stages):
        dataset = dataset_config(config, trial)
        trial = with_dataset(trial, dataset)
    makes_it = dataset is not None and not _is_there(dataset)
    check(trial, ("generate", *stages) if makes_it else stages, RunState(trial.output))


def _evaluates_only(values: Values) -> bool:
    return all(name.startswith("evaluation.") for name in values)


def _stages(trial: Config, values: Values) -> tuple[str, ...]:
    """What a trial runs once its dataset is there."""
    stages = () if _evaluates_only(values) else ("train",)
    return (*stages, "evaluate") if trial.evaluation.enabled else stages


def _needs_dataset(trial: Config, stages: tuple[str, ...]) -> bool:
    return "train" in stages or not trial.evaluation.midi


def _is_there(dataset: Config) -> bool:
    """Whether a dataset is there: made by this very config, or put into output.data_dir by somebody else."""
    state = RunState(dataset.output)
    foreign = state.status("generate") == "never" and state.holds_file("generate")
    return foreign or state.is_current("generate", dataset)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps the folder for this process. Raises InputError (usage) if another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"{folder}: another sweep is at work here; wait for it, or choose another --name.", usage=True
        ) from None


class _Runner:
    """Keeps the pool busy until all trials have been run."""

    def __init__(self, config: Config, record: Record, pool: Pool, number: int):
        self._config, self._record, self._pool, self._number = config, record, pool, number
        self._folder = config.output.run_dir
        self._line, self._start = TerminalLine(sys.stderr), time.monotonic()
        self._seconds = 0.0  # from the start to the latest result, so that the estimate moves with results alone
        self._running: dict[Future[Outcome], tuple[Trial, float]] = {}
        self._datasets: dict[Path, str | None] = {}  # why it could not be made, if it could not
        self._before = sum(trial.state == "done" for trial in record.trials())
        self._done = self._before

    def run(self) -> bool:
        """Runs what is left to run; whether there was anything."""
        exhausted = False
        try:
            while not exhausted or self._running:
                while not exhausted and len(self._running) < self._pool.size:
                    trial = self._record.next()
                    exhausted = trial is None
                    if trial is not None:
                        self._begin(trial)
                self._wait()
        except BaseException:
            self._stop()
            raise
        return self._done > self._before

    def _begin(self, trial: Trial) -> None:
        """Starts a trial, once its dataset is there; notes at once what can't be."""
        try:
            config = trial_config(self._config, trial.values, trial.name)
            stages = _stages(config, trial.values)
            if _needs_dataset(config, stages):
                config = self._with_dataset(config)
        except InputError as error:
            self._before += 1  # what took no time says nothing of the others'
            self._end(trial, Outcome(error=str(error)), time.monotonic())
            return
        self._running[self._pool.submit(self._job(config, stages))] = (trial, time.monotonic())

    def _with_dataset(self, config: Config) -> Config:
        """The trial's config with a dataset that is there. Raises InputError if it can't be made."""
        dataset = dataset_config(self._config, config)
        folder = dataset.output.run_dir
        if folder not in self._datasets:
            fault = None
            if not _is_there(dataset):
                fault = self._generated(dataset)
            self._datasets[folder] = fault
        if self._datasets[folder]:
            raise InputError(str(self._datasets[folder]))
        return with_dataset(config, dataset)

    def _generated(self, dataset: Config) -> str | None:
        """Makes a dataset, with all cores to itself; says why it could not."""
        name, job = dataset.output.name, self._job(dataset, ("generate",))
        with ThreadPoolExecutor(1) as thread:
            future = thread.submit(run_job, job)
            try:
                while not finished([future], PERIOD_S):
                    self._line.show(f"{name} {last_words(Path(job.log))}", share=0)
            except BaseException:
                (self._folder / STOP).touch()
                raise
        return outcome_of(future).error

    def _job(self, config: Config, stages: tuple[str, ...]) -> Job:
        log = self._folder / "logs" / f"{config.output.name}.log"
        return Job(config.model_dump(mode="json"), stages, str(log), str(self._folder / STOP))

    def _wait(self) -> None:
        """Waits for a moment, takes what is finished and shows how far things are."""
        if not self._running:
            return
        for future in finished(list(self._running), PERIOD_S):
            trial, start = self._running.pop(future)
            self._end(trial, outcome_of(future), start)
        self._pool.check()
        self._show()

    def _end(self, trial: Trial, outcome: Outcome, start: float) -> None:
        """Notes how a trial ended, and says so."""
        if outcome.stopped:
            return
        error = outcome.error
        if error is None:
            try:
                value = measured(self._config, trial_config(self._config, trial.values, trial.name))
                self._record.done(trial, value)
            except InputError as missing:
                error = str(missing)
        if error is not None:
            self._record.failed(trial, error)
        self._done, self._seconds = self._done + 1, time.monotonic() - self._start
        result = f"failed: {error}" if error is not None else f"{self._config.sweep.metric} {value:.4g}"
        said = ", ".join(f"{name.rpartition('.')[2]} {text(setting)}" for name, setting in trial.values.items())
        self._line.finish(f"{trial.name} ({said}): {result}, {duration(time.monotonic() - start)}")

    def _show(self) -> None:
        names = [trial.name for trial, _ in self._running.values()]
        notes = [f"{name} {last_words(self._folder / 'logs' / f'{name}.log')}".strip() for name in names[:SHOWN]]
        notes += [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
        state = {
            "label": self._config.output.name, "done": self._done, "before": self._before, "total": self._number,
            "unit": "trial", "note": "; ".join(notes), "seconds": self._seconds,
        }  # fmt: skip
        self._line.show(describe(state), share=self._done / self._number)

    def _stop(self) -> None:
        """Has the running trials note where they are, and waits for them; those that are done are taken in."""
        self._line.finish(f"{self._config.output.name}: stopping {counted(len(self._running), 'trial')}")
        (self._folder / STOP).touch()
        ended = wait(self._running, timeout=2 * GRACE_S)
        for future in ended.done:
            if outcome_of(future).error is None:
                self._end(self._running[future][0], outcome_of(future), self._running[future][1])
        if not ended.not_done:  # else it stays for them; a cluster may be out of reach
            (self._folder / STOP).unlink(missing_ok=True)


def _compare(result: SweepResult, renew: bool) -> tuple[Path | None, str | None]:
    """The report that compares the trials that are done and have scores, or why there is none."""
    config = result.config
    runs = [str(config.output.run_dir.parent / trial.name) for trial in result.trials if trial.state == "done"]
    if len(runs) < 2 or not config.evaluation.enabled:
        return None, None
    there = config.output.run_dir / f"{NOTEBOOK}.{'html' if config.output.html else 'ipynb'}"
    if there.is_file() and not renew:
        return there, None
    first = config.sweep.metric.partition(".")[0]
    metrics = list(config.comparison.metrics)
    if first in get_args(MetricName):
        metrics = list(dict.fromkeys((first, *metrics)))
    asked = {"runs": runs, "metrics": metrics, "remarks": [*config.comparison.remarks, *remarks(result)]}
    comparison = config.comparison.model_copy(update=asked)
    try:
        return run_comparison(config.model_copy(update={"comparison": comparison})), None
    except (InputError, StageError) as error:
        return None, f"the trials can't be compared: {error}"
