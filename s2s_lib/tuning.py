"""The thresholds with which a trained model's probabilities become notes: those that score best in validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from s2s_lib import metrics
from s2s_lib.config import Config, EvaluationConfig
from s2s_lib.data import validation_pieces
from s2s_lib.files import atomic_write
from s2s_lib.notes import Note, Performance, extend_by_pedal, until
from s2s_lib.progress import Progress
from s2s_lib.targets import Grid, Thresholds, decode
from s2s_lib.transcribe import Transcriber

CANDIDATES = tuple(round(step / 20, 2) for step in range(1, 19))  # 0.05 to 0.9
MOST_PIECES = 40  # beyond this the curves hardly move
Notes = Callable[[Performance], Sequence[Note]]


class Heard(NamedTuple):
    """What was played, what a model made of it, and where judging ends, see `Passage`."""

    truth: Performance
    grid: Grid
    end_s: float = np.inf


@dataclass(frozen=True)
class Tuning:
    """What was found: the best thresholds, and by threshold's name the mean F1 over `pieces` at each candidate."""

    thresholds: Thresholds
    curves: dict[str, list[float]]
    candidates: tuple[float, ...]
    pieces: int


def tune(config: Config) -> Tuning:
    """Finds the thresholds of the run's model on its validation split and writes them into the model's config.json.

    First the onsets' for note-level onset F1; then, for the notes so found, those that end a note, for the F1 of
    onset and offset: `held` by key release, `sounding` by pedal-extended end. The test split has no part in it.
    """
    transcriber = Transcriber.load(config.output.model, config.model.device)
    pieces = validation_pieces(config, MOST_PIECES)
    heard = []
    with Progress(len(pieces), "tuning", "piece") as progress:
        for piece in pieces:
            passage = piece()
            grid = transcriber.hear(passage.audio, passage.sample_rate, config.evaluation).grid
            heard.append(Heard(passage.truth, grid, passage.end_s))
            progress.advance(1)
    tuning = best_thresholds(heard, transcriber.model.config.frame_s, config.evaluation)
    settings = transcriber.model.config
    settings.thresholds = asdict(tuning.thresholds)
    atomic_write(config.output.model / "config.json", settings.to_json_string())
    return tuning


def best_thresholds(heard: Sequence[Heard], frame_s: float, evaluation: EvaluationConfig) -> Tuning:
    """The best thresholds for grids whose true notes are known; of equally good ones the middle one."""
    thresholds, curves = Thresholds(), {}
    parts: tuple[tuple[str, Notes, bool], ...] = (
        ("onset", lambda performance: performance.notes, False),
        ("held", lambda performance: performance.notes, True),
        ("sounding", extend_by_pedal, True),
    )
    for name, notes, offsets in parts:
        tried = [replace(thresholds, **{name: candidate}) for candidate in CANDIDATES]
        scores = [
            [
                f1(notes(one.truth), notes(decode(one.grid, 0.0, frame_s, trial)), evaluation, offsets, one.end_s)
                for one in heard
            ]
            for trial in tried
        ]
        curves[name] = [float(np.mean(row)) for row in scores]
        best = np.flatnonzero(np.isclose(curves[name], max(curves[name]), atol=1e-9))
        thresholds = tried[best[len(best) // 2]]
    return Tuning(thresholds, curves, CANDIDATES, len(heard))


def f1(
    ref: Sequence[Note], est: Sequence[Note], evaluation: EvaluationConfig, offsets: bool, end_s: float = np.inf
) -> float:
    """Note-level F1 of what is played before `end_s`; 0 where there are no notes at all, as in mir_eval."""
    ref, est = until(ref, end_s), until(est, end_s)
    matched = len(metrics.match(ref, est, evaluation, offsets)) if ref and est else 0
    return 2 * matched / max(1, len(ref) + len(est))
