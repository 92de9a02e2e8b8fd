"""Dynamics by the passage, and hairpins where one grows out of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from s2s_lib.notes import Piece
from s2s_lib.score.musicxml.lengths import grid_of
from s2s_lib.score.musicxml.marks import Mark
from s2s_lib.score.musicxml.measures import Measure
from s2s_lib.score.musicxml.steady import steadiest

DYNAMICS = {"pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112}  # MIDI velocities, MuseScore's
CHANGE = 3.0  # against a bar 8 velocities off its mark
PASSING = 2  # bars of a level that may be a part of a hairpin
AROUND, LONGEST = 4, 6  # bars on each side of a change in which a hairpin is looked for; those that it spans at most
LEAST_CHANGE = 12.0  # velocities from its beginning to its end
BETTER = 4.0  # than a sudden change: twice the logarithm of the ratio of likelihoods, normal deviations taken

_Sounding = tuple[Measure, list[tuple[int, int]]]  # a bar and the notes that start in it: places, indices


@dataclass(frozen=True)
class _Passage:
    """Bars of one dynamic, as ticks from its first bar's line to its last one's end."""

    start: int
    end: int
    bars: int
    level: int


@dataclass(frozen=True)
class _Beats:
    """The beats with onsets: their places in ticks, the mean velocities of their notes, and how many those are."""

    places: np.ndarray
    velocities: np.ndarray
    counts: np.ndarray

    def between(self, start: int, end: int) -> _Beats:
        inside = (self.places >= start) & (self.places < end)
        return _Beats(self.places[inside], self.velocities[inside], self.counts[inside])


def find_dynamics(piece: Piece, bars: Sequence[Measure]) -> list[Mark]:
    """Dynamics where the bars' mean velocity stays at another level, and hairpins where it gets there by degrees."""
    sounding = [(bar, notes) for bar in bars if (notes := _started(bar))]
    if not sounding:
        return []
    beats = _beats(piece, sounding)
    onsets = np.array(sorted({place for _, notes in sounding for place, _ in notes}))
    passages = _passages(piece, sounding)
    bar = grid_of(piece.time_signature).bar
    marks, now = [_dynamic(passages[0].start, passages[0].level, onsets)], 0
    free = passages[0].start  # from where on there is no hairpin yet
    while now + 1 < len(passages):
        following, ramp = _next(passages, now, free, beats, bar)
        level, place = passages[following].level, passages[following].start
        if ramp:
            kind = "crescendo" if level > passages[now].level else "diminuendo"
            marks += [Mark(ramp[0], "wedge", kind), Mark(ramp[1], "wedge", "stop")]
            free = place = ramp[1]
        marks.append(_dynamic(place, level, onsets))
        now = following
    return marks


def _dynamic(place: int, level: int, onsets: np.ndarray) -> Mark:
    """A dynamic at the first onset from a place on."""
    return Mark(int(onsets[np.searchsorted(onsets, place)]), "dynamic", list(DYNAMICS)[level])


def _started(bar: Measure) -> list[tuple[int, int]]:
    """The notes that start in a bar, as (ticks from the first bar line, index)."""
    symbols = (symbol for voice in bar.voices.values() for symbol in voice)
    return [(bar.line + symbol.start, i) for symbol in symbols for i in symbol.notes if i not in symbol.tied_from]


def _beats(piece: Piece, sounding: Sequence[_Sounding]) -> _Beats:
    beat = grid_of(piece.time_signature).beat
    notes = piece.performance.notes
    heard = np.array([(place // beat * beat, notes[i].velocity) for _, bar in sounding for place, i in bar])
    places, of_note, counts = np.unique(heard[:, 0], return_inverse=True, return_counts=True)
    return _Beats(places, np.bincount(of_note, heard[:, 1]) / counts, counts)


def _passages(piece: Piece, sounding: Sequence[_Sounding]) -> list[_Passage]:
    """The stretches of one dynamic."""
    means = np.array([[np.mean([piece.performance.notes[i].velocity for _, i in notes])] for _, notes in sounding])
    levels = steadiest(np.abs(means - np.array([list(DYNAMICS.values())])) / 8, CHANGE)
    starts = [i for i in range(len(levels)) if not i or levels[i] != levels[i - 1]]
    return [
        _Passage(sounding[a][0].line, sounding[b - 1][0].line + sounding[b - 1][0].last, b - a, levels[a])
        for a, b in pairwise([*starts, len(levels)])
    ]


def _next(
    passages: Sequence[_Passage], now: int, free: int, beats: _Beats, bar: int
) -> tuple[int, tuple[int, int] | None]:
    """The passage that gets a dynamic next, and the hairpin (from, to) on the way, if there is one.

    A hairpin may lead through passages that are short and lie between its ends.
    """
    last = now + 1
    rising = passages[last].level > passages[now].level
    while last + 1 < len(passages) and passages[last].bars <= PASSING:
        if (passages[last + 1].level > passages[last].level) != rising:
            break
        last += 1
    for following in range(last, now, -1):
        end, start = passages[now].end, passages[following].start
        around = max(free, end - AROUND * bar), min(passages[following].end, start + AROUND * bar)
        ramp = _ramp(beats.between(*around), end, start, bar)
        if ramp:
            return following, ramp
    return now + 1, None


def _ramp(beats: _Beats, left: int, right: int, bar: int) -> tuple[int, int] | None:
    """Where the velocity goes by degrees from one level to another: places (from, to) about `left` and `right`.

    None where it changes at once as well as that, or by little.
    """
    starts = beats.places[beats.places <= left]
    ends = beats.places[beats.places >= right]
    if len(beats.places) < 6:
        return None
    sudden = min(_misfit(beats, place, place)[0] for place in beats.places[1:])
    fits = [
        (*_misfit(beats, start, end), int(start), int(end))
        for start in starts
        for end in ends
        if bar <= end - start <= LONGEST * bar
    ]
    if not fits:
        return None
    misfit, change, start, end = min(fits)
    better = len(beats.places) * np.log(max(sudden, 1e-9) / max(misfit, 1e-9))
    return (start, end) if better > BETTER and abs(change) >= LEAST_CHANGE else None


def _misfit(beats: _Beats, start: int, end: int) -> tuple[float, float]:
    """Mean squared deviation from two levels and the straight way between them, and by how much those differ."""
    way = np.clip((beats.places - start) / max(end - start, 1), 0, 1) if end > start else beats.places >= start
    weights = np.sqrt(beats.counts)
    levels = np.stack([1 - way, way], 1) * weights[:, None]
    found = np.linalg.lstsq(levels, beats.velocities * weights, rcond=None)[0]
    misses = beats.velocities * weights - levels @ found
    return float(misses @ misses) / len(way), float(found[1] - found[0])
