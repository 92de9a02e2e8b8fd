"""A sweep's result for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from s2s_lib.pipeline.sweep.metric import OF_TRAINING
from s2s_lib.wording import aligned, counted, listed

if TYPE_CHECKING:
    from s2s_lib.pipeline.sweep.run import SweepResult


def sweep_table(result: SweepResult) -> str:
    """A row for each trial: its run, the keys that vary, the metric; the best is marked."""
    keys, metric = list(result.config.sweep.keys), result.config.sweep.metric
    last = [key.rpartition(".")[2] for key in keys]
    heads = [name if Counter(last)[name] == 1 else key for name, key in zip(last, keys, strict=True)]
    rows = [["run", *heads, metric, ""]]
    for trial in result.trials:
        value = f"{trial.value:.4g}" if trial.value is not None else trial.state
        mark = "best" if trial == result.best else ""
        rows.append([trial.name, *(text(trial.values[key]) for key in keys), value, mark])
    return "\n".join(aligned(rows))


def text(value: Any) -> str:
    """A key's value as a person would write it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(map(text, value))
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def failures(result: SweepResult) -> list[str]:
    """A sentence for each reason why trials failed, and for the comparison if it did."""
    names: dict[str, list[str]] = {}
    for trial in result.trials:
        if trial.state == "failed":
            names.setdefault(str(trial.error), []).append(trial.name)
    found = [f"{', '.join(failed)}: {error}" for error, failed in names.items()]
    return found + ([result.fault] if result.fault else [])


def remarks(result: SweepResult) -> list[str]:
    """What a comparison's report has to say of the sweep: its trials, the best of them, and those that failed."""
    sweep, best = result.config.sweep, result.best
    trials = f"{counted(len(result.trials), 'trial')} ({sweep.search} search) over {listed(list(sweep.keys))}"
    found = "" if best is None else f"; the best by {sweep.metric} is {best.name}, with {best.value:.4g}"
    if best is not None and sweep.metric in OF_TRAINING:
        found += " on the validation split, while the ranking here goes by the scores of the evaluation"
    return [f"Sweep {result.config.output.name!r}: {trials}{found}.", *(f"Failed: {why}" for why in failures(result))]
