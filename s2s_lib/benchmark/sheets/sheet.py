"""Printed music as music21 reads it: notes at their places in quarter notes, measures, metre, key."""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.metre import bar_quarters, beat_quarters
from s2s_lib.notes import NotatedNote

MAJOR = "Cb Gb Db Ab Eb Bb F C G D A E B F# C#".split()  # by their signatures, seven flats to seven sharps
MINOR = "Abm Ebm Bbm Fm Cm Gm Dm Am Em Bm F#m C#m G#m D#m A#m".split()


class SheetNote(NamedTuple):
    """A printed note, tied ones joined: MIDI pitch, and where and how it is written."""

    pitch: int
    written: NotatedNote


@dataclass(frozen=True, eq=False)
class Sheet:
    """A score without a performance. `notes` by place; `measures` are the places of the bar lines, `end` of the last.

    `padding` is what an incomplete first measure lacks, in quarter notes.
    """

    notes: tuple[SheetNote, ...]
    measures: tuple[float, ...]
    end: float
    padding: float
    time_signature: tuple[int, int]
    key: str

    @cached_property
    def places(self) -> np.ndarray:
        """Places of the notes: (n,)."""
        return np.array([note.written.onset_beat for note in self.notes])

    @property
    def bar(self) -> float:
        """Length of a full measure in quarter notes."""
        return float(bar_quarters(self.time_signature))

    @property
    def beats(self) -> np.ndarray:
        """Places of the felt beats; none in what a measure is too long."""
        ends = (*self.measures[1:], self.end)
        pairs = zip(self.measures, ends, strict=True)
        step = float(beat_quarters(self.time_signature))
        return np.concatenate([np.arange(start, min(end, start + self.bar) - 1e-6, step) for start, end in pairs])

    @property
    def downbeats(self) -> np.ndarray:
        """Places where full measures start."""
        return np.array(self.measures[1:] if self.padding else self.measures)


def read_sheet(path: Path, **options: Any) -> Sheet:
    """Reads a MusicXML or MIDI file through music21, which gets the `options`; repeats are left as they are written.

    The upper staff of two is the right hand's; a single one is all right hand. Raises InputError if music21 can't
    read the file.
    """
    from music21 import converter  # takes a second to import
    from music21.exceptions21 import Music21Exception

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on measures that are too full
            score = converter.parse(path, forceSource=True, storePickle=False, **options)
    except (Music21Exception, OSError, ValueError, SyntaxError) as error:  # damaged XML is a SyntaxError
        raise InputError(f"{path}: music21 can't read it ({error}).") from None
    parts = list(score.parts)
    notes = [note for part, hand in zip(parts, _hands(len(parts)), strict=True) for note in _notes(part, hand)]
    if not notes:
        raise InputError(f"{path}: has no notes; name a score with notes.")
    notes.sort(key=lambda note: (note.written.onset_beat, note.pitch))
    measures = list(parts[0].getElementsByClass("Measure"))
    metre = next(iter(parts[0].recurse().getElementsByClass("TimeSignature")), None)
    time_signature = (metre.numerator, metre.denominator) if metre else (4, 4)
    first, last = measures[0], measures[-1]
    return Sheet(
        tuple(notes), tuple(float(measure.offset) for measure in measures),
        float(last.offset + last.duration.quarterLength), float(first.paddingLeft), time_signature,
        _key(parts[0], notes),
    )  # fmt: skip


def _hands(parts: int) -> list[str]:
    return ["R" if number < max(1, parts // 2) else "L" for number in range(parts)]


def _notes(part: Any, hand: str) -> list[SheetNote]:
    """Notes of one staff. Of the voices with notes in a measure the lowest number is its first, others its second."""
    notes, open_ties = [], {}
    for measure in part.getElementsByClass("Measure"):
        voices = [(voice, float(voice.offset)) for voice in sorted(measure.voices, key=_voice_number) if voice.notes]
        if measure.notes:  # of a measure without voices
            voices.insert(0, (measure, 0.0))
        for number, (voice, start) in enumerate(voices, start=1):
            for element in voice.notes:
                place = float(measure.offset + element.offset) + start
                _add(notes, open_ties, element, NotatedNote(place, 0.0, hand, min(number, 2)))
    return notes


def _voice_number(voice: Any) -> tuple[int, str]:
    number = str(voice.id)
    return (int(number), "") if number.isdigit() else (1000, number)


def _add(notes: list[SheetNote], open_ties: dict[int, int], element: Any, written: NotatedNote) -> None:
    """Adds a note or the notes of a chord; one that goes on from a tie makes the tied one longer."""
    length, grace = float(element.duration.quarterLength), element.duration.isGrace
    for note in getattr(element, "notes", (element,)):
        pitch, tie = note.pitch.midi, note.tie.type if note.tie else None
        if tie in ("stop", "continue") and pitch in open_ties:
            index = open_ties[pitch]
            before = notes[index].written
            if abs(before.onset_beat + before.duration_beats - written.onset_beat) < 0.02:
                longer = NotatedNote(before.onset_beat, before.duration_beats + length, before.hand, before.voice)
                notes[index] = SheetNote(pitch, longer)
                if tie == "stop":
                    del open_ties[pitch]
                continue
        ornament = "grace" if grace else None
        full = NotatedNote(written.onset_beat, 0.0 if grace else length, written.hand, written.voice, ornament)
        notes.append(SheetNote(pitch, full))
        if tie in ("start", "continue"):
            open_ties[pitch] = len(notes) - 1


def _key(part: Any, notes: list[SheetNote]) -> str:
    """The signature's key: minor where the lowest note of the last chord is that key's tonic, as files say major."""
    signature = next(iter(part.recurse().getElementsByClass("KeySignature")), None)
    fifths = signature.sharps if signature else 0
    ends: dict[float, list[int]] = defaultdict(list)
    for pitch, written in notes:
        ends[written.onset_beat + written.duration_beats].append(pitch)
    bass = min(ends[max(ends)])
    minor = bass % 12 == (fifths * 7 + 9) % 12
    return (MINOR if minor else MAJOR)[fifths + 7]
