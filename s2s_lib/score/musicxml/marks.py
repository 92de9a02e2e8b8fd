"""Marks about the notes of a score: tempo, dynamics, pedal and clefs, each by the passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from s2s_lib.notes import Piece, pedal_spans
from s2s_lib.score.musicxml.lengths import QUARTER, grid_of
from s2s_lib.score.musicxml.measures import PARTS, Measure
from s2s_lib.score.musicxml.steady import level_stretches, steadiest

DYNAMICS = {"pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112}  # MIDI velocities, MuseScore's
DYNAMICS_CHANGE = 3.0  # against a bar 8 velocities off its mark
TEMPO_CHANGE, TEMPO_BARS = 0.12, 4  # squared deviation of log tempo that pays for a mark; bars that it holds at least
TEMPO_STEP = 1.18  # ratio below which two tempos need no mark between them
LINES = {"treble": (64, 77), "bass": (43, 57), "8va": (76, 89), "8vb": (31, 45)}  # pitches of lowest and highest line
CLEF_COSTS = {
    "R": {"treble": 0.0, "bass": 0.3, "8va": 1.2},
    "L": {"treble": 0.3, "bass": 0.0, "8vb": 1.8},
}  # of a bar, against a ledger line on every note
CLEF_CHANGE = 2.5
SEMITONES_PER_LEDGER = 24 / 7


@dataclass(frozen=True)
class Mark:
    """A mark at a place, in ticks from the first bar line: a tempo in quarters per minute, or a name."""

    place: int
    kind: Literal["tempo", "dynamic", "pedal", "8va", "8vb"]
    value: str | float


def find_marks(piece: Piece, bars: Sequence[Measure]) -> list[Mark]:
    """All marks of a score in order of place."""
    clock = _Clock(piece)
    found = [*_tempos(piece, bars, clock), *_dynamics(piece, bars), *_pedal(piece, bars, clock)]
    return sorted(found, key=lambda mark: mark.place)


class _Clock:
    """The performed times of places on the page and the other way round, straight on beyond the beats."""

    def __init__(self, piece: Piece):
        beats_s = np.array(piece.beats_s if len(piece.beats_s) > 1 else (0.0, 60 / (piece.tempo_bpm or 120)))
        first, last = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
        self._times_s = np.array([beats_s[0] - 64 * first, *beats_s, beats_s[-1] + 64 * last])
        self._places = np.array([-64, *range(len(beats_s)), len(beats_s) + 63]) * float(QUARTER)

    def seconds(self, places: Sequence[int]) -> np.ndarray:
        return np.interp(places, self._places, self._times_s)

    def places(self, times_s: Sequence[float]) -> np.ndarray:
        return np.interp(times_s, self._times_s, self._places)


def _tempos(piece: Piece, bars: Sequence[Measure], clock: _Clock) -> list[Mark]:
    """The tempo at the start, and where it changes for long."""
    edges = clock.seconds([bar.line + bar.first for bar in bars] + [bars[-1].line + bars[-1].last])
    lengths = np.array([bar.last - bar.first for bar in bars])
    pace = np.log(60 * lengths / QUARTER / np.maximum(np.diff(edges), 1e-3))
    stretches = level_stretches(pace, TEMPO_CHANGE, TEMPO_BARS)
    tempos = [float(np.exp(np.median(pace[start:end]))) for start, end in stretches]
    if len(tempos) == 1 and piece.tempo_bpm:
        tempos = [piece.tempo_bpm]
    marks: list[Mark] = []
    for (start, _), tempo in zip(stretches, tempos, strict=True):
        if not marks or not 1 / TEMPO_STEP < tempo / float(marks[-1].value) < TEMPO_STEP:
            marks.append(Mark(bars[start].line + bars[start].first, "tempo", tempo))
    return marks


def _dynamics(piece: Piece, bars: Sequence[Measure]) -> list[Mark]:
    """Dynamics where the bars' mean velocity stays at another level."""
    sounding = [(bar, _started(bar)) for bar in bars]
    sounding = [(bar, notes) for bar, notes in sounding if notes]
    means = np.array([[np.mean([piece.performance.notes[i].velocity for _, i in notes])] for _, notes in sounding])
    if not len(means):
        return []
    levels = steadiest(np.abs(means - np.array([list(DYNAMICS.values())])) / 8, DYNAMICS_CHANGE)
    changed = [True, *(a != b for a, b in pairwise(levels))]
    return [
        Mark(bar.line + min(place for place, _ in notes), "dynamic", list(DYNAMICS)[level])
        for (bar, notes), level, new in zip(sounding, levels, changed, strict=True)
        if new
    ]


