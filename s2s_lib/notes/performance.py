"""Notes, pedal and pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

LOWEST_PITCH, HIGHEST_PITCH = 21, 108  # A0 and C8, the piano's 88 keys
PITCHES = HIGHEST_PITCH - LOWEST_PITCH + 1
COMPOSED = "composed"  # a piece's source, where it is not a file's name


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
    note, of no duration, at the place of the note it leads to; "trill", "mordent" or "inverted-mordent" for the
    note that carries that sign, as long as the ornament; "trilled" for the ornament's other notes, which are not
    printed.
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


def until(notes: Sequence[Note], end_s: float) -> tuple[Note, ...]:
    """The notes that begin before `end_s`; one that lasts longer ends there."""
    return tuple(n if n.offset_s <= end_s else replace(n, offset_s=end_s) for n in notes if n.onset_s < end_s)


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
