"""Standard MIDI Files, read fast: the piano's notes, pedal, tempo, keys and metres as arrays.

Reads types 0 and 1 with metrical or SMPTE time (The Complete MIDI 1.0 Detailed Specification, MMA 1996). mido makes
an object of every message and takes seconds for 100,000 notes, which is too slow for a folder of thousands of files;
this reader keeps what a piano needs and takes a twentieth of the time. Notes are paired as pretty_midi does it: a
note-off ends every sounding note of its key and channel in its track.

What counts as piano: never the drum channel (10); of the rest the notes with a piano program (General MIDI 1-8), or
if there are none the notes with no program at all. A program holds for its channel in its track, or where the track
states none, in all tracks.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.files import as_path

MOST_BYTES = 16 * 2**20  # some two million notes; the longest recitals have a hundredth of that
MOST_HOURS = 24
DRUMS = 9  # channel 10, counted from 0
PIANO_PROGRAMS = range(8)  # General MIDI 1-8, counted from 0
SUSTAIN = 64  # controller number of the sustain pedal
DEFAULT_TEMPO = 500_000  # microseconds per quarter note until the file says otherwise, 120 per minute
GRID = 24  # parts of a quarter note that hold all usual rhythms, triplets of sixteenths included
KEYS = {  # by mode (major, minor) and number of sharps, flats being negative
    0: dict(zip(range(-7, 8), "Cb Gb Db Ab Eb Bb F C G D A E B F# C#".split(), strict=True)),
    1: dict(zip(range(-7, 8), "Abm Ebm Bbm Fm Cm Gm Dm Am Em Bm F#m C#m G#m D#m A#m".split(), strict=True)),
}


@dataclass(frozen=True)
class Music:
    """The piano music of a MIDI file.

    `onset_s`, `offset_s` (key release; float64), `pitch` and `velocity` (int16) have shape (notes,) and are sorted by
    onset, then pitch; notes of one key may overlap. `pedal_s` and `pedal_value` (0-127) are the sustain pedal's
    movements in order of time, those of one tick as the file has them. `tempos` holds (time in seconds, quarter notes
    per minute), `keys` (time, name such as "F#m") and `metres` (time, (numerator, denominator)), each in order of
    time and empty where the file states none. `on_grid` is the share of the onsets that lie on a 24th of a quarter
    note; it tells a written piece from a recorded one, whose tempo and metre are the recorder's and say nothing.
    `left_out` counts the notes that are not in the arrays, by reason.
    """

    onset_s: np.ndarray
    offset_s: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    pedal_s: np.ndarray
    pedal_value: np.ndarray
    tempos: tuple[tuple[float, float], ...] = ()
    keys: tuple[tuple[float, str], ...] = ()
    metres: tuple[tuple[float, tuple[int, int]], ...] = ()
    on_grid: float = 0.0
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.onset_s)


def read_music(path: str | Path) -> tuple[Music, str]:
    """Reads the piano music of a MIDI file; there may be none in it. Also gives the SHA-256 of the file's bytes.

    Raises InputError for a file that is missing, no MIDI, damaged, of type 2, larger than 16 MiB or longer than a day.
    """
    path = as_path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            size = path.stat().st_size / 2**20
            raise InputError(f"{path}: is {size:.0f} MiB of MIDI; at most {MOST_BYTES / 2**20:.0f} are read.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such MIDI file.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
    try:
        events, division = _parse(data)
    except _DamagedError as error:
        raise InputError(f"{path}: not a readable MIDI file ({error}).") from None
    except IndexError:
        raise InputError(f"{path}: not a readable MIDI file (it is cut off).") from None
    return _piano(events, division, str(path)), hashlib.sha256(data).hexdigest()


class _DamagedError(Exception):
    """What is wrong with the file's bytes."""


class _Events:
    """What is found in all tracks; notes and pedal as flat rows, the rest as tuples that start with the tick."""

    def __init__(self) -> None:
        self.notes = array("q")  # start, end, channel, pitch, velocity, program or -1
        self.pedal = array("q")  # tick, channel, value
        self.tempos: list[tuple[int, int]] = []
        self.keys: list[tuple[int, str]] = []
        self.metres: list[tuple[int, tuple[int, int]]] = []
        self.programs: dict[int, int] = {}  # the first that any track states for a channel
        self.left_out: Counter[str] = Counter()


