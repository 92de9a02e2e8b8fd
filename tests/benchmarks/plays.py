"""Composed pieces for training the networks of `s2s_lib.score`, played anew each time they are met.

Other tempo curves, pauses, loudness, touch and registers; notes missed, notes too many, a hand alone, a start in the
middle. So a network bears what a transcription of a recording looks like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Piece, as_arrays
from s2s_lib.score.beats_network import METRES

GROUP = 100  # pieces that a process composes at a time
COMPLEXITIES, COMPLEXITY_SHARES = ("simple", "medium", "complex"), (0.3, 0.4, 0.3)


@dataclass(frozen=True)
class Play:
    """Notes of a performance as (notes,) columns, and its quarter notes' times; `place` is nan where no beat is."""

    onset_s: np.ndarray
    offset_s: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    place: np.ndarray
    left: np.ndarray
    quarters_s: np.ndarray
    metre: int

    def notes(self, chosen: np.ndarray) -> Play:
        """The notes of these indices or of this mask, in order of their onsets."""
        rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        rows = rows[np.argsort(self.onset_s[rows], kind="stable")]
        return Play(*(column[rows] for column in self.columns()), self.quarters_s, self.metre)

    def columns(self) -> list[np.ndarray]:
        return [self.onset_s, self.offset_s, self.pitch, self.velocity, self.place, self.left]


def compose_play(rng: np.random.Generator) -> Play:
    """A composed piece of half a minute to two."""
    level = str(rng.choice(COMPLEXITIES, p=COMPLEXITY_SHARES))
    limits = {"min_notes": 20, "max_notes": 2500, "min_duration": 25, "max_duration": 120}
    return of_piece(compose(rng, DatasetConfig(complexity=level, **limits)))


def compose_plays(seed: tuple[int, int], count: int) -> list[Play]:
    rng = np.random.default_rng(seed)
    return [compose_play(rng) for _ in range(count)]


def of_piece(piece: Piece) -> Play:
    intervals, pitch, velocity = as_arrays(piece.performance.notes)
    place = [np.nan if note.ornament else note.onset_beat for note in piece.notated]
    left = np.array([note.hand == "L" for note in piece.notated])
    quarters_s = np.array(piece.beats_s)
    return Play(
        *intervals.T, pitch, velocity, np.array(place), left, quarters_s, METRES.index(piece.time_signature)
    )  # fmt: skip