def _started(bar: Measure) -> list[tuple[int, int]]:
    """The notes that start in a bar, as (place, index)."""
    symbols = (symbol for voice in bar.voices.values() for symbol in voice)
    return [(symbol.start, i) for symbol in symbols for i in symbol.notes if i not in symbol.tied_from]


def _pedal(piece: Piece, bars: Sequence[Measure], clock: _Clock) -> list[Mark]:
    """The sustain pedal, moved to the nearest parts of beats: "start" and "stop", both where it is changed.

    MusicXML's "change" is left out, since Verovio 6 ends the pedal's line there (its issue 3993).
    """
    grid = grid_of(piece.time_signature)
    step = grid.beat // (3 if grid.beat % 9 == 0 else 2)
    start, end = bars[0].line + bars[0].first, bars[-1].line + bars[-1].last
    spans = np.array(pedal_spans(piece.performance.pedal, piece.performance.end_s)).reshape(-1, 2)
    places = np.clip(np.round(clock.places(spans.ravel()) / step) * step, start, end).astype(int).reshape(-1, 2)
    joined: list[list[int]] = []  # places of the pedal's fall, of its changes and of its lift
    for down, up in places.tolist():
        if up - down < grid.beat:  # too short to be worth a sign
            continue
        if joined and down - joined[-1][-1] < step:
            joined[-1].append(up)
        else:
            joined.append([down, up])
    return [
        Mark(place, "pedal", kind)
        for places in joined
        for down, up in pairwise(places)
        for place, kind in ((down, "start"), (up, "stop"))
    ]


def find_clefs(piece: Piece, bars: Sequence[Measure]) -> dict[str, list[str]]:
    """The clef of each bar by hand: the one that saves ledger lines for long. "8va" is treble, "8vb" bass so marked."""
    found = {}
    for hand, extra in CLEF_COSTS.items():
        costs = np.tile([*extra.values()], (len(bars), 1))
        for i, bar in enumerate(bars):
            symbols = [symbol for part in PARTS if part[0] == hand for symbol in bar.voices.get(part, ())]
            pitches = np.array([piece.performance.notes[n].pitch for symbol in symbols for n in symbol.notes])
            for j, (low, high) in enumerate(LINES[name] for name in extra):
                if len(pitches):
                    beyond = np.maximum(np.maximum(low - pitches, pitches - high) - 1, 0)
                    costs[i, j] += beyond.mean() / SEMITONES_PER_LEDGER
        found[hand] = [list(extra)[state] for state in steadiest(costs, CLEF_CHANGE)]
    return found


def find_octaves(bars: Sequence[Measure], clefs: Mapping[str, Sequence[str]]) -> list[Mark]:
    """Where 8va and 8vb start and stop, from the clefs of the bars by hand."""
    marks = []
    for hand, sign in (("R", "8va"), ("L", "8vb")):
        inside = [False, *(clef == sign for clef in clefs[hand]), False]
        for bar, (before, here, after) in zip(bars, zip(inside, inside[1:], inside[2:], strict=False), strict=True):
            if here and not before:
                marks.append(Mark(bar.line + bar.first, sign, "start"))
            if here and not after:
                marks.append(Mark(bar.line + bar.last, sign, "stop"))
    return marks
