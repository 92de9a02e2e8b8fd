"""The decoder's training grid: notes to frames x keys and back.

Frame k of a grid is centred at `start_s + (k + 0.5) * frame_s`. An onset is a triangle around its true time, three
frames wide at the foot, with the distance to the frame's centre beside it, so onsets are finer than the grid (the
idea of Kong et al., "High-resolution piano transcription", 2021, with a regression head instead of a fit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2s_lib.notes import LOWEST_PITCH, PITCHES, Note, PedalEvent, Performance, as_arrays, pedal_spans

ONSET_HALF_WIDTH = 1.5  # frames from an onset to where its label is 0
SHORTEST_NOTE_S = 0.01
MAX_VELOCITY = 127
PEDAL_DOWN = 127


@dataclass(frozen=True)
class Grid:
    """Frames x keys. Arrays of shape (frames, 88), `pedal` of shape (frames,), all float32.

    onset: label or probability 0-1; shift: onset minus frame centre, in frames; velocity: 0-1, of the onset nearby;
    held: share of the frame, or probability, that the key is down; pedal: the same of the sustain pedal.
    """

    onset: np.ndarray
    shift: np.ndarray
    velocity: np.ndarray
    held: np.ndarray
    pedal: np.ndarray

    @classmethod
    def empty(cls, frames: int) -> Grid:
        """A grid of zeros."""
        maps = (np.zeros((frames, PITCHES), np.float32) for _ in range(4))
        return cls(*maps, np.zeros(frames, np.float32))


def encode(performance: Performance, start_s: float, frames: int, frame_s: float) -> Grid:
    """The grid of `frames` frames of `frame_s` seconds from `start_s` that a perfect model would output."""
    grid = Grid.empty(frames)
    intervals, pitches, velocities = as_arrays(performance.notes)
    onsets, offsets = (intervals - start_s).T / frame_s  # in frames from the grid's start
    inside = (offsets > 0) & (onsets < frames + ONSET_HALF_WIDTH)
    keys = pitches.astype(int) - LOWEST_PITCH
    for onset, offset, note, velocity in zip(
        onsets[inside], offsets[inside], keys[inside], velocities[inside], strict=True
    ):
        _cover(grid.held[:, note], onset, offset)
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


def decode(grid: Grid, start_s: float, frame_s: float, onset_threshold: float, frame_threshold: float) -> Performance:
    """Notes and pedal of a grid of probabilities.

    A note starts at each local maximum of the onset probability from `onset_threshold` up, moved by its shift. It
    ends where the key's probability falls below `frame_threshold`, or where the key is struck again.
    """
    padded = np.pad(grid.onset, ((1, 1), (0, 0)))
    peak = (grid.onset >= onset_threshold) & (grid.onset >= padded[:-2]) & (grid.onset > padded[2:])
    notes = []
    for key in np.flatnonzero(peak.any(axis=0)):
        frames = np.flatnonzero(peak[:, key])
        onsets = frames + 0.5 + np.clip(grid.shift[frames, key], -ONSET_HALF_WIDTH, ONSET_HALF_WIDTH)
        offsets = _ends(grid.held[:, key], frames, frame_threshold)
        offsets = np.minimum(offsets, np.append(onsets[1:], np.inf))
        for onset, offset, frame in zip(onsets, offsets, frames, strict=True):
            velocity = int(np.clip(round(float(grid.velocity[frame, key]) * MAX_VELOCITY), 1, MAX_VELOCITY))
            onset_s = max(0.0, start_s + float(onset) * frame_s)
            offset_s = max(start_s + float(offset) * frame_s, onset_s + SHORTEST_NOTE_S)
            notes.append(Note(onset_s, offset_s, int(key) + LOWEST_PITCH, velocity))
    return Performance(tuple(sorted(notes)), _pedal_events(grid.pedal, start_s, frame_s, frame_threshold))


def _ends(held: np.ndarray, onsets: np.ndarray, threshold: float) -> np.ndarray:
    """For each onset frame, where the key's track first falls below `threshold` after it, in fractional frames.

    Between the last frame above and the first below, the crossing is interpolated.
    """
    released = np.flatnonzero(held < threshold)
    following = np.searchsorted(released, onsets + 1)
    ends = np.append(released, len(held))[following]
    before, after = held[ends - 1], np.append(held, 0.0)[ends]
    crossing = (before - threshold) / np.maximum(before - after, 1e-6)
    return ends - 0.5 + np.clip(crossing, 0, 1)


def _pedal_events(pedal: np.ndarray, start_s: float, frame_s: float, threshold: float) -> tuple[PedalEvent, ...]:
    """Pedal movements where the probability crosses `threshold`."""
    down = np.concatenate([[False], pedal >= threshold, [False]])
    return tuple(
        PedalEvent(max(0.0, start_s + float(frame) * frame_s), PEDAL_DOWN if down[frame + 1] else 0)
        for frame in np.flatnonzero(down[1:] != down[:-1])
    )
