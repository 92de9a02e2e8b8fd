"""Note values: how a length at a place in the bar is written, with ties, dots and tuplets.

Places and lengths are ticks, 48 to the quarter note, so that 64ths (3) and their triplets (2) are whole numbers.
A stretch of a bar is written as one symbol only where the beat stays visible: E. Gould, Behind Bars (2011), ch. 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from s2s_lib.metre import TimeSignature, bar_quarters, beat_quarters

QUARTER = 48
TYPES = {
    384: "breve", 192: "whole", 96: "half", 48: "quarter", 24: "eighth", 12: "16th", 6: "32nd", 3: "64th",
}  # fmt: skip
SHORTEST = 3  # a 64th, and two thirds of it in a tuplet
TUPLET_COST, TUPLET_NOTE_COST, DOT_COST = 0.6, 0.05, 0.3  # against one more symbol: a bracket, a note in it, a dot

Span = tuple[int, int]


@dataclass(frozen=True)
class Tuplet:
    """A stretch of the bar in which three of something take the time of two; `parts` is 2 for six in that of four."""

    start: int
    end: int
    parts: int = 1

    @property
    def length(self) -> int:
        return self.end - self.start

    def later(self, ticks: int) -> Tuplet:
        return Tuplet(self.start + ticks, self.end + ticks, self.parts)


@dataclass(frozen=True)
class Value:
    """A written value: MusicXML's name of the note type, and its dots."""

    type: str
    dots: int


@cache
def value_of(ticks: int, tuplet: bool = False) -> Value | None:
    """The note value that lasts so long, None where there is no single one."""
    for dots, share in enumerate((1, 1.5, 1.75)):
        plain = ticks * (1.5 if tuplet else 1) / share
        if plain in TYPES:
            return Value(TYPES[int(plain)], dots)
    return None


@dataclass(frozen=True)
class Grid:
    """A metre in ticks: the bar, the felt beat, and the stretches that one note or one rest may fill."""

    bar: int
    beat: int
    compound: bool
    notes: frozenset[Span]
    rests: frozenset[Span]

    @property
    def beats(self) -> int:
        return self.bar // self.beat


