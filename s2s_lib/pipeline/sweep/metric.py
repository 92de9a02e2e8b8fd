"""What the trials of a sweep are judged by: a mean of the evaluation report, or the best epoch's figures."""

from __future__ import annotations

import json
import math

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.runs import PRODUCTS, open_run

OF_TRAINING = ("val_loss", "val_onset_f1", "val_onset_offset_key_f1")  # by epoch, in the training's history
MORE_IS_BETTER = ("precision", "recall", "f1", "accuracy")


def check_metric(config: Config) -> None:
    """Raises InputError (usage) if no trial of this sweep would have its metric."""
    sweep = config.sweep
    if sweep.metric in OF_TRAINING:
        if sweep.source is not None:
            raise InputError(f"sweep.source {sweep.source!r} says nothing of {sweep.metric}; drop it.", usage=True)
        if sweep.metric != "val_loss" and not config.training.val_clips:
            raise InputError(f"sweep.metric {sweep.metric} needs training.val_clips above 0.", usage=True)
        return
    names = _means()
    if sweep.metric not in names:
        raise InputError(
            f"sweep.metric {sweep.metric!r} is unknown; take one of {', '.join((*OF_TRAINING, *names))}.", usage=True
        )
    if not config.evaluation.enabled:
        raise InputError(
            f"sweep.metric {sweep.metric} comes from the evaluation, and evaluation.enabled is false; switch it on, or "
            "take val_loss.",
            usage=True,
        )


def direction(config: Config) -> str:
    """'maximize' or 'minimize'."""
    metric = config.sweep.metric
    more = metric.replace("_", ".").endswith(MORE_IS_BETTER)
    return config.sweep.direction or ("maximize" if more else "minimize")


def measured(config: Config, trial: Config) -> float:
    """The metric of a finished trial. Raises InputError if its run has none."""
    sweep, run = config.sweep, trial.output.run_dir
    if sweep.metric in OF_TRAINING:
        epochs = open_run(run).epochs
        best = min(epochs, key=lambda epoch: epoch["val_loss"], default={})
        value, where = best.get(sweep.metric), "its training history"
    else:
        summary = json.loads((run / PRODUCTS["evaluate"]).read_text(encoding="utf-8"))["summary"]
        source = sweep.source or next(iter(summary), None)
        if source not in summary:
            raise InputError(f"{run}: nothing of source {source!r} was evaluated, which sweep.source asks for.")
        value, where = summary[source]["mean"].get(sweep.metric), f"its evaluation of {source}"
    if value is None or not math.isfinite(value):
        raise InputError(f"{run}: {sweep.metric} has no value in {where}.")
    return float(value)


def _means() -> list[str]:
    """The names of all means of an evaluation report."""
    from s2s_lib.metrics import score, summarize  # takes a second to import
    from s2s_lib.notes import Performance

    silence = Performance((), ())
    return list(summarize([score(silence, silence, Config().evaluation)])["mean"])
