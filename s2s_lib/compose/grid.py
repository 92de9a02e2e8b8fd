"""The written score while it is composed: notes on a grid of 24 ticks to the quarter note, and random choices.

24 ticks hold 32nds (3), sixteenth triplets (4), sixteenths (6) and eighth triplets (8) exactly, so every onset and
duration can be notated.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple, TypeVar

import numpy as np

QUARTER = 24  # ticks
BARS = {"2/4": 48, "3/4": 72, "4/4": 96, "6/8": 72}  # ticks to the bar
BEATS = {"2/4": 24, "3/4": 24, "4/4": 24, "6/8": 36}  # ticks to the felt beat
SHORTEST = 3  # a 32nd
IMPORTANCE = {"melody": 4, "bass": 3, "figure": 2, "chord": 1, "inner": 0, "grace": -1}  # of a note, by its role

T = TypeVar("T")


class ScoreNote(NamedTuple):
    """A written note: onset and duration in ticks, MIDI pitch, hand "R" or "L", and what it is for.

    `role` sets loudness and what is left out first when a piece must be thinned: "melody", "bass", "figure"
    (a running part), "chord" (accompaniment), "inner" (doublings) or "grace" (before another note). `touch` is
    "legato", "detached", "staccato" or "held".
    """

    onset: int
    duration: int
    pitch: int
    hand: str
    role: str
    voice: int = 1
    touch: str = "legato"


@dataclass(frozen=True)
class Score:
    """A written piece: its notes, length and metre in ticks, its phrases (start, end), the ticks of new chords."""

    notes: tuple[ScoreNote, ...]
    length: int
    bar: int
    beat: int
    phrases: tuple[tuple[int, int], ...]
    changes: tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """What every part of a piece shares: metre in ticks, tempo in quarter notes per minute, the hands' registers."""

    bar: int
    beat: int
    tempo: float
    complexity: str
    right: tuple[int, int]
    left: tuple[int, int]

    def seconds(self, ticks: int) -> float:
        """How long `ticks` last at the nominal tempo."""
        return ticks / QUARTER * 60 / self.tempo

    def fast_step(self, per_second: float) -> int:
        """The subdivision (32nds, sixteenth triplets, sixteenths, eighths) that comes nearest to a rate of notes."""
        steps = [step for step in (3, 4, 6, 12) if self.divides(step)]
        return min(steps, key=lambda step: abs(1 / self.seconds(step) - per_second))

    def divides(self, step: int) -> bool:
        """Whether figures may run in notes of `step` ticks: in compound time not in triplets or in quarter notes."""
        return self.beat == QUARTER or step in (3, 6, 12)

    def group(self, step: int) -> int:
        """Notes after which a figure with one note every `step` ticks begins anew, by how the felt beat is divided."""
        if step in (4, 8):  # triplets
            return 3
        if self.beat == QUARTER or step >= self.beat:
            return 4
        return 3 if self.beat == 3 * step else 6

    def at_tempo(self, tempo: float) -> Setting:
        return replace(self, tempo=tempo)


def separate(notes: Iterable[ScoreNote]) -> list[ScoreNote]:
    """The notes in order, each ended where its key is struck again: the page says what the piano can do.

    Of two notes of one key less than a 32nd apart the more important one stays.
    """
    by_pitch: dict[int, list[ScoreNote]] = {}
    for note in sorted(notes):
        same = by_pitch.setdefault(note.pitch, [])
        if same and note.onset - same[-1].onset < SHORTEST:
            same[-1] = max(same[-1], note, key=lambda n: IMPORTANCE[n.role])
        else:
            same.append(note)
    separated = []
    for same in by_pitch.values():
        ends = [note.onset for note in same[1:]] + [same[-1].onset + same[-1].duration]
        for note, latest in zip(same, ends, strict=True):
            separated.append(note._replace(duration=min(note.duration, latest - note.onset)))
    return sorted(separated)


def chance(rng: np.random.Generator, probability: float) -> bool:
    return rng.random() < probability


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, each as likely as the others."""
    return options[int(rng.random() * len(options))]


def pick_weighted(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float]) -> T:
    """One of the options, as likely as its share of the weights."""
    sums = list(accumulate(weights))
    return options[min(bisect_right(sums, rng.random() * sums[-1]), len(options) - 1)]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform draw; faster than Generator.uniform, and drawn from the same stream."""
    return low + (high - low) * rng.random()
