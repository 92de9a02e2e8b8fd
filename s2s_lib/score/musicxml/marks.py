"""Marks about the notes of a score: tempo, pedal and clefs, each by the passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from s2s_lib.notes import Piece, pedal_spans
from s2s_lib.score.musicxml.lengths import QUARTER, grid_of
from s2s_lib.score.musicxml.measures import PARTS, Measure
from s2s_lib.score.musicxml.steady import level_stretches, steadiest

TEMPO_CHANGE, TEMPO_BARS = 0.12, 4  # squared deviation of log tempo that pays for a mark; bars that it holds at least
TEMPO_STEP = 1.18  # ratio below which two tempos need no mark between them
LINES = {"treble": (64, 77), "bass": (43, 57)}  # pitches of lowest and highest line
CLEF_COSTS = {
    "R": {"treble": 0.0, "bass": 0.3},
    "L": {"treble": 0.3, "bass": 0.0},
}  # of a bar, against a ledger line on every note
CLEF_CHANGE = 1.5
SEMITONES_PER_LEDGER = 24 / 7


@dataclass(frozen=True)
class Mark:
    """A mark at a place, in ticks from the first bar line: a tempo in quarters per minute, or a name."""

    place: int
    kind: Literal["tempo", "dynamic", "wedge", "pedal", "8va", "8vb"]
    value: str | float


def find_marks(piece: Piece, bars: Sequence[Measure]) -> list[Mark]:
    """The marks of tempo and pedal."""
    clock = _Clock(piece)
    return [*_tempos(piece, bars, clock), *_pedal(piece, bars, clock)]


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
    """The clef of each bar by hand: the one that saves ledger lines for long."""
    found = {}
    for hand, extra in CLEF_COSTS.items():
        costs = np.tile([*extra.values()], (len(bars), 1))
        for i, bar in enumerate(bars):
            symbols = [symbol for part in PARTS if part[0] == hand for symbol in bar.voices.get(part, ())]
            pitches = [piece.performance.notes[n].pitch for symbol in symbols for n in symbol.notes]
            for j, clef in enumerate(extra):
                if pitches:
                    costs[i, j] += np.mean([ledger_lines(pitch, clef) for pitch in pitches])
        found[hand] = [list(extra)[state] for state in steadiest(costs, CLEF_CHANGE)]
    return found


def ledger_lines(pitch: int, clef: str) -> float:
    """About how many ledger lines a note needs."""
    low, high = LINES[clef]
    return max(low - pitch - 1, pitch - high - 1, 0) / SEMITONES_PER_LEDGER
