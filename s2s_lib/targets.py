"""The decoder's training grid: notes to frames x keys and back.

Frame k of a grid is centred at `start_s + (k + 0.5) * frame_s`. An onset is a triangle around its true time, three
frames wide at the foot, with the distance to the frame's centre beside it, so onsets are finer than the grid (the
idea of Kong et al., "High-resolution piano transcription", 2021, with a regression head instead of a fit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2s_lib.notes import (
    LOWEST_PITCH,
    PITCHES,
    Note,
    PedalEvent,
    Performance,
    as_arrays,
    extend_by_pedal,
    pedal_spans,
)

ONSET_HALF_WIDTH = 1.5  # frames from an onset to where its label is 0
SHORTEST_NOTE_S = 0.01
MAX_VELOCITY = 127
PEDAL_DOWN = 127
PEDAL_THRESHOLD = 0.5  # probability from which the sustain pedal is down


@dataclass(frozen=True)
class Thresholds:
    """Probability from which an onset is a note, and below which its key is released and its sound has ended."""

    onset: float = 0.25
    held: float = 0.4
    sounding: float = 0.4


@dataclass(frozen=True)
class Grid:
    """Frames x keys. Arrays of shape (frames, 88), `pedal` of shape (frames,), all float32.

    onset: label or probability 0-1; shift: onset minus frame centre, in frames; velocity: 0-1, of the onset nearby;
    held: share of the frame, or probability, that the key is down; sounding: the same of its note, pedal included;
    pedal: the same of the sustain pedal.
    """

    onset: np.ndarray
    shift: np.ndarray
    velocity: np.ndarray
    held: np.ndarray
    sounding: np.ndarray
    pedal: np.ndarray

    @classmethod
    def empty(cls, frames: int) -> Grid:
        """A grid of zeros."""
        maps = (np.zeros((frames, PITCHES), np.float32) for _ in range(5))
        return cls(*maps, np.zeros(frames, np.float32))


def encode(performance: Performance, start_s: float, frames: int, frame_s: float) -> Grid:
    """The grid of `frames` frames of `frame_s` seconds from `start_s` that a perfect model would output."""
    grid = Grid.empty(frames)
    intervals, pitches, velocities = as_arrays(performance.notes)
    onsets, offsets = (intervals - start_s).T / frame_s  # in frames from the grid's start
    ends = (as_arrays(extend_by_pedal(performance))[0][:, 1] - start_s) / frame_s
    inside = (ends > 0) & (onsets < frames + ONSET_HALF_WIDTH)
    columns = onsets, offsets, ends, pitches.astype(int) - LOWEST_PITCH, velocities
    for onset, offset, end, note, velocity in zip(*(column[inside] for column in columns), strict=True):
        _cover(grid.held[:, note], onset, offset)
        _cover(grid.sounding[:, note], onset, end)
        first = max(0, int(np.ceil(onset - ONSET_HALF_WIDTH - 0.5)))
        near = np.arange(first, min(frames, int(onset + ONSET_HALF_WIDTH + 0.5) + 1))
        shift = onset - (near + 0.5)
        label = 1 - np.abs(shift) / ONSET_HALF_WIDTH
        better = near[label > grid.onset[near, note]]  # of two onsets in reach, the nearer one counts
        grid.onset[better, note] = label[better - first]
        grid.shift[better, note] = shift[better - first]
        grid.velocity[better, note] = velocity / MAX_VELOCITY
    for down, up in pedal_spans(performance.pedal, np.inf):
        _cover(grid.pedal, (down - start_s) / frame_s, (up - start_s) / frame_s)
    return grid


def _cover(track: np.ndarray, start: float, end: float) -> None:
    """Adds to each frame of `track` the share of it that lies within [start, end), given in frames."""
    first = max(0, int(start))
    last = max(first, int(np.ceil(min(end, len(track)))))
    frames = np.arange(first, last)
    share = np.minimum(frames + 1, end) - np.maximum(frames, start)
    track[first:last] = np.minimum(track[first:last] + np.clip(share, 0, 1), 1)


def decode(grid: Grid, start_s: float, frame_s: float, thresholds: Thresholds) -> Performance:
    """Notes, with their pedal-extended ends, and pedal of a grid of probabilities; see Decoder."""
    decoder = Decoder(start_s, frame_s, thresholds)
    decoder.add(grid)
    return decoder.finish()


@dataclass
class _Struck:
    """The last note of a key, in frames: where it was struck, its onset, and where it ends, infinite while unknown."""

    frame: int
    onset: float
    velocity: int
    release: float = np.inf
    end: float = np.inf


class Decoder:
    """Grids of probabilities that follow each other to one performance, whatever the lengths they are cut to.

    A note starts at each local maximum of the onset probability from its threshold up, moved by its shift. Its key
    is released where `held` falls below its threshold, it ends where `sounding` does, both at the latest where the
    key is struck again; and it never ends before its key is released.
    """

    def __init__(self, start_s: float, frame_s: float, thresholds: Thresholds):
        self._start_s, self._frame_s = start_s, frame_s
        self._thresholds = thresholds
        # an onset is known with the frame behind it: row 0 is the last frame that is done with, before all at first
        self._rows, self._row_0 = Grid.empty(1), -1
        self._struck: dict[int, _Struck] = {}
        self._notes: list[tuple[Note, Note]] = []  # each to its key release and to its pedal-extended end
        self._pedal: list[PedalEvent] = []
        self._pedal_down = False

    def add(self, grid: Grid) -> None:
        """Takes the frames that follow those taken before; all that is kept of them is notes and two frames."""
        pairs = zip(vars(self._rows).values(), vars(grid).values(), strict=True)
        rows = Grid(*(np.concatenate(pair) for pair in pairs))
        self._move_pedal(rows.pedal, len(rows.pedal) - len(grid.pedal))
        done = max(0, len(rows.pedal) - 2)
        if done:
            self._follow_keys(rows)
        self._rows = Grid(*(values[done:].copy() for values in vars(rows).values()))
        self._row_0 += done

    def finish(self) -> Performance:
        """The performance, when all frames were taken; what still sounds ends with the last of them."""
        self.add(Grid.empty(1))
        for key, note in self._struck.items():
            if note.release == np.inf:
                note.release = _crossing(self._rows.held[:, key], 1, self._thresholds.held, self._row_0)
            if note.end == np.inf:
                note.end = _crossing(self._rows.sounding[:, key], 1, self._thresholds.sounding, self._row_0)
            self._write(key, note, np.inf)
        self._notes.sort()
        return Performance(
            tuple(note for note, _ in self._notes), tuple(self._pedal), tuple(note for _, note in self._notes)
        )

    def _follow_keys(self, rows: Grid) -> None:
        """Finds onsets and ends in all rows but the first, which is done with, and the last."""
        before, here, after = rows.onset[:-2], rows.onset[1:-1], rows.onset[2:]
        peak = (here >= self._thresholds.onset) & (here >= before) & (here > after)
        for key in sorted({*np.flatnonzero(peak.any(axis=0)).tolist(), *self._struck}):
            self._follow_key(rows, key, (np.flatnonzero(peak[:, key]) + 1).tolist())

    def _follow_key(self, rows: Grid, key: int, struck: list[int]) -> None:
        release = _Falls(rows.held[:, key], self._thresholds.held, self._row_0)
        end = _Falls(rows.sounding[:, key], self._thresholds.sounding, self._row_0)
        note = self._struck.get(key)
        for row in [*struck, None]:
            if note is not None:
                span = note.frame + 1 - self._row_0, len(rows.pedal) - 2 if row is None else row
                note.release = min(note.release, release.first(*span))
                note.end = min(note.end, end.first(*span))
            if row is not None:
                shift = np.clip(float(rows.shift[row, key]), -ONSET_HALF_WIDTH, ONSET_HALF_WIDTH)
                onset = self._row_0 + row + 0.5 + float(shift)
                if note is not None:
                    self._write(key, note, onset)
                velocity = np.clip(round(float(rows.velocity[row, key]) * MAX_VELOCITY), 1, MAX_VELOCITY)
                note = _Struck(self._row_0 + row, onset, int(velocity))
        self._struck[key] = note

    def _write(self, key: int, note: _Struck, next_onset: float) -> None:
        onset_s = max(0.0, self._time(note.onset))
        release_s = max(self._time(min(note.release, next_onset)), onset_s + SHORTEST_NOTE_S)
        end_s = max(self._time(min(note.end, next_onset)), release_s)
        pitch = key + LOWEST_PITCH
        self._notes.append((Note(onset_s, release_s, pitch, note.velocity), Note(onset_s, end_s, pitch, note.velocity)))

    def _move_pedal(self, track: np.ndarray, new: int) -> None:
        """Pedal movements where the rows from `new` on cross the threshold."""
        down = np.concatenate([[self._pedal_down], track[new:] >= PEDAL_THRESHOLD])
        for row in np.flatnonzero(down[1:] != down[:-1]).tolist():
            time_s = max(0.0, self._time(_crossing(track, new + row, PEDAL_THRESHOLD, self._row_0)))
            self._pedal.append(PedalEvent(time_s, PEDAL_DOWN if down[row + 1] else 0))
        self._pedal_down = bool(down[-1])

    def _time(self, frame: float) -> float:
        return self._start_s + frame * self._frame_s


class _Falls:
    """Where a track of probabilities, whose row 0 is frame `row_0`, falls below a threshold."""

    def __init__(self, track: np.ndarray, threshold: float, row_0: int):
        self._track, self._threshold, self._row_0 = track, threshold, row_0
        self._below = np.flatnonzero(track[1:-1] < threshold) + 1

    def first(self, first: int, last: int) -> float:
        """The first fall in rows `first` to `last`, in frames; infinite if there is none."""
        found = int(np.searchsorted(self._below, first))
        if found == len(self._below) or self._below[found] > last:
            return np.inf
        return _crossing(self._track, int(self._below[found]), self._threshold, self._row_0)


def _crossing(track: np.ndarray, row: int, threshold: float, row_0: int) -> float:
    """Where between the centres of a row and the one before a threshold is crossed, in frames."""
    before, after = float(track[row - 1]), float(track[row])
    middle = row_0 + row - 0.5
    if (before < threshold) == (after < threshold):
        return middle
    return middle + (before - threshold) / (before - after)
