"""Melodies: rhythm cells and contours as motifs, repeated and sequenced over the chords of a phrase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import log2

import numpy as np

from s2s_lib.compose.grid import QUARTER, ScoreNote, Setting, between, chance, pick, pick_weighted
from s2s_lib.compose.harmony import Harmony, Phrase
from s2s_lib.compose.theory import move, nearest

# Rhythm cells in ticks by the length of the beat (quarter or dotted quarter), in order of difficulty. Where a cell
# recurs all through a piece it must tell the metre: compound beats are always divided by three somewhere.
CELLS = {
    24: {
        "simple": [(24,), (12, 12), (48,), (36, 12), (24, 24)],
        "medium": [(24,), (12, 12), (18, 6), (12, 6, 6), (6, 6, 12), (8, 8, 8), (6, 6, 6, 6), (36, 12), (48,),
                   (12, 24, 12), (36, 6, 6), (16, 8), (6, 18), (21, 3), (6, 12, 6), (72,), (18, 3, 3)],
        "complex": [(12, 12), (18, 6), (12, 6, 6), (6, 6, 12), (8, 8, 8), (6, 6, 6, 6), (6, 12, 6), (18, 3, 3),
                    (36, 12), (9, 3, 9, 3), (12, 3, 3, 3, 3), (4, 4, 4, 12), (3, 3, 6, 12), (4, 4, 4, 4, 4, 4), (48,),
                    (12, 24, 12), (30, 6, 6, 6), (16, 8), (8, 16), (21, 3), (6, 18), (12, 4, 4, 4), (16, 4, 4), (72,),
                    (3, 3, 3, 3, 3, 3, 3, 3), (24,), (15, 3, 3, 3)],
    },
    36: {
        "simple": [(36, 24, 12), (24, 12), (12, 12, 12), (72,)],
        "medium": [(36, 24, 12), (36, 12, 12, 12), (24, 12), (12, 12, 12), (18, 6, 12), (12, 12, 6, 6),
                   (6, 6, 6, 6, 12), (6, 6, 6, 6, 6, 6), (60, 12), (24, 6, 6), (12, 24), (72,), (30, 6)],
        "complex": [(24, 12), (12, 12, 12), (18, 6, 12), (12, 12, 6, 6), (6, 6, 6, 6, 6, 6), (18, 3, 3, 12),
                    (6, 6, 6, 6, 12), (9, 3, 12, 12), (24, 3, 3, 3, 3), (12, 3, 3, 6, 6, 6), (12, 24),
                    (30, 3, 3), (72,), (36, 12, 12, 12), (36, 24, 12), (12, 3, 3, 3, 3, 6, 6)],
    },
}  # fmt: skip
STEPS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)
STEP_WEIGHTS = (1, 2, 6, 16, 3, 16, 6, 2, 1)
FAST_STEP_WEIGHTS = (0, 0.3, 2, 16, 0.6, 16, 2, 0.3, 0)  # short notes go by step
RESTS = {"simple": 0.0, "medium": 0.06, "complex": 0.06}  # chance per note after a bar's first one


@dataclass(frozen=True)
class Motif:
    """A bar of melody without its pitches: durations in ticks, and scale steps from each note to the next."""

    durations: tuple[int, ...]
    steps: tuple[int, ...]


@cache
def _cells(beat: int, complexity: str, room: int, activity: float) -> tuple[list[tuple[int, ...]], list[float]]:
    """Cells that fit into `room` ticks, weighted by how near they come to `activity` notes per quarter note."""
    fitting = [cell for cell in CELLS[beat][complexity] if sum(cell) <= room]
    rates = [len(cell) * QUARTER / sum(cell) for cell in fitting]
    return fitting, [2.0 ** (-3 * abs(log2(rate / activity))) for rate in rates]


def invent_rhythm(rng: np.random.Generator, setting: Setting, length: int, activity: float) -> tuple[int, ...]:
    """Durations that fill `length` ticks with about `activity` notes per quarter note."""
    durations: list[int] = []
    room = length
    while room >= setting.beat:
        cell = pick_weighted(rng, *_cells(setting.beat, setting.complexity, room, activity))
        durations += cell
        room -= sum(cell)
    return (*durations, room) if room else tuple(durations)


def invent_motif(rng: np.random.Generator, setting: Setting, activity: float) -> Motif:
    """A one-bar motif. A leap is followed by a step back, as singers do."""
    durations = invent_rhythm(rng, setting, setting.bar, activity)
    return Motif(durations, _contour(rng, durations))


def _contour(rng: np.random.Generator, durations: tuple[int, ...]) -> tuple[int, ...]:
    steps: list[int] = []
    for duration in durations[:-1]:
        if steps and abs(steps[-1]) > 2:
            steps.append(-1 if steps[-1] > 0 else 1)
        elif steps and duration <= 12 and steps[-1] and chance(rng, 0.6):
            steps.append(1 if steps[-1] > 0 else -1)  # runs keep their direction more often than not
        else:
            steps.append(pick_weighted(rng, STEPS, FAST_STEP_WEIGHTS if duration <= 8 else STEP_WEIGHTS))
    return tuple(steps)


def vary(rng: np.random.Generator, motif: Motif) -> Motif:
    """The motif inverted, or with a new contour on the same rhythm, or as it was (then the chord moves it)."""
    kind = rng.random()
    if kind < 0.25:
        return Motif(motif.durations, tuple(-step for step in motif.steps))
    if kind < 0.45:
        return Motif(motif.durations, _contour(rng, motif.durations))
    return motif


class Melodist:
    """Sings phrases over a harmony; remembers each section's motifs so that they come back."""

    def __init__(self, rng: np.random.Generator, setting: Setting, harmony: Harmony, low: int, high: int):
        self.rng, self.setting, self.harmony = rng, setting, harmony
        self.low, self.high = low, high
        self.motifs: dict[tuple[str, float], tuple[Motif, Motif]] = {}

    def sing(self, phrase: Phrase, activity: float, last: bool, hand: str = "R") -> list[ScoreNote]:
        """A phrase: motif, motif in sequence or answer, then a cadence with a long last note."""
        setting, rng = self.setting, self.rng
        motifs = self.motifs.get((phrase.section, activity))
        if motifs is None:
            first = invent_motif(rng, setting, activity)
            second = invent_motif(rng, setting, activity) if chance(rng, 0.7) else vary(rng, first)
            motifs = self.motifs[phrase.section, activity] = (first, second)
        starts = range(phrase.start, phrase.end, setting.bar)
        notes: list[ScoreNote] = []
        base = between(rng, 0.2, 0.45)
        peak = between(rng, 0.6, 0.95)
        for number, start in enumerate(starts):
            through = number / max(1, len(starts) - 1)
            arch = base + (peak - base) * (1 - (2 * through - 1.2) ** 2)  # highest at three fifths of the phrase
            target = self.low + (self.high - self.low) * min(max(arch, 0.0), 1.0)
            if start + setting.bar >= phrase.end:
                motif = self._cadence(phrase, last)
                closing = phrase.closes
            else:
                closing = False
                motif = vary(rng, motifs[(0, 1, 0, 1)[number % 4]]) if number else motifs[0]
            notes += self._realise(motif, start, phrase.end, target, notes[-1].pitch if notes else None, hand, closing)
        return notes

    def _cadence(self, phrase: Phrase, last: bool) -> Motif:
        """The phrase's last bar: one long note, or some notes leading on to the next phrase."""
        bar, beat = self.setting.bar, self.setting.beat
        if last or bar <= beat or chance(self.rng, 0.35):
            return Motif((bar,), ())
        if chance(self.rng, 0.5) or phrase.closes:
            long = beat * pick(self.rng, range(1, bar // beat))
            return Motif((bar - long, long), (pick(self.rng, (-2, 0, 2)),))
        if chance(self.rng, 0.4):
            return Motif((bar - beat,), ())  # a rest before the next phrase
        lead = invent_rhythm(self.rng, self.setting, beat, 2.0)
        return Motif((bar - beat, *lead), tuple(pick(self.rng, (-1, 1)) for _ in lead))

    def _realise(
        self, motif: Motif, start: int, end: int, target: float, previous: int | None, hand: str, closing: bool
    ) -> list[ScoreNote]:
        """The motif over the chords from `start`: chord tones on beats, the scale between them, the root to close."""
        around = target if previous is None else 0.5 * (target + previous)
        notes: list[ScoreNote] = []
        onset, pitch = start, 0
        for duration, step in zip(motif.durations, (0, *motif.steps), strict=True):
            if onset >= end:
                break
            chord = self.harmony.at(onset)
            if not notes:
                pitch = nearest(chord.tones[:1] if closing else chord.tones, around, self.low, self.high)
            else:
                pitch = self._next(pitch, step, chord.scale, chord.tones, onset % self.setting.beat == 0)
            silent = notes and duration <= self.setting.beat and chance(self.rng, RESTS[self.setting.complexity])
            if not silent:
                notes.append(ScoreNote(onset, min(duration, end - onset), pitch, hand, "melody"))
            onset += duration
        return notes

    def _next(self, pitch: int, step: int, scale: tuple[int, ...], tones: tuple[int, ...], strong: bool) -> int:
        moved = move(scale, pitch, step)
        if not self.low <= moved <= self.high:
            step = -step
            moved = move(scale, pitch, step)
        if strong and moved % 12 not in tones:
            snapped = nearest(tones, moved + (0.6 if step > 0 else -0.6), self.low, self.high)
            moved = snapped if snapped != pitch or step == 0 else move(tones, pitch, 1 if step > 0 else -1)
        return moved
