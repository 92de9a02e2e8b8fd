"""Pieces that one run heard better than another: both transcriptions over what was played, and all to listen to."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
from IPython.display import HTML, display

from s2s_lib import metrics
from s2s_lib.comparison import METRICS, PiecePair, common, heard, original, won_and_lost
from s2s_lib.config import EvaluationConfig
from s2s_lib.errors import InputError
from s2s_lib.notes import Performance
from s2s_lib.report.players import played, player
from s2s_lib.report.rolls import overlay_roll

if TYPE_CHECKING:
    from s2s_lib.comparison import Comparison
    from s2s_lib.runs import Run

EXCERPT_S = 10.0  # as long as a player plays
STEP_S = 1.0  # between the excerpts that are looked through


def show_won_and_lost(comparison: Comparison) -> None:
    """The pieces that the reference won and lost by most against the next best run that shares pieces with it.

    At most `pieces_shown` of each, in the 10 s where the two transcriptions differ most. A sentence stands for what
    can't be shown.
    """
    metric, reference, most = comparison.metric, comparison.reference, comparison.settings.pieces_shown
    rivals = [run for run in comparison.others if common(reference, run, metric)]
    if not rivals or not most:
        return
    rival = rivals[0]
    won, lost = won_and_lost(common(reference, rival, metric), metric, most)
    lacking: dict[str, None] = {}
    for pairs, better, worse in ((won, reference, rival), (lost, rival, reference)):
        if not pairs:
            _say(f"There is no piece that {better.label} heard better than {worse.label}.")
        for pair in pairs:
            try:
                _show(pair, (reference, rival), comparison)
            except InputError as error:
                lacking[str(error)] = None
    for sentence in lacking:
        _say(sentence)


def _show(pair: PiecePair, runs: tuple[Run, Run], comparison: Comparison) -> None:
    sides = (pair.first, pair.second)
    found = [heard(run, side) for run, side in zip(runs, sides, strict=True)]
    source = original(runs, pair.first)
    evaluation = next(run.config.evaluation for run in runs if run.config is not None)
    start_s = widest_gap(source.ref, *found, evaluation)
    order = (0, 1) if pair.difference(comparison.metric) > 0 else (1, 0)
    score = METRICS[comparison.metric]
    scores = [f"{run.label}: {score} {side.f1[comparison.metric]:.3f}" for run, side in zip(runs, sides, strict=True)]
    better, worse = (runs[i].label for i in order)
    display(HTML(f"<h3>{html.escape(f'{pair.id}, heard better by {better} than by {worse}')}</h3>"))
    display(player(source.waveform(), source.sample_rate, EXCERPT_S, f"{pair.id}, the audio", start_s))
    for i in order:
        label = f"{pair.id} by {scores[i]}"
        display(overlay_roll(source.ref, found[i], label, evaluation, start_s=start_s, seconds=EXCERPT_S))
        if found[i].notes:
            sound = played(found[i], source.sample_rate, start_s, EXCERPT_S)
            display(player(sound, source.sample_rate, EXCERPT_S, f"what {runs[i].label} heard, played"))


def widest_gap(
    ref: Performance, first: Performance, second: Performance, evaluation: EvaluationConfig | None = None
) -> float:
    """Where the 10 s begin in which most played notes were found by one transcription alone, in whole seconds."""
    found = [np.zeros(len(ref.notes), bool) for _ in range(2)]
    for hits, est in zip(found, (first, second), strict=True):
        hits[metrics.match(ref.notes, est.notes, evaluation or EvaluationConfig())[:, 0]] = True
    onsets = np.array([note.onset_s for note in ref.notes])[found[0] != found[1]]
    starts = np.arange(0.0, max(ref.end_s - EXCERPT_S, 0.0) + STEP_S / 2, STEP_S)
    counts = [np.count_nonzero((onsets >= start) & (onsets < start + EXCERPT_S)) for start in starts]
    return float(starts[int(np.argmax(counts))])


def _say(sentence: str) -> None:
    display(HTML(f"<p>{html.escape(sentence)}</p>"))
