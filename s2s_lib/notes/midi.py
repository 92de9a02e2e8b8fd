"""MIDI files of performances and pieces."""

from __future__ import annotations

import io
import math
from contextlib import redirect_stdout
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write
from s2s_lib.notes.performance import (
    HIGHEST_PITCH,
    LOWEST_PITCH,
    Note,
    PedalEvent,
    Performance,
    Piece,
    resolve_overlaps,
)
from s2s_lib.smf import SUSTAIN, Music, read_music

with redirect_stdout(io.StringIO()):  # it imports pyfluidsynth, which prints a line wherever CI is set
    import pretty_midi

TICKS_PER_BEAT = 1920  # of a composed piece; a quarter of a millisecond per tick at 120 beats a minute
TICKS_PER_SECOND = 1920  # of any other performance
MOST_TICKS = 9_900_000  # pretty_midi reads 10 million; 87 minutes have more, so longer music has coarser ones
SLOWEST_TEMPO = 2**24 - 1  # microseconds per quarter note; a tempo event has three bytes for them
STEP_S = 0.0001  # by which a pedal movement is put off until it has a tick of its own


def read_midi(path: str | Path) -> Performance:
    """Reads the piano notes and sustain pedal of a MIDI file.

    Which tracks are the piano's is told by `s2s_lib.smf`. Raises InputError for a file that is missing, no MIDI,
    without piano notes, or with notes outside the piano's keys.
    """
    music, _ = read_music(path)
    if not len(music):
        left_out = ", ".join(f"{count} {reason}" for reason, count in music.left_out.items())
        why = f" (left out: {left_out})" if left_out else ""
        raise InputError(f"{path}: holds no piano notes{why}; name a MIDI file with notes.")
    outside = np.unique(music.pitch[(music.pitch < LOWEST_PITCH) | (music.pitch > HIGHEST_PITCH)])
    if len(outside):
        raise InputError(
            f"{path}: has notes outside the piano's keys {LOWEST_PITCH}-{HIGHEST_PITCH} (pitch "
            f"{', '.join(map(str, outside[:5]))}); transpose or remove them."
        )
    return performance_of(music)


