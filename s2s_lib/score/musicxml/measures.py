"""A piece as bars of written symbols: chords, ties, rests, tuplets, grace notes, for two staves of two voices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from s2s_lib.metre import TimeSignature
from s2s_lib.notes import Piece
from s2s_lib.score.musicxml.lengths import QUARTER, Grid, Tuplet, find_tuplets, grid_of, split

Part = tuple[str, int]  # hand and voice
PARTS: tuple[Part, ...] = (("R", 1), ("R", 2), ("L", 1), ("L", 2))
CELL = 6  # ticks, a 32nd: within it either 64ths or their triplets


@dataclass
class Symbol:
    """One written chord or rest. Places are ticks from the bar line, `notes` indices of the piece's notes."""

    start: int
    end: int
    notes: tuple[int, ...] = ()
    tied_from: frozenset[int] = frozenset()  # those of the notes that go on from the symbol before
    tied_to: frozenset[int] = frozenset()
    tuplet: Tuplet | None = None
    graces: tuple[int, ...] = ()
    beams: list[str] = field(default_factory=list)  # per level: "begin", "continue", "end", "forward hook" ...


@dataclass
class Measure:
    """A bar: its number, ticks of its bar line from the piece's first, the part of it that is there, its voices."""

    number: int
    line: int
    first: int
    last: int
    voices: dict[Part, list[Symbol]]


@dataclass(frozen=True)
class _Printed:
    index: int
    start: int
    end: int
    pitch: int


@dataclass(frozen=True)
class _Piece:
    """A stretch of one voice in which nothing changes."""

    start: int
    end: int
    notes: tuple[_Printed, ...]