@cache
def grid_of(time_signature: TimeSignature) -> Grid:
    """The grid of a metre."""
    bar, beat = int(bar_quarters(time_signature) * QUARTER), int(beat_quarters(time_signature) * QUARTER)
    compound = beat * time_signature[1] != 4 * QUARTER
    notes: set[Span] = {(0, bar)}
    rests: set[Span] = {(0, bar)}
    start = 0
    for group in _groups(bar // beat):
        _add_beats(start, group, beat, compound, notes, rests)
        start += group * beat
    return Grid(bar, beat, compound, _written(notes), _written(rests) | {(0, bar)})


def _groups(beats: int) -> list[int]:
    """Beats by the group: 5 as 3 + 2, 6 as 3 + 3, 7 as 2 + 2 + 3."""
    if beats <= 4:
        return [beats]
    if beats == 5:
        return [3, 2]
    if beats % 3 == 0:
        return [3] * (beats // 3)
    return [2] * (beats // 2) if beats % 2 == 0 else [2] * ((beats - 3) // 2) + [3]


def _add_beats(start: int, beats: int, beat: int, compound: bool, notes: set[Span], rests: set[Span]) -> None:
    """Adds what fills 1 to 4 beats, or parts of them."""
    if compound:
        notes.add((start, start + beats * beat))
        for i in range(beats):
            _add_thirds(start + i * beat, beat // 3, notes, rests)
            if i + 1 < beats and (beats == 3 or i % 2 == 0):
                notes.add((start + i * beat, start + (i + 2) * beat))
    elif beats == 3:
        _add_thirds(start, beat, notes, rests)
        rests.discard((start, start + 2 * beat))
    else:
        _add_halves(start, beats * beat, notes, rests)


def _add_thirds(start: int, unit: int, notes: set[Span], rests: set[Span]) -> None:
    """A stretch that divides by three: itself, any two thirds of it, and the thirds."""
    notes.add((start, start + 3 * unit))
    rests.update({(start, start + 3 * unit), (start, start + 2 * unit)})
    for at in (start, start + unit):
        _add_halves(at, 2 * unit, notes, set())
    for at in range(start, start + 3 * unit, unit):
        _add_halves(at, unit, notes, rests)


def _add_halves(start: int, length: int, notes: set[Span], rests: set[Span]) -> None:
    """A stretch that divides by two: itself, three quarters of it, and the syncopation across its middle."""
    notes.add((start, start + length))
    rests.add((start, start + length))
    if length % 4 == 0:
        part = length // 4
        notes.update((start + a * part, start + b * part) for a, b in ((0, 3), (1, 4), (1, 3)))
    if length in (QUARTER, 2 * QUARTER):
        notes.add((start, start + length // 8 * 7))
    if length % 2 == 0 and length > 2:
        for at in (start, start + length // 2):
            _add_halves(at, length // 2, notes, rests)


def _written(spans: set[Span]) -> frozenset[Span]:
    return frozenset((a, b) for a, b in spans if value_of(b - a))


@cache
def _in_tuplet(length: int) -> tuple[frozenset[Span], frozenset[Span]]:
    """Stretches within a tuplet that one note, and that one rest may fill."""
    notes: set[Span] = set()
    rests: set[Span] = set()
    _add_thirds(0, length // 3, notes, rests)
    spans = [frozenset((a, b) for a, b in found if value_of(b - a, True)) for found in (notes, rests)]
    return spans[0], spans[1]


def split(start: int, end: int, grid: Grid, tuplets: tuple[Tuplet, ...], rest: bool) -> list[Span]:
    """The symbols that write a note or rest from `start` to `end` of a bar, one after the other."""
    found: list[Span] = []
    for a, b, tuplet in _stretches(start, end, tuplets):
        if tuplet:
            at = tuplet.start
            found += [(x + at, y + at) for x, y in _fewest(a - at, b - at, _in_tuplet(tuplet.end - at)[rest])]
        else:
            found += _fewest(a, b, grid.rests if rest else grid.notes)
    return found


def _stretches(start: int, end: int, tuplets: Iterable[Tuplet]) -> Iterator[tuple[int, int, Tuplet | None]]:
    """start..end cut where tuplets start and end."""
    for tuplet in tuplets:
        if tuplet.end <= start or tuplet.start >= end:
            continue
        if start < tuplet.start:
            yield start, tuplet.start, None
        yield max(start, tuplet.start), min(end, tuplet.end), tuplet
        start = tuplet.end
    if start < end:
        yield start, end, None


@cache
def _fewest(start: int, end: int, spans: frozenset[Span]) -> tuple[Span, ...]:
    """The fewest spans that cover start..end; of equals, those cut at the strongest places of the bar."""
    if (start, end) in spans:
        return ((start, end),)
    best: tuple[Span, ...] = ()
    for cut in sorted(b for a, b in spans if a == start and b < end):
        rest = _fewest(cut, end, spans)
        if rest:
            options = [option for option in (best, ((start, cut), *rest)) if option]
            best = min(options, key=lambda cuts: (len(cuts), -_strength(cuts, spans)))
    return best


def _strength(cuts: tuple[Span, ...], spans: frozenset[Span]) -> int:
    """How strong the places are at which a note is cut: the longest stretch that the bar divides into at each."""
    return sum(_longest_from(at, spans) for at, _ in cuts[1:])


@cache
def _longest_from(at: int, spans: frozenset[Span]) -> int:
    return max((b - a for a, b in spans if a == at and at % (b - a) == 0), default=0)


def find_tuplets(places: set[int], grid: Grid) -> tuple[Tuplet, ...]:
    """The tuplets of a voice in a bar, from the places where its notes and rests start and end."""
    if all(place % SHORTEST == 0 for place in places):
        return ()
    found: list[Tuplet] = []
    for start, length in _windows(places, grid):
        inside = tuple(sorted(place - start for place in places if start < place < start + length))
        found += [tuplet.later(start) for tuplet in _layout(length, inside)[1]]
    return tuple(found)


def _windows(places: set[int], grid: Grid) -> Iterator[Span]:
    """Stretches of the bar in which tuplets are looked for, as (start, length); each divides by two."""
    if not grid.compound and grid.beats in (1, 2, 4):
        yield 0, grid.bar
        return
    unit = grid.beat // 3 if grid.compound else grid.beat
    start = 0
    while start < grid.bar:
        pair = {place - start for place in places if start < place < start + 2 * unit}
        over = start + 2 * unit <= grid.bar and pair and unit not in pair
        length = 2 * unit if over and all(place % (2 * unit // 3) == 0 for place in pair) else unit
        yield start, length
        start += length


@cache
def _layout(length: int, places: tuple[int, ...]) -> tuple[float, tuple[Tuplet, ...]]:
    """The cheapest way to write events that start and end at `places` within a stretch: its cost and its tuplets."""
    if all(place % SHORTEST == 0 for place in places):
        return len(places) + 1.0, ()
    options: list[tuple[float, tuple[Tuplet, ...]]] = []
    finest = max(2, length // 12) if length <= QUARTER else length // 3
    if length % 6 == 0 and all(place % finest == 0 for place in places):
        spans = _in_tuplet(length)[0]
        symbols = [s for a, b in zip((0, *places), (*places, length), strict=True) for s in _fewest(a, b, spans)]
        dots = sum(value_of(b - a, True).dots for a, b in symbols)
        options.append(
            (len(symbols) * (1 + TUPLET_NOTE_COST) + DOT_COST * dots + TUPLET_COST, (_tuplet(length, places),))
        )
    if length % 4 == 0:
        half = length // 2
        (cost, left), (more, right) = (
            _layout(half, tuple(place - at for place in places if at < place < at + half)) for at in (0, half)
        )
        options.append((cost + more, (*left, *(t.later(half) for t in right))))
    return min(options, key=lambda option: option[0])


def _tuplet(length: int, places: tuple[int, ...]) -> Tuplet:
    """The tuplet of a stretch: a sextuplet where it is six equal notes."""
    return Tuplet(0, length, 2 if places == tuple(range(length // 6, length, length // 6)) else 1)
