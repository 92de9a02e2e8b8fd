"""A transcription as plain data, for programs that read JSON."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from s2s_lib.metre import bar_quarters, beat_quarters
from s2s_lib.notes import Piece
from s2s_lib.provenance import package_version
from s2s_lib.score.musicxml.measures import measures
from s2s_lib.score.spelling import spell
from s2s_lib.transcription.result import Transcription

SCHEMA = "sound2sheet.transcription/1"  # the number goes up when a reader of the last one would go wrong
PACKAGES = ("sound2sheet", "torch", "verovio")
SIGNS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
DIGITS = 4  # of seconds and of quarter notes


def describe(transcription: Transcription) -> dict[str, Any]:
    """What is known, as JSON's types: times in seconds, places in the score in quarter notes.

    Measures are numbered as they are printed, from 1, or from 0 where the first is a pickup.
    `key`, `time_signature`, `tempo_bpm` (quarter notes per minute) and every note's `score` are null, and `beats` is
    empty, where there are too few notes for a score. `beats` are the felt ones: dotted quarters in 6/8.
    """
    piece = transcription.to_score() if transcription.has_score else None
    metre = piece and piece.time_signature
    return {
        "schema": SCHEMA,
        "title": transcription.title,
        "source": transcription.source.name,
        "model": transcription.model and vars(transcription.model),
        "versions": {name: package_version(name) for name in PACKAGES},
        "tempo_bpm": piece and piece.tempo_bpm,
        "time_signature": metre and f"{metre[0]}/{metre[1]}",
        "key": piece and piece.key,
        "beats": _beats(piece) if piece else [],
        "pedal": [{"time_s": _rounded(event.time_s), "value": event.value} for event in transcription.pedal],
        "notes": [
            {**played, "score": notated}
            for played, notated in zip(_played(transcription), _notated(transcription, piece), strict=True)
        ],
    }


def _played(transcription: Transcription) -> list[dict[str, Any]]:
    return [
        {
            "onset_s": _rounded(note.onset_s),
            "offset_s": _rounded(note.offset_s),
            "pedal_offset_s": _rounded(ringing.offset_s),
            "pitch": note.pitch,
            "velocity": note.velocity,
        }
        for note, ringing in zip(transcription.notes, transcription.extended, strict=True)
    ]


def _notated(transcription: Transcription, piece: Piece | None) -> list[dict[str, Any] | None]:
    """Where each note stands in the score: its name, measure, place in it and length in quarter notes, hand, voice."""
    if piece is None:
        return [None] * len(transcription.notes)
    bar = float(bar_quarters(piece.time_signature))
    number = _numbering(piece)
    names = spell([note.pitch for note in piece.performance.notes], piece.key)
    return [
        {
            "name": f"{step}{SIGNS[alteration]}{octave}",
            "measure": number(note.onset_beat),
            "onset_quarters": _rounded(note.onset_beat % bar),
            "duration_quarters": _rounded(note.duration_beats),
            "hand": note.hand,
            "voice": note.voice,
            "ornament": note.ornament,
        }
        for note, (step, alteration, octave) in zip(piece.notated, names, strict=True)
    ]


def _beats(piece: Piece) -> list[dict[str, Any]]:
    """Every felt beat from the first bar line on: its time, its measure, and its number in that."""
    beat, bar = beat_quarters(piece.time_signature), bar_quarters(piece.time_signature)
    places = [k * beat for k in range(int((len(piece.beats_s) - 1) / beat) + 1)]
    number = _numbering(piece)
    times_s = np.interp([float(place) for place in places], np.arange(len(piece.beats_s)), piece.beats_s)
    return [
        {"time_s": _rounded(time_s), "measure": number(place), "beat": int(place % bar / beat) + 1}
        for place, time_s in zip(places, times_s.tolist(), strict=True)
    ]


def _numbering(piece: Piece) -> Callable[[float | Fraction], int]:
    """The way from a place in quarter notes to the number of its measure."""
    first, bar = measures(piece)[0], bar_quarters(piece.time_signature)
    before = first.number - first.line // first.last  # a measure's line and length are in ticks
    return lambda place: before + int(place // bar)


def _rounded(value: float | Fraction) -> float:
    return round(float(value), DIGITS)