def _parse(data: bytes) -> tuple[_Events, int]:
    """All tracks' events and the header's division (ticks per quarter note, or SMPTE frames and ticks if negative)."""
    if data[:4] != b"MThd" or len(data) < 14:
        raise _DamagedError("it does not start with a MIDI header")
    kind, division = int.from_bytes(data[8:10]), int.from_bytes(data[12:14], signed=True)
    if kind > 1:
        raise _DamagedError(f"it is of type {kind}, and types 0 and 1 are read")
    if division == 0 or (division < 0 and division & 0xFF == 0):
        raise _DamagedError("its header states no time division")
    events, place = _Events(), 8 + int.from_bytes(data[4:8])
    while place + 8 <= len(data):
        end = place + 8 + int.from_bytes(data[place + 4 : place + 8])
        if data[place : place + 4] == b"MTrk":
            if end > len(data):
                raise _DamagedError("it is cut off")
            _track(data[place + 8 : end], events)
        place = end
    return events, division


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A variable-length number of at most four bytes, and the place after it."""
    value = 0
    for count in range(4):
        byte = data[place + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + count + 1
    raise _DamagedError("it has a negative or impossible time")  # four bytes hold all that is allowed


def _track(data: bytes, events: _Events) -> None:
    """Adds what one track holds to `events`."""
    place, tick, status = 0, 0, 0
    sounding: dict[int, list[tuple[int, int, int]]] = {}  # by channel and pitch: start, velocity, program
    programs: dict[int, int] = {}
    notes, pedal = events.notes, events.pedal
    while place < len(data):
        delta = data[place]
        place += 1
        if delta >= 0x80:
            delta, place = _number(data, place - 1)
        tick += delta
        if data[place] >= 0x80:
            status = data[place]
            place += 1
        kind, channel = status & 0xF0, status & 0x0F
        if kind == 0xF0:
            place = _system(data, place, status, tick, events)
            status = 0  # running status ends here
        elif kind in (0x80, 0x90):
            key, velocity = channel << 7 | data[place] & 0x7F, data[place + 1]
            place += 2
            if kind == 0x90 and velocity:
                sounding.setdefault(key, []).append((tick, velocity, programs.get(channel, -1)))
            elif open_notes := sounding.pop(key, None):
                ended = [note for note in open_notes if note[0] < tick]
                for start, loudness, program in ended:
                    notes.extend((start, tick, channel, key & 0x7F, loudness, program))
                if not ended:
                    events.left_out["without length"] += len(open_notes)
                elif len(ended) < len(open_notes):  # struck anew at the tick of the old note's end
                    sounding[key] = open_notes[len(ended) :]
        elif kind == 0xB0:
            if data[place] == SUSTAIN:
                pedal.extend((tick, channel, data[place + 1] & 0x7F))
            place += 2
        elif kind == 0xC0:
            programs[channel] = data[place] & 0x7F
            events.programs.setdefault(channel, programs[channel])
            place += 1
        elif kind:
            place += 1 if kind == 0xD0 else 2
        else:
            raise _DamagedError("it has data where an event should start")
    if place > len(data):
        raise _DamagedError("a track ends within an event")
    events.left_out["without an end"] += sum(map(len, sounding.values()))


def _system(data: bytes, place: int, status: int, tick: int, events: _Events) -> int:
    """Takes a meta or system-exclusive event; returns the place after it."""
    kind = None
    if status == 0xFF:
        kind, place = data[place], place + 1
    elif status not in (0xF0, 0xF7):
        raise _DamagedError(f"it has an event of the unknown kind {status:#x}")
    length, place = _number(data, place)
    content = data[place : place + length]
    if kind == 0x51 and length == 3:
        events.tempos.append((tick, int.from_bytes(content)))
    elif kind == 0x58 and length >= 2:
        events.metres.append((tick, (content[0], 2 ** content[1])))
    elif kind == 0x59 and length == 2:
        name = KEYS.get(content[1], {}).get(int.from_bytes(content[:1], signed=True))
        if name:
            events.keys.append((tick, name))
    return place + length


class _Clock:
    """Turns ticks into seconds along the tempo map."""

    def __init__(self, tempos: list[tuple[int, int]], division: int):
        if division < 0:  # SMPTE: frames per second, negative, and ticks per frame; tempo has no say
            frames = -(division >> 8)
            self.per_tick = np.array([1 / ((30000 / 1001 if frames == 29 else frames) * (division & 0xFF))])
            self.ticks = np.zeros(1, np.int64)
        else:
            latest = {tick: tempo for tick, tempo in sorted(tempos, key=lambda entry: entry[0]) if tempo}
            latest.setdefault(0, DEFAULT_TEMPO)
            self.ticks = np.array(sorted(latest), np.int64)
            self.per_tick = np.array([latest[tick] for tick in self.ticks.tolist()]) / 1e6 / division
        self.starts_s = np.concatenate(([0.0], np.cumsum(np.diff(self.ticks) * self.per_tick[:-1])))

    def __call__(self, ticks: np.ndarray) -> np.ndarray:
        part = np.searchsorted(self.ticks, ticks, side="right") - 1
        return self.starts_s[part] + (ticks - self.ticks[part]) * self.per_tick[part]


def _piano(events: _Events, division: int, name: str) -> Music:
    """The piano's part of all events, in seconds."""
    clock = _Clock(events.tempos, division)
    start, end, channel, pitch, velocity, program = np.array(events.notes, np.int64).reshape(-1, 6).T
    program = np.where(
        program < 0, np.array([events.programs.get(number, -1) for number in range(16)])[channel], program
    )
    drums = channel == DRUMS
    chosen = ~drums & np.isin(program, PIANO_PROGRAMS)
    if not chosen.any():
        chosen = ~drums & (program < 0)
    left_out = events.left_out + Counter(
        {"drums": int(drums.sum()), "other instruments": int((~drums & ~chosen).sum())}
    )
    onset_s = clock(start[chosen])
    if len(onset_s) and onset_s.max() > MOST_HOURS * 3600:
        raise InputError(f"{name}: lasts {onset_s.max() / 3600:,.0f} hours; at most {MOST_HOURS} are read.")
    order = np.lexsort((pitch[chosen], onset_s))
    tick, pedalled, value = np.array(events.pedal, np.int64).reshape(-1, 3).T
    its = np.isin(pedalled, channel[chosen])
    movements = np.stack((tick[its], value[its]), axis=1)
    movements = movements[np.argsort(movements[:, 0], kind="stable")]  # of one tick the last movement counts
    repeats = (movements[1:] == movements[:-1]).all(axis=1)  # both hands' tracks may hold the same
    movements = np.concatenate((movements[:1], movements[1:][~repeats]))
    return Music(
        onset_s[order],
        clock(end[chosen])[order],
        pitch[chosen][order].astype(np.int16),
        velocity[chosen][order].astype(np.int16),
        clock(movements[:, 0]),
        movements[:, 1].astype(np.int16),
        tuple((_seconds(clock, tick), 60e6 / tempo) for tick, tempo in sorted(events.tempos) if tempo),
        tuple((_seconds(clock, tick), key) for tick, key in sorted(events.keys)),
        tuple((_seconds(clock, tick), metre) for tick, metre in sorted(events.metres)),
        _on_grid(start[chosen], division),
        {reason: count for reason, count in left_out.items() if count},
    )


def _seconds(clock: _Clock, tick: int) -> float:
    return float(clock(np.array([tick]))[0])


def _on_grid(start: np.ndarray, division: int) -> float:
    """Share of the onsets on a 24th of a quarter note; 0 where ticks are not counted in quarter notes, or too few."""
    if division < 0 or division % GRID or division == GRID or not len(start):
        return 0.0
    return float(np.mean(start % (division // GRID) == 0))
