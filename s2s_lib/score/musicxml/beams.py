"""Beams: which short notes hang together, by the beat (E. Gould, Behind Bars, 2011, ch. 6)."""

from __future__ import annotations

from itertools import pairwise

from s2s_lib.score.musicxml.lengths import QUARTER, Grid, value_of
from s2s_lib.score.musicxml.measures import Symbol

FLAGS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


def flags(symbol: Symbol) -> int:
    """Flags of a chord's stem; 0 for rests and for quarter notes and longer."""
    return FLAGS.get(value_of(symbol.end - symbol.start, symbol.tuplet is not None).type, 0) if symbol.notes else 0


def add_beams(symbols: list[Symbol], grid: Grid) -> None:
    """Sets the beams of a voice's symbols in one bar: per level what the beam does at this stem."""
    group: list[Symbol] = []
    groups = [group]
    for earlier, symbol in pairwise((None, *symbols)):
        joined = earlier is not None and flags(earlier) and _together(earlier, symbol, symbols, grid)
        if not joined:
            group = []
            groups.append(group)
        if flags(symbol):
            group.append(symbol)
    for group in groups:
        if len(group) > 1:
            _beam(group)


def _together(earlier: Symbol, symbol: Symbol, symbols: list[Symbol], grid: Grid) -> bool:
    """Whether a beam may go on: within a beat, or across beats where all around are plain eighths."""
    if earlier.start // grid.beat == symbol.start // grid.beat:
        return True
    if earlier.tuplet and earlier.tuplet == symbol.tuplet:
        return True
    wide = {2: 2, 3: 3, 4: 2}.get(grid.beats, 1) * grid.beat if grid.beat == QUARTER else grid.beat
    if grid.beat == QUARTER // 2:  # 3/8
        wide = grid.bar if grid.beats <= 4 else grid.beat * 2
    window = earlier.start // wide
    if symbol.start // wide != window or symbol.start % grid.beat:
        return False
    short = [s for s in symbols if s.start // wide == window and flags(s)]
    return all(s.end - s.start == QUARTER // 2 and not s.start % (QUARTER // 2) for s in short)


def _beam(group: list[Symbol]) -> None:
    """Beams for a run of chords: lower levels run as far as their neighbours have them, single ones are hooks."""
    levels = [flags(symbol) for symbol in group]
    for i, symbol in enumerate(group):
        symbol.beams = []
        for level in range(1, levels[i] + 1):
            before = i > 0 and levels[i - 1] >= level
            after = i + 1 < len(group) and levels[i + 1] >= level
            if before and after:
                symbol.beams.append("continue")
            elif before or after:
                symbol.beams.append("end" if before else "begin")
            else:
                back = i + 1 == len(group) or (i > 0 and _inward(symbol))
                symbol.beams.append("backward hook" if back else "forward hook")


def _inward(symbol: Symbol) -> bool:
    """Whether a hook points back, to the longer note that it completes, as in a dotted rhythm."""
    return symbol.start % (2 * (symbol.end - symbol.start)) != 0
