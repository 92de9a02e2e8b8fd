"""Octave lines: where notes stand so far off their staff that they are written an octave nearer to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from s2s_lib.notes import Piece
from s2s_lib.score.musicxml.lengths import grid_of
from s2s_lib.score.musicxml.marks import LINES, Mark, ledger_lines
from s2s_lib.score.musicxml.measures import PARTS, Measure, Symbol

SIGNS = {"R": ("8va", "treble", -12), "L": ("8vb", "bass", 12)}  # with the clef it goes with, from sounding to written
READABLE = {"8va": 2.5, "8vb": 3.5}  # ledger lines that cost nothing above the staff, and below it
UNDER, NEEDLESS = 0.2, 0.7  # cost of a chord under the line, and of one that is readable without it
TURN = 2.5  # of beginning and of ending a line: the ledger lines of a chord or two
OFF_BEAT, ACROSS = 1.5, 3.0  # more, if it does so within a beat, or while another voice holds a note
NEVER = 1e6


@dataclass(frozen=True)
class _Chord:
    """What a hand strikes at one place, from there to where a line that it is the last under ends; ticks.

    plain and shifted: what it costs without and with the line; turn: the cost of beginning or ending one before it.
    """

    place: int
    end: int
    plain: float
    shifted: float
    turn: float


def find_octaves(piece: Piece, bars: Sequence[Measure], clefs: Mapping[str, Sequence[str]]) -> list[Mark]:
    """Where 8va and 8vb start and stop: the course of least cost through the chords of each hand (Viterbi).

    clefs: by hand that of each bar. No line begins or ends within a tie.
    """
    marks: list[Mark] = []
    for hand, (sign, _, _) in SIGNS.items():
        chords = _chords(piece, bars, hand, clefs[hand])
        inside = [False, *_lines(chords), False]
        for chord, (before, here, after) in zip(chords, zip(inside, inside[1:], inside[2:], strict=False), strict=True):
            if here and not before:
                marks.append(Mark(chord.place, sign, "start"))
            if here and not after:
                marks.append(Mark(chord.end, sign, "stop"))
    return marks


def _lines(chords: Sequence[_Chord]) -> list[bool]:
    """Which chords stand under a line."""
    costs, came_from = [0.0, NEVER], []
    for chord in chords:
        ways = [
            min((costs[before] + (chord.turn if before != now else 0.0), before) for before in (0, 1)) for now in (0, 1)
        ]
        came_from.append([before for _, before in ways])
        costs = [ways[0][0] + chord.plain, ways[1][0] + chord.shifted]
    now, lines = int(costs[1] + TURN < costs[0]), []
    for before in reversed(came_from):
        lines.append(bool(now))
        now = before[now]
    return lines[::-1]


def _chords(piece: Piece, bars: Sequence[Measure], hand: str, clefs: Sequence[str]) -> list[_Chord]:
    """The chords of a hand, both voices together, in order of place; tied ones count again where they go on."""
    sign, with_clef, shift = SIGNS[hand]
    beat = grid_of(piece.time_signature).beat
    found: list[_Chord] = []
    held = 0
    for bar, clef in zip(bars, clefs, strict=True):
        together: dict[int, list[Symbol]] = defaultdict(list)
        for part in (part for part in PARTS if part[0] == hand):
            for symbol in bar.voices.get(part, ()):
                if symbol.notes:
                    together[bar.line + symbol.start].append(symbol)
        places = [*sorted(together), bar.line + bar.last]
        for place, following in pairwise(places):
            symbols = together[place]
            pitches = [piece.performance.notes[i].pitch for s in symbols for i in (*s.notes, *s.graces)]
            plain = max(_over(pitch, sign, clef) for pitch in pitches)
            shifted = max(_over(pitch + shift, sign, clef) for pitch in pitches)
            turn = TURN + OFF_BEAT * bool((place - bar.line) % beat) + ACROSS * (held > place)
            held = max(held, *(bar.line + s.end for s in symbols))
            found.append(
                _Chord(
                    place, min(held, following), plain,
                    NEVER if clef != with_clef else shifted + (UNDER if plain else NEEDLESS),
                    NEVER if any(s.tied_from for s in symbols) else turn,
                )
            )  # fmt: skip
    return found


def _over(pitch: int, sign: str, clef: str) -> float:
    """Ledger lines that cost something: beyond the readable ones on the sign's side of the staff, any on the other."""
    below = pitch < sum(LINES[clef]) / 2
    return max(0.0, ledger_lines(pitch, clef) - (READABLE[sign] if below == (sign == "8vb") else 0.0))