def performance_of(music: Music) -> Performance:
    """What a pianist did to give this music; overlapping notes of one key are resolved."""
    columns = (music.onset_s, music.offset_s, music.pitch, music.velocity)
    notes = [Note(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    pedal = zip(music.pedal_s.tolist(), music.pedal_value.tolist(), strict=True)
    return Performance(resolve_overlaps(notes), tuple(PedalEvent(*movement) for movement in pedal))


def write_midi(path: str | Path, performance: Performance) -> None:
    """Writes a performance as a one-track piano MIDI file, times exact to 0.3 ms; beyond 85 minutes ticks are coarser.

    Pedal movements that would share a tick are written a tick apart, so that their order holds.
    """
    resolution = _resolution(TICKS_PER_SECOND // 2, 2 * performance.end_s)
    midi = pretty_midi.PrettyMIDI(resolution=resolution, initial_tempo=120.0)
    piano = pretty_midi.Instrument(program=0, name="Piano")
    piano.notes = [_midi_note(note) for note in performance.notes]
    piano.control_changes = _pedal_changes(midi, performance.pedal)
    midi.instruments.append(piano)
    _save(midi, path)


def write_piece(path: str | Path, piece: Piece) -> None:
    """Writes a composed piece: one track per hand, and the performed beats as the file's tempo map.

    A reader finds the beats through the tempo map, the key and metre in their events, the hands in the two tracks.
    Times are exact to half a tick, 1/3840 of the beat they lie in (0.13 ms at 120 beats a minute, 0.8 ms at 20), and
    a microsecond per beat before them; beyond 5,000 beats ticks are coarser. A beat longer than MIDI's slowest tempo
    allows (16.7 s) is written as several quarter notes, so times stay true where the count of beats cannot. Beats of a
    pickup bar that would come before time 0 are left out, and what is left of the bar has a time signature of its own.
    A piece without notated notes is written as `write_midi` does.
    """
    if not piece.notated:
        write_midi(path, piece.performance)
        return
    midi = pretty_midi.PrettyMIDI(_conductor_track(piece))
    hands = {"R": pretty_midi.Instrument(0, name="right hand"), "L": pretty_midi.Instrument(0, name="left hand")}
    for note, notated in zip(piece.performance.notes, piece.notated, strict=True):
        hands[notated.hand].notes.append(_midi_note(note))
    for hand in hands.values():
        hand.control_changes = _pedal_changes(midi, piece.performance.pedal)
    midi.instruments = list(hands.values())
    _save(midi, path)


def _conductor_track(piece: Piece) -> io.BytesIO:
    """A MIDI file in memory with the piece's metre, key and one tempo event per performed quarter note.

    pretty_midi writes a changing tempo only when it has read one, so the tempo map goes in through mido.
    """
    # time 0 lies in the first quarter note; those of a pickup bar that would come earlier are left out
    first = max((k for k, beat_s in enumerate(piece.beats_s) if beat_s <= 0), default=0)
    # it starts at tick 0, so what lies before its beat is part of its length
    times = (0.0, *piece.beats_s[first + 1 :])
    lengths = [max(1, round((later - earlier) * 1e6)) for earlier, later in pairwise(times)]
    counts = [-(-length // SLOWEST_TEMPO) for length in lengths]
    resolution = _resolution(TICKS_PER_BEAT, sum(counts))
    events = _time_signatures(piece.time_signature, first, resolution)
    events.append((0, mido.MetaMessage("key_signature", key=piece.key)))
    tick = 0
    for length, quarters in zip(lengths, counts, strict=True):
        events.append((tick, mido.MetaMessage("set_tempo", tempo=round(length / quarters))))
        tick += quarters * resolution
    events.sort(key=lambda event: event[0])
    ticks = (0, *(tick for tick, _ in events))
    track = mido.MidiTrack(
        event.copy(time=later - earlier)
        for (_, event), (earlier, later) in zip(events, pairwise(ticks), strict=True)
    )  # fmt: skip
    file = mido.MidiFile(ticks_per_beat=resolution, tracks=[track])
    buffer = io.BytesIO()
    file.save(file=buffer)
    buffer.seek(0)
    return buffer


def _time_signatures(metre: tuple[int, int], first: int, resolution: int) -> list[tuple[int, mido.MetaMessage]]:
    """The metre by its tick in a file that starts with quarter note `first`; a bar cut short has a metre of its own."""
    numerator, denominator = metre
    short = Fraction(-first, 4) % Fraction(numerator, denominator)  # of a whole note
    signatures = [(int(short * 4 * resolution), metre)]
    if short:
        lower = max(4, short.denominator)
        signatures.insert(0, (0, (int(short * lower), lower)))
    return [
        (tick, mido.MetaMessage("time_signature", numerator=upper, denominator=lower))
        for tick, (upper, lower) in signatures
    ]


def _resolution(finest: int, quarters: float) -> int:
    """Ticks per quarter note: the finest, halved as often as it takes to number all that many quarter notes have."""
    halvings = max(0, math.ceil(math.log2(max(finest * quarters, 1) / MOST_TICKS)))
    return max(1, finest >> halvings)


def _midi_note(note: Note) -> pretty_midi.Note:
    return pretty_midi.Note(note.velocity, note.pitch, note.onset_s, note.offset_s)


def _pedal_changes(midi: pretty_midi.PrettyMIDI, pedal: tuple[PedalEvent, ...]) -> list[pretty_midi.ControlChange]:
    """The movements, no two on one tick: pretty_midi sorts those by value, which can leave a lifted pedal down."""
    changes, last = [], -1
    for event in pedal:
        time_s = event.time_s
        while (tick := midi.time_to_tick(time_s)) <= last:
            time_s += STEP_S
        changes.append(pretty_midi.ControlChange(SUSTAIN, event.value, time_s))
        last = tick
    return changes


def _save(midi: pretty_midi.PrettyMIDI, path: str | Path) -> None:
    buffer = io.BytesIO()
    midi.write(buffer)
    atomic_write(path, buffer.getvalue())
