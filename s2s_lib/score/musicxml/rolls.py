"""Rolled chords, which get an arpeggio sign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from s2s_lib.notes import Piece
from s2s_lib.score.musicxml.measures import Measure

ROLL_GAP_S, LEAST_GAP_S = 0.03, 0.004  # between the keys of a rolled chord: on the mean, and each


def find_rolls(piece: Piece, bars: Sequence[Measure]) -> set[int]:
    """The notes, by index, of rolled chords: three keys and more, clearly one after the other upwards, and all held."""
    rolled: set[int] = set()
    for symbol in (symbol for bar in bars for voice in bar.voices.values() for symbol in voice):
        notes = sorted((piece.performance.notes[i] for i in symbol.notes), key=lambda note: note.pitch)
        if len(notes) < 3 or symbol.tied_from:
            continue
        gaps_s = np.diff([note.onset_s for note in notes])
        held = min(note.offset_s for note in notes) > notes[-1].onset_s
        if held and gaps_s.min() >= LEAST_GAP_S and gaps_s.mean() >= ROLL_GAP_S:
            rolled.update(symbol.notes)
    return rolled
