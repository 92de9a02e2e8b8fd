"""Finds the runs to compare and sets them beside each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from s2s_lib.comparison.pieces import common, namesakes
from s2s_lib.comparison.result import Comparison, differing
from s2s_lib.config import TOLERANCES, Config
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.runs import Run, choose_runs, find_runs
from s2s_lib.wording import counted

FILE = "comparison.json"


def check_comparison(config: Config) -> list[str]:
    """What is wrong with the runs to compare, a sentence each. Raises InputError (usage) if none has scores."""
    runs, sentences = _choose(config)
    if not any(run.pieces for run in runs):
        why = " ".join(sentences)
        raise InputError(f"there is no run with scores to compare: {why}", usage=True)
    return sentences


def compare(config: Config) -> Comparison:
    """Compares the runs that `config.comparison` names; writes comparison.json into `config.output.results`.

    A run at fault is told of in a sentence, and the rest compared; with no runs at all there are only sentences, and
    nothing is written.
    """
    runs, sentences = _choose(config)
    scored = _ranked([run for run in runs if run.pieces], config.comparison.metrics[0])
    if len(scored) == 1:
        sentences.append(f"{scored[0].label} is the only run with scores, so there is nothing to set it beside.")
    reference = _reference(scored, config, sentences)
    sentences += _caveats(scored, reference)
    told = (*config.comparison.remarks, *sentences)
    found = Comparison(config.comparison, tuple(runs), tuple(scored), reference, told)
    if runs:
        write_json(config.output.results / FILE, found.report())
    return found


def _choose(config: Config) -> tuple[list[Run], list[str]]:
    """The runs, and a sentence for each that could not be read whole or has no scores."""
    settings, output_dir = config.comparison, Path(config.output.output_dir)
    if settings.runs:
        runs, sentences = choose_runs(settings.runs, output_dir)
    else:
        runs, sentences = [run for run in find_runs(output_dir) if run.pieces], []
        if not runs:
            sentences.append(f"{output_dir}: holds no run with scores; make some with 's2s run --name NAME'.")
    sentences += [fault for run in runs for fault in run.faults]
    for run in runs:
        if not run.pieces:
            shown = "only its training is shown" if run.epochs else "it is left out"
            why = "no report that can be read" if run.status("evaluate") == "done" else run.state
            sentences.append(f"{run.label} has no scores ({why}), so {shown}.")
    return [run for run in runs if run.pieces or run.epochs], sentences


def _ranked(runs: list[Run], metric: str) -> list[Run]:
    """From best to worst over their common pieces; runs that have none in common with most others come last.

    Where no piece is common to all that share some, each run's own pieces decide.
    """
    shared = {run: {other: {pair.key for pair in common(run, other, metric)} for other in runs} for run in runs}
    circles = [[other for other in runs if shared[run][other]] for run in runs]
    circle = max(circles, key=len, default=[])
    everywhere = set.intersection(*(shared[circle[0]][other] for other in circle)) if circle else set()

    def standing(run: Run) -> tuple[bool, float]:
        own = {piece.key: piece.f1[metric] for piece in run.pieces if metric in piece.f1}
        counted = [f1 for key, f1 in own.items() if not everywhere or key in everywhere] or [-1.0]
        return run in circle, sum(counted) / len(counted)

    return sorted(runs, key=standing, reverse=True)


def _reference(scored: Sequence[Run], config: Config, sentences: list[str]) -> Run | None:
    """The run that was asked for, or the best."""
    wanted = config.comparison.reference
    if wanted is None or not scored:
        return scored[0] if scored else None
    folder = os.path.normpath(Path(config.output.output_dir) / Path(wanted).expanduser())
    for run in scored:
        if wanted == run.label or str(run.folder) == folder:
            return run
    sentences.append(f"comparison.reference {wanted}: is none of the runs with scores, so the best stands for it.")
    return scored[0]


def _caveats(scored: Sequence[Run], reference: Run | None) -> list[str]:
    """What makes the scores hard to compare."""
    sentences = [
        f"{run.label}: its scores are older than what they judge, since an earlier stage has run again."
        for run in scored
        if run.status("evaluate") == "outdated"
    ]
    changed = [f"evaluation.{name}" for name in TOLERANCES if f"evaluation.{name}" in differing(scored)]
    if changed:
        sentences.append(f"The runs were scored with different {', '.join(changed)}, so their scores do not compare.")
    for run in scored:
        other = 0 if run is reference else namesakes(reference, run)
        if other:
            sentences.append(
                f"{reference.label} and {run.label}: {counted(other, 'piece')} of the same name were played otherwise, "
                "or by another piano, and don't count as common."
            )
    return sentences
