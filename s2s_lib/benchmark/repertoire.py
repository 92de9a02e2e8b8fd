"""The music of the benchmark: the user's MIDI files, or piano works of music21's corpus, played with expression."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s_lib.compose.expression import draw_expression
from s2s_lib.compose.grid import QUARTER, Score, ScoreNote
from s2s_lib.compose.perform import perform
from s2s_lib.compose.timing import breathe
from s2s_lib.config import BenchmarkConfig
from s2s_lib.data import midi_files
from s2s_lib.errors import InputError
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, PedalEvent, Performance, extend_by_pedal, read_midi

if TYPE_CHECKING:
    from music21.stream import Part

LEAD_S = 0.1  # silence before the first onset
SHORTEST_NOTE_S = 0.05  # a note struck later than this before the end is left out
DOWN = 64  # value from which the pedal counts as down
SLOWER = 1.2  # so many times the music wanted at the nominal tempo are played, since ritardandi come last
PHRASE_BARS = 4


@dataclass(frozen=True)
class Work:
    """An excerpt of a work for piano, or of a song's piano part, in music21's corpus.

    The corpus gives no tempo that is meant, so `tempo` says quarter notes a minute; `first_bar` counts from 0.
    """

    file: str
    title: str
    tempo: float
    first_bar: int = 0


WORKS = (
    Work("bach/bwv846.mxl", "Bach, Prelude in C major BWV 846", 66),
    Work("mozart/k545/movement1_exposition.mxl", "Mozart, Sonata K. 545, I", 132),
    Work("chopin/mazurka06-2.krn", "Chopin, Mazurka op. 6 no. 2", 150),
    Work("joplin/maple_leaf_rag.mxl", "Joplin, Maple Leaf Rag", 92),
    Work("schumann_clara/polonaise_op1n1.mxl", "Clara Schumann, Polonaise op. 1 no. 1", 96),
    Work("schumann_robert/opus48no2.mxl", "Schumann, Dichterliebe op. 48 no. 2, piano part", 50),
    Work("cpebach/h186.mxl", "C. P. E. Bach, Sonata H. 186", 84),
    Work("schumann_clara/polonaise_op1n2.mxl", "Clara Schumann, Polonaise op. 1 no. 2", 92),
    Work("schubert/Lindenbaum.xml", "Schubert, Der Lindenbaum D. 911 no. 5, piano part", 66),
    Work("schumann_clara/polonaise_op1n3.mxl", "Clara Schumann, Polonaise op. 1 no. 3", 96),
    Work("schumann_clara/polonaise_op1n4.mxl", "Clara Schumann, Polonaise op. 1 no. 4", 92),
    Work("joplin/maple_leaf_rag.mxl", "Joplin, Maple Leaf Rag, from bar 50", 92, 49),
    Work("chopin/mazurka06-2.krn", "Chopin, Mazurka op. 6 no. 2, from bar 33", 150, 32),
    Work("schumann_clara/polonaise_op1n1.mxl", "Clara Schumann, Polonaise op. 1 no. 1, from bar 21", 96, 20),
    Work("schumann_clara/polonaise_op1n3.mxl", "Clara Schumann, Polonaise op. 1 no. 3, from bar 25", 96, 24),
    Work("cpebach/h186.mxl", "C. P. E. Bach, Sonata H. 186, from bar 25", 84, 24),
)


@dataclass(frozen=True)
class BenchmarkPiece:
    """What is to be transcribed: a name, and what was played."""

    id: str
    performance: Performance


def check_repertoire(settings: BenchmarkConfig) -> None:
    """Raises InputError (usage) if there is no music: no MIDI file in the folder, or no music21."""
    if settings.midi_dir is not None:
        midi_files(settings.midi_dir, "benchmark.midi_dir")
    elif importlib.util.find_spec("music21") is None:
        raise InputError(
            "music21, whose corpus the benchmark takes its music from, is not installed; run 'pip install music21' or "
            "name a folder of MIDI files with --benchmark-midi.",
            usage=True,
        )


def pieces(settings: BenchmarkConfig) -> Iterator[BenchmarkPiece]:
    """At most `settings.pieces` excerpts of at most `settings.seconds`; the same seed gives the same performances.

    The files of a folder come in order of their paths. Raises InputError for a file that can't be read.
    """
    if settings.midi_dir is not None:
        found = midi_files(settings.midi_dir, "benchmark.midi_dir")[: settings.pieces]
        for path in found:
            yield BenchmarkPiece(str(path.relative_to(settings.midi_dir)), beginning(read_midi(path), settings.seconds))
        return
    for number, work in enumerate(WORKS[: settings.pieces]):
        rng = np.random.default_rng((settings.seed, number))
        yield BenchmarkPiece(work.title, beginning(play(work, settings.seconds, rng), settings.seconds))


def beginning(performance: Performance, seconds: float) -> Performance:
    """The first `seconds`, counted from 0.1 s before the first onset; what sounds at the end is released there."""
    performance = performance.shifted(LEAD_S - performance.notes[0].onset_s)
    kept = [note for note in performance.notes if note.onset_s < seconds - SHORTEST_NOTE_S]
    notes = tuple(replace(note, offset_s=min(note.offset_s, seconds)) for note in kept)
    past = [event for event in performance.pedal if event.time_s < 0][-1:]
    moves = [event for event in performance.pedal if 0 <= event.time_s < seconds]
    pedal = [replace(event, time_s=0.0) for event in past] + moves
    if pedal and pedal[-1].value >= DOWN:
        end_s = max(note.offset_s for note in extend_by_pedal(replace(performance, notes=notes, pedal=tuple(pedal))))
        pedal.append(PedalEvent(min(end_s, seconds), 0))
    return Performance(notes, tuple(pedal))


def play(work: Work, seconds: float, rng: np.random.Generator) -> Performance:
    """Plays at least `seconds` of a work, if it is that long, with rubato, dynamics, articulation and pedal."""
    score = read_score(work, seconds)
    expression = draw_expression(rng, "complex")
    units, holds = breathe(rng, score, expression)
    beats_s = np.round(expression.lead_s + (units + holds) * 60 / work.tempo, 4)
    end_s = float(np.interp(score.length, np.arange(len(beats_s)) * QUARTER, beats_s))
    performance, _ = perform(rng, score, expression, beats_s, round(end_s, 4))
    return performance


def read_score(work: Work, seconds: float) -> Score:
    """The bars of a work from its first one on, as many as `seconds` need; grace notes and repeats are left out."""
    import music21
    from music21 import converter

    parsed = converter.parse(Path(music21.__file__).parent / "corpus" / work.file)
    staves = list(parsed.parts)[-2:]  # the piano stands below the voice
    metre = staves[0].recurse().getElementsByClass("TimeSignature")[0]
    bar, beat = (_ticks(duration.quarterLength) for duration in (metre.barDuration, metre.beatDuration))
    measures = list(staves[0].getElementsByClass("Measure"))
    upbeat = -_ticks(measures[1].offset) % bar  # by which the first bar is too short
    start = work.first_bar * bar - upbeat
    wanted = math.ceil(SLOWER * seconds * work.tempo / 60 * QUARTER / bar) * bar
    notes = [note for hand, staff in zip("RL", staves, strict=True) for note in _notes(staff, hand, beat, upbeat)]
    inside = [
        note._replace(onset=note.onset - start, duration=min(note.duration, start + wanted - note.onset))
        for note in notes
        if start <= note.onset < start + wanted
    ]
    length = math.ceil(max(note.onset + note.duration for note in inside) / bar) * bar
    phrase = PHRASE_BARS * bar
    phrases = tuple((begin, min(begin + phrase, length)) for begin in range(0, length, phrase))
    return Score(tuple(sorted(inside)), length, bar, beat, phrases, _changes(inside))


def _notes(staff: Part, hand: str, beat: int, upbeat: int) -> list[ScoreNote]:
    """The notes of a staff, counted from the beginning of its first whole bar's grid."""
    written: dict[int, list[tuple[int, int, str]]] = {}
    for element in staff.stripTies().flatten().notes:
        duration = _ticks(element.quarterLength)
        if element.duration.isGrace or not duration or "Harmony" in element.classes:
            continue
        touch = "staccato" if any("Staccato" in mark.classes for mark in element.articulations) else "legato"
        for pitch in element.pitches:
            if LOWEST_PITCH <= pitch.midi <= HIGHEST_PITCH:
                written.setdefault(_ticks(element.offset), []).append((pitch.midi, duration, touch))
    notes = []
    for onset, chord in written.items():
        outer = max(chord)[0] if hand == "R" else min(chord)[0]
        for pitch, duration, touch in chord:
            role = _role(hand, pitch == outer, (onset + upbeat) % beat == 0, len(chord))
            notes.append(ScoreNote(onset, duration, pitch, hand, role, touch=touch))
    return notes


def _role(hand: str, outer: bool, on_beat: bool, size: int) -> str:
    """What a note is for: the right hand's top is the melody, the left hand's lowest on a beat the bass."""
    if hand == "R":
        return "melody" if outer else "inner"
    if outer and on_beat:
        return "bass"
    return "figure" if size == 1 else "chord"


def _changes(notes: list[ScoreNote]) -> tuple[int, ...]:
    """Ticks at which the bass moves to another pitch class, with which pianists change the pedal."""
    changes, before = [0], None
    for onset, pitch in sorted((note.onset, note.pitch) for note in notes if note.role == "bass"):
        if onset > changes[-1] and pitch % 12 != before:
            changes.append(onset)
        before = pitch % 12
    return tuple(changes)


def _ticks(quarters: float) -> int:
    return round(float(quarters) * QUARTER)