def compose_all(seed: int, count: int) -> list[Play]:
    """That many pieces, by `GROUP`s, on all cores."""
    groups = Parallel(-1)(delayed(compose_plays)((seed, i), GROUP) for i in range(count // GROUP))
    return [play for group in groups for play in group]


def play_anew(rng: np.random.Generator, play: Play) -> Play:
    """The same music played otherwise; a fifth of the time as it was, but for where it starts."""
    clean = rng.random() < 0.2
    if not clean:
        play = _stray(rng, _bend(rng, play))
        keep = rng.random(len(play.onset_s)) > rng.choice([0, 0.03, 0.08, 0.15])
        keep &= _hands_alone(rng, play)
        play = play.notes(keep) if keep.sum() >= 20 else play
    if rng.random() < 0.6:
        late = play.onset_s >= rng.uniform(0, play.onset_s.max() * 0.5)
        play = play.notes(late) if late.sum() >= 20 else play
    return play.notes(np.ones(len(play.onset_s), bool)) if clean else _touch(rng, _ghosts(rng, play))


def _bend(rng: np.random.Generator, play: Play) -> Play:
    """Tempo that wanders over one, three and ten seconds, with pauses."""
    amount = rng.choice([0, 0.03, 0.06, 0.1, 0.14])
    grid = np.arange(-1, max(play.offset_s.max(), play.quarters_s[-1]) + 3, 0.25)
    span_s, slowness = grid[-1] - grid[0], np.zeros(len(grid))
    for scale_s in (1.0, 3.0, 10.0):
        count = int(span_s / scale_s) + 3
        knots = grid[0] + (np.arange(count) + rng.uniform(-1, 0)) * scale_s
        slowness += 0.6 * amount * np.interp(grid, knots, rng.standard_normal(count))
    for _ in range(rng.poisson(span_s / 60 * rng.choice([0, 2, 4])) if amount else 0):
        start_s = rng.uniform(0, grid[-1])
        slowness[(grid > start_s) & (grid < start_s + rng.uniform(0.3, 1))] += rng.uniform(0.3, 1.2)
    bent = np.concatenate([[0], np.cumsum(np.exp(slowness[:-1]) * 0.25)])
    onset_s, offset_s, quarters_s = (np.interp(x, grid, bent) for x in (play.onset_s, play.offset_s, play.quarters_s))
    return replace(play, onset_s=onset_s, offset_s=offset_s, quarters_s=quarters_s)


def _stray(rng: np.random.Generator, play: Play) -> Play:
    """Onsets off their places, the left hand early or late."""
    off_s = rng.normal(0, rng.choice([0, 0.004, 0.008, 0.015]), len(play.onset_s))
    off_s += play.left * rng.normal(0, rng.choice([0, 0.005, 0.015]))
    return replace(play, onset_s=play.onset_s + off_s)


def _hands_alone(rng: np.random.Generator, play: Play) -> np.ndarray:
    """Which notes are left where a hand rests for some seconds, or for good."""
    keep = np.ones(len(play.onset_s), bool)
    for _ in range(rng.integers(1, 4) if rng.random() < 0.3 else 0):
        start_s = rng.uniform(0, play.onset_s.max())
        resting = play.left if rng.random() < 0.5 else ~play.left
        keep &= ~((play.onset_s > start_s) & (play.onset_s < start_s + rng.uniform(3, 15)) & resting)
    return keep & ~play.left if rng.random() < 0.045 else keep


def _ghosts(rng: np.random.Generator, play: Play) -> Play:
    """Notes too many: octaves, fifths and repetitions that a transcription makes up; and a bass doubled in octaves."""
    count = len(play.onset_s)
    made_up = rng.integers(0, count, int(count * rng.choice([0.01, 0.03, 0.06])) if rng.random() < 0.5 else 0)
    play = _joined(play, _displaced(rng, play.notes(made_up)))
    if rng.random() < 0.15:
        low = play.notes(play.left & (play.pitch > LOWEST_PITCH + 12) & (rng.random(len(play.onset_s)) < 0.8))
        play = _joined(play, replace(low, pitch=low.pitch - 12))
    return play


def _joined(play: Play, more: Play) -> Play:
    columns = (np.concatenate(pair) for pair in zip(play.columns(), more.columns(), strict=True))
    return Play(*columns, play.quarters_s, play.metre)


def _displaced(rng: np.random.Generator, play: Play) -> Play:
    """The notes softer, at pitches and times that mean nothing."""
    count = len(play.onset_s)
    moved_s = np.where(rng.random(count) < 0.6, rng.normal(0, 0.02, count), rng.uniform(0, 0.5, count))
    return replace(
        play, onset_s=play.onset_s + moved_s, offset_s=play.offset_s + moved_s,
        pitch=play.pitch + rng.choice([-12, 12, 7, 5, 19, 24], count),
        velocity=play.velocity * rng.uniform(0.3, 0.9, count), place=np.full(count, np.nan),
    )  # fmt: skip


def _touch(rng: np.random.Generator, play: Play) -> Play:
    """Other loudness, key-down times and key."""
    count = len(play.onset_s)
    if rng.random() < 0.1:
        velocity = np.full(count, 64.0)
    else:
        noise = rng.normal(0, 12) + rng.normal(0, rng.choice([0, 5, 12]), count)
        velocity = np.clip(rng.uniform(0.5, 1.3) * (play.velocity - 60) + 60 + noise, 5, 127)
    length_s = np.maximum(play.offset_s - play.onset_s, 0.03)
    length_s = length_s * np.exp(rng.normal(0, 0.2) + rng.normal(0, rng.choice([0, 0.2, 0.5]), count))
    pitch = np.clip(play.pitch + rng.integers(-6, 7), LOWEST_PITCH, HIGHEST_PITCH)
    changed = replace(play, offset_s=play.onset_s + length_s, pitch=pitch, velocity=velocity)
    return changed.notes(np.ones(count, bool))
