"""Accidentals: which notes of a score need a sign of their own beside the key signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s2s_lib.score.musicxml.measures import PARTS, Measure
from s2s_lib.score.spelling import STEPS

NAMES = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
Spelled = tuple[str, int, int]


@dataclass(frozen=True)
class Sign:
    """An accidental by MusicXML's name."""

    name: str
    cautionary: bool


def accidentals(bars: Sequence[Measure], spelled: Mapping[int, Spelled], fifths: int) -> dict[int, Sign]:
    """The sign of each note that needs one, by the note's index; a sign holds for its staff, octave and bar.

    A note whose step was altered in the bar before gets a cautionary one.
    """
    signature = {step: (fifths + 6 - place) // 7 for place, step in enumerate(STEPS)}
    found = {}
    for hand in ("R", "L"):
        before: dict[tuple[str, int], int] = {}
        for bar in bars:
            in_force: dict[tuple[str, int], int] = {}
            for index in _in_order(bar, hand):
                step, alteration, octave = spelled[index]
                place = step, octave
                needed = in_force.get(place, signature[step]) != alteration
                if needed or (place not in in_force and before.get(place, alteration) != alteration):
                    found[index] = Sign(NAMES[alteration], not needed)
                in_force[place] = alteration
            before = in_force
    return found


def _in_order(bar: Measure, hand: str) -> list[int]:
    """The notes that start in a bar of one staff, from left to right; one tied over keeps the sign it had."""
    symbols = [(s.start, i, s) for i, part in enumerate(PARTS) if part[0] == hand for s in bar.voices.get(part, ())]
    return [
        index
        for _, _, symbol in sorted(symbols, key=lambda row: row[:2])
        for index in (*symbol.graces, *(note for note in symbol.notes if note not in symbol.tied_from))
    ]
