"""What each note of a performance looks like to the network that tells hands: itself, its chord, its neighbours."""

from __future__ import annotations

import numpy as np

KEYS = np.arange(24.0, 109, 6)  # pitches by which a note's height is told
STEPS = np.arange(-24.0, 25, 4)  # semitones by which intervals to the neighbours are told
ROOM = np.arange(0.0, 37, 6)  # semitones to a key that is held down
SHORTEST_S, LONGEST_GAP_S, LONGEST_NOTE_S = 0.02, 4.0, 8.0
OUTSIDE_S = 2.0  # before the first chord and after the last
HELD_S = 0.03  # a key down for at least this long beyond another's onset is held while that one is struck,
HELD_REACH = 24  # and looked for among so many notes before it
AROUND = 21  # notes whose mean loudness a note is compared with
FEATURES = len(KEYS) + 8 + 2 * len(STEPS) + 2 * len(ROOM)


def in_order(pitches: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Indices (n,) of the notes chord by chord, the lowest first; chords begin at `bounds`, whose last is n."""
    return np.lexsort((pitches, _chord_of(bounds)))


def features(intervals: np.ndarray, pitches: np.ndarray, velocities: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """All that the network sees of notes `in_order`, with onsets and key releases (n, 2): (n, FEATURES) float32."""
    count, chord = len(pitches), _chord_of(bounds)
    gaps_s = np.diff(intervals[bounds[:-1], 0], prepend=np.nan, append=np.nan)
    gaps = _log_s(np.nan_to_num(gaps_s, nan=OUTSIDE_S), LONGEST_GAP_S)
    before, after = gaps[:-1][chord], gaps[1:][chord]
    held = _log_s(intervals[:, 1] - intervals[:, 0], LONGEST_NOTE_S)
    size, rank = np.diff(bounds)[chord], np.arange(count) - bounds[:-1][chord]
    side = AROUND // 2
    usual = np.convolve(np.pad(velocities, side, "edge"), np.full(AROUND, 1 / AROUND), "valid")
    plain = [before, after, held, np.clip(held - after, -3, 3), rank == 0, rank == size - 1, np.minimum(size, 8) / 4,
             (velocities - usual) / 15]  # fmt: skip
    steps = np.diff(pitches)
    tables = [
        _hats(pitches, KEYS), np.stack(plain, axis=1),
        _hats(np.concatenate([[0], steps]), STEPS), _hats(np.concatenate([steps, [0]]), STEPS),
        *(_hats(room, ROOM) for room in _room(intervals, pitches)),
    ]  # fmt: skip
    return np.concatenate(tables, axis=1).astype(np.float32)


def _chord_of(bounds: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))


def _log_s(seconds: np.ndarray, longest_s: float) -> np.ndarray:
    return np.log(np.clip(seconds, SHORTEST_S, longest_s))


def _hats(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, len(centres)) how near each value is to each of the evenly spaced centres, 0-1: linear interpolation."""
    inside = np.clip(values, centres[0], centres[-1])
    return np.maximum(0, 1 - np.abs(inside[:, None] - centres) / (centres[1] - centres[0]))


def _room(intervals: np.ndarray, pitches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) semitones from each note up and down to the nearest key that was struck before it and is held down."""
    above, below = np.full(len(pitches), ROOM[-1]), np.full(len(pitches), ROOM[-1])
    for back in range(1, min(HELD_REACH, len(pitches) - 1) + 1):
        held = intervals[:-back, 1] > intervals[back:, 0] + HELD_S
        step = pitches[:-back] - pitches[back:]
        above[back:] = np.where(held & (step > 0), np.minimum(above[back:], step), above[back:])
        below[back:] = np.where(held & (step < 0), np.minimum(below[back:], -step), below[back:])
    return above, below
