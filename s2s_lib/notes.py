"""Notes, pedal and pieces, and their way in and out of MIDI files.

Times are seconds, pitches MIDI numbers, velocities 1-127. Offsets exist in two conventions: `Note.offset_s` is
always the key release; `extend_by_pedal` gives the pedal-extended end, the habit of the MAESTRO data set
(Hawthorne et al., ICLR 2019).
"""

from __future__ import annotations

import io
import math
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write
from s2s_lib.smf import SUSTAIN, Music, read_music

with redirect_stdout(io.StringIO()):  # it imports pyfluidsynth, which prints a line wherever CI is set
    import pretty_midi

LOWEST_PITCH, HIGHEST_PITCH = 21, 108  # A0 and C8, the piano's 88 keys
PITCHES = HIGHEST_PITCH - LOWEST_PITCH + 1
COMPOSED = "composed"  # a piece's source, where it is not a file's name
TICKS_PER_BEAT = 1920  # of a composed piece; a quarter of a millisecond per tick at 120 beats a minute
TICKS_PER_SECOND = 1920  # of any other performance
MOST_TICKS = 9_900_000  # pretty_midi reads 10 million; 87 minutes have more, so longer music has coarser ones
SLOWEST_TEMPO = 2**24 - 1  # microseconds per quarter note; a tempo event has three bytes for them
STEP_S = 0.0001  # by which a pedal movement is put off until it has a tick of its own


@dataclass(frozen=True, order=True)
class Note:
    """One played note: onset and key release in seconds, MIDI pitch 21-108, velocity 1-127."""

    onset_s: float
    offset_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, order=True)
class PedalEvent:
    """One movement of the sustain pedal: time in seconds, controller value 0-127."""

    time_s: float
    value: int


@dataclass(frozen=True)
class Performance:
    """What a pianist did: notes sorted by onset then pitch, and the sustain pedal's movements sorted by time.

    `extended[i]` is `notes[i]` up to its pedal-extended end, where that is known otherwise than from the pedal.
    """

    notes: tuple[Note, ...]
    pedal: tuple[PedalEvent, ...] = ()
    extended: tuple[Note, ...] | None = None

    @property
    def end_s(self) -> float:
        """Time of the last key release in seconds, 0 when there are no notes."""
        return max((note.offset_s for note in self.notes), default=0.0)

    def shifted(self, seconds: float) -> Performance:
        """The same performance, `seconds` later."""

        def later(notes: tuple[Note, ...]) -> tuple[Note, ...]:
            return tuple(replace(n, onset_s=n.onset_s + seconds, offset_s=n.offset_s + seconds) for n in notes)

        pedal = tuple(replace(p, time_s=p.time_s + seconds) for p in self.pedal)
        return Performance(later(self.notes), pedal, None if self.extended is None else later(self.extended))


@dataclass(frozen=True)
class NotatedNote:
    """A note as the score has it, aligned with one played note.

    `onset_beat` and `duration_beats` count quarter notes from the first bar line (0.0). `hand` is "R" or "L";
    `voice` is 1 for the upper or only voice of that hand's staff, 2 for the lower. `ornament` is "grace" for a grace
    note, of no duration, at the place of the note it leads to; "trill" for the note that carries the sign, as long
    as the trill; "trilled" for the trill's other notes, which are not printed.
    """

    onset_beat: float
    duration_beats: float
    hand: str
    voice: int
    ornament: str | None = None


@dataclass(frozen=True)
class Piece:
    """A piece as it was played, and what is known about its score.

    `notated[i]` belongs to `performance.notes[i]`. `beats_s[k]` is the performed time of quarter note k, counted
    from the first bar line; the list reaches at least to the last notated onset. An excerpt of a MIDI file has
    neither, and None for what the file does not state. `source` is "composed" or that file's name.
    """

    performance: Performance
    notated: tuple[NotatedNote, ...] = ()
    beats_s: tuple[float, ...] = ()
    time_signature: tuple[int, int] | None = None
    key: str | None = None
    tempo_bpm: float | None = None
    complexity: str | None = None
    tags: tuple[str, ...] = ()
    source: str = COMPOSED


