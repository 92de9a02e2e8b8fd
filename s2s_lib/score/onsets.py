"""Onsets of a performance: keys that are struck together count as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2s_lib.notes import Performance, as_arrays

TOGETHER_S = 0.035  # at most from key to key of one chord
LONGEST_CHORD_S = 0.08  # at most from its first key to its last


@dataclass(frozen=True)
class Onsets:
    """Onsets of a performance, each of one or more notes.

    times_s: (n,) median over the notes of each; first: (n + 1,) index of its first note, and the number of notes.
    onset_s, length_s (to the key release), pitch, velocity: (notes,) sorted by onset.
    """

    times_s: np.ndarray
    first: np.ndarray
    onset_s: np.ndarray
    length_s: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """(n,) how many notes each onset has."""
        return np.diff(self.first)

    @property
    def of_note(self) -> np.ndarray:
        """(notes,) the onset that each note belongs to."""
        return np.repeat(np.arange(len(self.times_s)), self.size)

    def lowest(self, values: np.ndarray) -> np.ndarray:
        """(n,) the smallest among each onset's notes of (notes,) values."""
        return np.minimum.reduceat(values, self.first[:-1])

    def highest(self, values: np.ndarray) -> np.ndarray:
        """(n,) the largest among each onset's notes of (notes,) values."""
        return np.maximum.reduceat(values, self.first[:-1])


def find_onsets(performance: Performance) -> Onsets:
    """The onsets of a performance with at least one note."""
    intervals, pitch, velocity = as_arrays(performance.notes)
    return gather(intervals[:, 0], intervals[:, 1] - intervals[:, 0], pitch, velocity)


def gather(onset_s: np.ndarray, length_s: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> Onsets:
    """Onsets of notes in order: each key within 35 ms of the one before and 80 ms of the first."""
    first, start_s, last_s = [], -np.inf, -np.inf
    for i, time_s in enumerate(onset_s.tolist()):
        if time_s - last_s > TOGETHER_S or time_s - start_s > LONGEST_CHORD_S:
            first.append(i)
            start_s = time_s
        last_s = time_s
    bounds = np.array([*first, len(onset_s)])
    middles = (bounds[:-1] + bounds[1:] - 1) // 2, (bounds[:-1] + bounds[1:]) // 2
    return Onsets((onset_s[middles[0]] + onset_s[middles[1]]) / 2, bounds, onset_s, length_s, pitch, velocity)
