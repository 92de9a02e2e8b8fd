"""Johann Sebastian Bach, Prelude in C major, BWV 846 (The Well-Tempered Clavier I, 1722), in the public domain.

A fixed real piece to listen to and to measure on. 35 bars of 4/4: in bars 1-32 each half bar plays its five-part
chord as 1 2 3 4 5 3 4 5 in semiquavers, the bass held for the half bar, the tenor from its semiquaver on.
"""

from __future__ import annotations

import numpy as np

from s2s_lib.compose.expression import Expression
from s2s_lib.compose.grid import QUARTER, Score, ScoreNote
from s2s_lib.compose.perform import perform
from s2s_lib.compose.theory import NATURALS
from s2s_lib.compose.timing import breathe
from s2s_lib.notes import Piece

TEMPO_BPM = 69.0
BAR, HALF, SEMIQUAVER = 96, 48, 6
PATTERN = (2, 3, 4, 2, 3, 4)  # the three upper parts, after bass and tenor
CHORDS = (
    "C4 E4 G4 C5 E5", "C4 D4 A4 D5 F5", "B3 D4 G4 D5 F5", "C4 E4 G4 C5 E5", "C4 E4 A4 E5 A5", "C4 D4 F#4 A4 D5",
    "B3 D4 G4 D5 G5", "B3 C4 E4 G4 C5", "A3 C4 E4 G4 C5", "D3 A3 D4 F#4 C5", "G3 B3 D4 G4 B4", "G3 Bb3 E4 G4 C#5",
    "F3 A3 D4 A4 D5", "F3 Ab3 D4 F4 B4", "E3 G3 C4 G4 C5", "E3 F3 A3 C4 F4", "D3 F3 A3 C4 F4", "G2 D3 G3 B3 F4",
    "C3 E3 G3 C4 E4", "C3 G3 Bb3 C4 E4", "F2 F3 A3 C4 E4", "F#2 C3 A3 C4 Eb4", "Ab2 F3 B3 C4 D4", "G2 F3 G3 B3 D4",
    "G2 E3 G3 C4 E4", "G2 D3 G3 C4 F4", "G2 D3 G3 B3 F4", "G2 Eb3 A3 C4 F#4", "G2 E3 G3 C4 G4", "G2 D3 G3 C4 F4",
    "G2 D3 G3 B3 F4", "C2 C3 G3 Bb3 E4",
)  # fmt: skip
BAR_33 = "C2 C3 F3 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3"
BAR_34 = "C2 B2 G4 B4 D5 F5 D5 B4 D5 B4 G4 B4 D4 F4 E4 D4"
BAR_35 = "C2 C3 E4 G4 C5"
EXPRESSION = Expression(
    level=56, arc=14, slope=0, rubato=0.05, ritardando=0.55, legato=0.97, pedal="chord", lead_s=0.3, timing_s=0.005,
    touch=3.0, melody_lead_s=0.0, spread_s=0.004,
)  # fmt: skip
PHRASES = (4, 11, 19, 24, 32, 35)  # bars after which the music breathes: cadences, and the two pedal points
SEED = 846  # of the small irregularities of the performance


def bwv846() -> Piece:
    """The prelude at 69 quarter notes a minute with modest rubato, the pedal changed with the harmony; 549 notes."""
    rng = np.random.default_rng(SEED)
    notes = _notes()
    ends = tuple(bar * BAR for bar in PHRASES)
    score = Score(
        notes, 35 * BAR, BAR, QUARTER, tuple(zip((0, *ends[:-1]), ends, strict=True)),
        tuple(bar * BAR for bar in range(35)),
    )  # fmt: skip
    beats_s = np.round(EXPRESSION.lead_s + breathe(rng, score, EXPRESSION)[0] * 60 / TEMPO_BPM, 4)
    performance, notated = perform(rng, score, EXPRESSION, beats_s, float(beats_s[-1]))
    return Piece(performance, notated, tuple(beats_s.tolist()), (4, 4), "C", TEMPO_BPM, "medium",
                 ("pedal chord", "right broken"))  # fmt: skip


def _notes() -> tuple[ScoreNote, ...]:
    notes: list[ScoreNote] = []
    for bar, names in enumerate(CHORDS):
        chord = [_pitch(name) for name in names.split()]
        for start in (bar * BAR, bar * BAR + HALF):
            notes += _bass_and_tenor(start, chord, HALF)
            notes += _upper(start, [chord[part] for part in PATTERN])
    for bar, names in ((32, BAR_33), (33, BAR_34)):
        pitches = [_pitch(name) for name in names.split()]
        notes += _bass_and_tenor(bar * BAR, pitches, BAR) + _upper(bar * BAR, pitches[2:])
    last = [_pitch(name) for name in BAR_35.split()]
    notes += [ScoreNote(34 * BAR, BAR, p, "L" if i < 2 else "R", "chord", 1, "held") for i, p in enumerate(last)]
    return tuple(notes)


def _bass_and_tenor(start: int, pitches: list[int], length: int) -> list[ScoreNote]:
    bass = ScoreNote(start, length, pitches[0], "L", "bass", 2, "held")
    return [bass, ScoreNote(start + SEMIQUAVER, length - SEMIQUAVER, pitches[1], "L", "figure", 1, "held")]


def _upper(start: int, pitches: list[int]) -> list[ScoreNote]:
    first = start + 2 * SEMIQUAVER
    return [ScoreNote(first + i * SEMIQUAVER, SEMIQUAVER, pitch, "R", "figure") for i, pitch in enumerate(pitches)]


def _pitch(name: str) -> int:
    """MIDI number of a note name such as "F#4"; C4 is 60."""
    return NATURALS[name[0]] + name.count("#") - name.count("b") + 12 * (int(name[-1]) + 1)