class Timeline:
    """A performance as arrays, some 30 bytes a note, from which a stretch is taken without going through the rest."""

    def __init__(self, performance: Performance):
        intervals, pitches, velocities = as_arrays(performance.notes)
        self._intervals, self._keys = intervals, np.stack((pitches, velocities), axis=1).astype(np.int16)
        self._ends_s = as_arrays(extend_by_pedal(performance))[0][:, 1]
        self._moves_s = np.array([event.time_s for event in performance.pedal])
        self._values = np.array([event.value for event in performance.pedal], np.int16)

    def between(self, start_s: float, end_s: float) -> Performance:
        """The notes that sound from `start_s` to `end_s`, by key or by pedal, and the pedal in force then.

        Notes are whole and at their own times, with the pedal-extended ends that they have in the whole performance.
        """
        last = np.searchsorted(self._intervals[:, 0], end_s)
        sounding = np.flatnonzero(self._ends_s[:last] > start_s)
        rows = zip(self._intervals[sounding].tolist(), self._keys[sounding].tolist(), strict=True)
        notes = tuple(Note(*interval, *key) for interval, key in rows)
        ends_s = self._ends_s[sounding].tolist()
        first, past = np.searchsorted(self._moves_s, (start_s, end_s), side="right")
        moves = slice(max(0, first - 1), past)
        pedal = zip(self._moves_s[moves].tolist(), self._values[moves].tolist(), strict=True)
        extended = tuple(replace(note, offset_s=end_s) for note, end_s in zip(notes, ends_s, strict=True))
        return Performance(notes, tuple(PedalEvent(*move) for move in pedal), extended)


def as_arrays(notes: tuple[Note, ...] | list[Note]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes as (intervals (n, 2) in seconds, pitches (n,) as MIDI numbers, velocities (n,)) for mir_eval."""
    if not notes:
        return np.zeros((0, 2)), np.zeros(0), np.zeros(0)
    table = np.array([(n.onset_s, n.offset_s, n.pitch, n.velocity) for n in notes], dtype=float)
    return table[:, :2], table[:, 2], table[:, 3]


def pedal_spans(pedal: tuple[PedalEvent, ...], end_s: float) -> list[tuple[float, float]]:
    """Stretches of time (down, up) in seconds during which the sustain pedal is down; an open one ends at `end_s`."""
    spans, down = [], None
    for event in pedal:
        if event.value >= 64 and down is None:
            down = event.time_s
        elif event.value < 64 and down is not None:
            spans.append((down, event.time_s))
            down = None
    if down is not None:
        spans.append((down, max(end_s, down)))
    return spans


def extend_by_pedal(performance: Performance) -> tuple[Note, ...]:
    """Notes with pedal-extended offsets: a key released while the pedal is down rings until the pedal lifts.

    A ringing note ends at the latest where the same key is struck again, as in the MAESTRO data set. The i-th note
    is `performance.notes[i]`, ending as `performance.extended` says where that is given.
    """
    if performance.extended is not None:
        return performance.extended
    spans = pedal_spans(performance.pedal, performance.end_s)
    downs = np.array([down for down, _ in spans])
    next_onset: dict[int, float] = {}
    extended = []
    for note in reversed(performance.notes):
        offset = note.offset_s
        span = int(np.searchsorted(downs, offset, side="right")) - 1
        if span >= 0 and offset < spans[span][1]:
            offset = spans[span][1]
        offset = min(offset, next_onset.get(note.pitch, np.inf))
        next_onset[note.pitch] = note.onset_s
        extended.append(replace(note, offset_s=max(offset, note.offset_s)))
    return tuple(reversed(extended))


def resolve_overlaps(notes: list[Note], shortest_s: float = 0.001) -> tuple[Note, ...]:
    """Sorts notes and ends each one where its key is struck again; one string can't sound two notes at once.

    Notes of one key that start within `shortest_s` of each other count as one: the louder is kept.
    """
    by_pitch: dict[int, list[Note]] = {}
    for note in sorted(notes):
        same = by_pitch.setdefault(note.pitch, [])
        if same and note.onset_s - same[-1].onset_s < shortest_s:
            louder = max(same[-1], note, key=lambda n: n.velocity)
            same[-1] = replace(louder, offset_s=max(same[-1].offset_s, note.offset_s))
        else:
            same.append(note)
    resolved = []
    for same in by_pitch.values():
        for note, following in pairwise([*same, None]):
            latest = following.onset_s if following else np.inf
            end_s = max(min(note.offset_s, latest), note.onset_s + shortest_s)
            resolved.append(note if end_s == note.offset_s else replace(note, offset_s=end_s))
    return tuple(sorted(resolved))


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
