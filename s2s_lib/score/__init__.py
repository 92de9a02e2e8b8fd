"""A performance to its score: beats, metre, key, hands, note values; then MusicXML and engraved pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.notes import Performance, Piece
from s2s_lib.score.beats import find_beats
from s2s_lib.score.engrave import Engraving
from s2s_lib.score.hands import split_hands
from s2s_lib.score.key import find_key
from s2s_lib.score.musicxml import musicxml
from s2s_lib.score.ornaments import find_ornaments
from s2s_lib.score.quantize import quantize
from s2s_lib.score.timing import TimeSignature, Timing

__all__ = ["Engraving", "Timing", "Wishes", "musicxml", "notate"]

FEWEST_NOTES = 4  # that a beat can be told from


@dataclass(frozen=True)
class Wishes:
    """What is known about a score beforehand, in the place of what would be found; None where nothing is.

    tempo_bpm: quarter notes per minute, about which the beats are looked for; smallest: the shortest note value, as a
    fraction of a whole note, as `quantize` keeps to it; pedal: whether the sustain pedal is written.
    """

    tempo_bpm: float | None = None
    time_signature: TimeSignature | None = None
    key: str | None = None
    smallest: Fraction | None = None
    pedal: bool = True


def notate(performance: Performance, wishes: Wishes | None = None) -> Piece:
    """The score of a performance, its notes and pedal beside it.

    Raises InputError for a performance with too few notes for a beat to be told from.
    """
    wishes = wishes or Wishes()
    if len(performance.notes) < FEWEST_NOTES:
        raise InputError(
            f"too few notes for a score ({len(performance.notes)}, and it needs {FEWEST_NOTES}); ask for midi or json."
        )
    if not wishes.pedal:
        performance = replace(performance, pedal=())
    timing = find_beats(performance, wishes.tempo_bpm, wishes.time_signature)
    hands, ornaments = split_hands(performance), find_ornaments(performance, timing.beats_s)
    notated = quantize(performance, timing, hands, ornaments, wishes.smallest)
    last = max(note.onset_beat + note.duration_beats for note in notated)
    beats_s = timing.seconds(np.arange(int(np.ceil(last)) + 1))
    tempo_bpm = 60 * float(timing.beat_quarters) / float(np.median(np.diff(timing.beats_s)))
    return Piece(
        performance, notated, tuple(beats_s.tolist()), timing.time_signature, wishes.key or find_key(performance),
        round(tempo_bpm, 3), source="transcribed",
    )  # fmt: skip