def measures(piece: Piece) -> list[Measure]:
    """The bars of a piece. What is notated is what is written, apart from places finer than a 64th or its triplet.

    Notes of one voice that overlap are written as chords tied on; of two equal notes at one place one is printed.
    """
    grid = grid_of(piece.time_signature)
    voices, graces = _printed(piece)
    hosts = _hosts(voices, graces)
    ends = [note.end for notes in voices.values() for note in notes] or [grid.bar]
    starts = [note.start for notes in voices.values() for note in notes] + [place for _, place in hosts]
    first = min(0, min(starts, default=0) // grid.bar)
    pickup = _pickup(min(starts, default=0) - first * grid.bar, grid)
    found = [
        Measure(bar - first + (not pickup), bar * grid.bar, pickup if bar == first else 0, grid.bar, {})
        for bar in range(first, -(-max(ends) // grid.bar))
    ]
    for part in PARTS:
        cuts = {place for host, place in hosts if host == part}
        if voices[part] or cuts:
            _fill(found, part, _stretches(voices[part], cuts), hosts, grid)
    return found


def _pickup(silence: int, grid: Grid) -> int:
    """Where in the first bar the music starts, if that is a beat or more after the bar line; 0 for a full bar.

    It starts with a beat, or with its first note where that is a 16th, or several, from the bar's end.
    """
    if not grid.beat <= silence < grid.bar:
        return 0
    short = silence > grid.bar - grid.beat and silence % (QUARTER // 4) == 0
    return silence if short else silence // grid.beat * grid.beat


def _printed(piece: Piece) -> tuple[dict[Part, list[_Printed]], list[tuple[int, Part, int]]]:
    """Notes by voice and time, none twice, and grace notes as (index, voice, place)."""
    voices: dict[Part, list[_Printed]] = defaultdict(list)
    graces = []
    ends = [n.onset_beat + n.duration_beats for n in piece.notated]
    ticks = map(_tick, [*(n.onset_beat for n in piece.notated), *ends])
    rough = {tick // CELL for tick in ticks if tick % CELL in (2, 4)}

    def place(quarters: float) -> int:  # 64ths and their triplets within one 32nd can't be written together
        tick = _tick(quarters)
        return tick + 1 if tick % CELL == 3 and tick // CELL in rough else tick

    for i, (note, notated) in enumerate(zip(piece.performance.notes, piece.notated, strict=True)):
        part, start = (notated.hand, min(notated.voice, 2)), place(notated.onset_beat)
        if notated.ornament == "grace":
            graces.append((i, part, start))
        elif notated.ornament != "trilled":
            end = place(ends[i])
            voices[part].append(_Printed(i, start, end if end > start else start // CELL * CELL + CELL, note.pitch))
    return defaultdict(list, {part: _tidy(notes) for part, notes in voices.items()}), graces


def _tick(quarters: float) -> int:
    """The nearest tick that a 64th or its triplet can start at."""
    tick = round(quarters * QUARTER)
    return tick + {1: 1, 5: -1}.get(tick % CELL, 0)


def _tidy(notes: list[_Printed]) -> list[_Printed]:
    """Notes of one voice by time and pitch; each ends where its key is struck again."""
    kept: dict[int, list[_Printed]] = defaultdict(list)
    for note in sorted(notes, key=lambda n: (n.start, n.end)):
        same = kept[note.pitch]
        if same and same[-1].end > note.start:
            last = same.pop()
            if last.start < note.start:
                same.append(_Printed(last.index, last.start, note.start, last.pitch))
        same.append(note)
    return sorted((note for same in kept.values() for note in same), key=lambda n: (n.start, n.pitch))


def _hosts(
    voices: dict[Part, list[_Printed]], graces: list[tuple[int, Part, int]]
) -> dict[tuple[Part, int], tuple[int, ...]]:
    """The grace notes before each symbol, given as (voice, place): in their own voice if a note starts there."""
    onsets = {(part, note.start) for part, notes in voices.items() for note in notes}
    hosts: dict[tuple[Part, int], list[int]] = defaultdict(list)
    for index, own, place in graces:
        near = sorted(PARTS, key=lambda part: (part != own, part[0] != own[0]))
        hosts[next((part for part in near if (part, place) in onsets), own), place].append(index)
    return {at: tuple(sorted(found)) for at, found in hosts.items()}


def _stretches(notes: list[_Printed], cuts: set[int]) -> list[_Piece]:
    """The voice from its first note to its last, cut wherever a note starts or ends."""
    places = sorted({place for note in notes for place in (note.start, note.end)} | cuts)
    found, sounding, ahead = [], [], 0
    for start, end in pairwise(places):
        sounding = [note for note in sounding if note.end > start]
        while ahead < len(notes) and notes[ahead].start <= start:
            sounding.append(notes[ahead])
            ahead += 1
        found.append(_Piece(start, end, tuple(sorted(sounding, key=lambda n: n.pitch))))
    return found


def _fill(
    found: list[Measure], part: Part, stretches: list[_Piece], hosts: dict[tuple[Part, int], tuple[int, ...]],
    grid: Grid,
) -> None:  # fmt: skip
    """Writes a voice into the bars in which it has notes, with rests from end to end of each."""
    by_bar: dict[int, list[_Piece]] = defaultdict(list)
    for stretch in stretches:
        for line in range(stretch.start // grid.bar * grid.bar, stretch.end, grid.bar):
            by_bar[line].append(_Piece(max(stretch.start, line), min(stretch.end, line + grid.bar), stretch.notes))
    for measure in found:
        inside = [s for s in by_bar[measure.line] if s.notes or (part, s.start) in hosts]
        if inside:
            inside = _with_rests(inside, measure)
            measure.voices[part] = _symbols(inside, measure.line, grid)
            for symbol in measure.voices[part]:
                symbol.graces = hosts.get((part, measure.line + symbol.start), ())


def _with_rests(stretches: list[_Piece], measure: Measure) -> list[_Piece]:
    """The stretches of a bar and the silences between and around them."""
    filled, at = [], measure.line + measure.first
    for stretch in (*stretches, _Piece(measure.line + measure.last, measure.line + measure.last, ())):
        if at < stretch.start:
            filled.append(_Piece(at, stretch.start, ()))
        filled.append(stretch)
        at = stretch.end
    return filled[:-1]


def _symbols(stretches: list[_Piece], line: int, grid: Grid) -> list[Symbol]:
    places = {place - line for stretch in stretches for place in (stretch.start, stretch.end)}
    tuplets = find_tuplets(places, grid)
    written = []
    for stretch in stretches:
        for start, end in split(stretch.start - line, stretch.end - line, grid, tuplets, not stretch.notes):
            tuplet = next((t for t in tuplets if t.start <= start < t.end), None)
            earlier = frozenset(n.index for n in stretch.notes if n.start < line + start)
            later = frozenset(n.index for n in stretch.notes if n.end > line + end)
            written.append(Symbol(start, end, tuple(n.index for n in stretch.notes), earlier, later, tuplet))
    return written


def bar_rest(measure: Measure) -> Symbol:
    """The rest of a bar in which a staff is silent."""
    return Symbol(measure.first, measure.last)


def is_short(time_signature: TimeSignature, measure: Measure) -> bool:
    """Whether a bar is a pickup."""
    return measure.last - measure.first < grid_of(time_signature).bar
