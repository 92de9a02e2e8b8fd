"""Scores of notes by what they are and what surrounds them: which ones are hard to hear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2s_lib.metrics.scores import Counts
from s2s_lib.metrics.summary import counts_by
from s2s_lib.notes import Performance, as_arrays, extend_by_pedal

RATE_WINDOW_S = 1.0  # in which onsets are counted for the note rate
MOST = 1e6  # an edge that no value reaches


@dataclass(frozen=True)
class Bands:
    """A property of notes cut into bands: `edges` (b + 1,), each band from its edge up to below the next.

    `values` gives the property of each note of a performance (n,), told what was played (ref, notes).
    """

    name: str
    unit: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    values: Callable[[Performance, Performance], np.ndarray] = field(repr=False)


def by_band(bands: Bands, pieces: Iterable[tuple[Performance, Performance, np.ndarray]]) -> list[Counts]:
    """Onset counts of each band, those of all pieces (ref, est, matched pairs (k, 2)) added.

    A matched note belongs to its reference's band, an invented one to the band of its own value.
    """
    total = [Counts(0, 0, 0)] * len(bands.labels)
    for ref, est, pairs in pieces:
        found = counts_by(bands.values(ref, ref), bands.values(ref, est), pairs, np.array(bands.edges))
        total = [a + b for a, b in zip(total, found, strict=True)]
    return total


def bands_dict(bands: Bands, counts: Sequence[Counts]) -> list[dict[str, Any]]:
    """Rows of a report."""
    return [{bands.name: label, **count.as_dict()} for label, count in zip(bands.labels, counts, strict=True)]


def pitches(ref: Performance, notes: Performance) -> np.ndarray:  # noqa: ARG001  all properties are asked for alike
    """MIDI pitch of each note: (n,)."""
    return as_arrays(notes.notes)[1]


def velocities(ref: Performance, notes: Performance) -> np.ndarray:  # noqa: ARG001
    """MIDI velocity of each note: (n,)."""
    return as_arrays(notes.notes)[2]


def key_times(ref: Performance, notes: Performance) -> np.ndarray:  # noqa: ARG001
    """Seconds that each note's key is down: (n,)."""
    return np.diff(as_arrays(notes.notes)[0], axis=1).ravel()


def polyphony(ref: Performance, notes: Performance) -> np.ndarray:
    """How many notes of `ref` sound, pedal included, when each note starts, itself among them: (n,)."""
    intervals, _, _ = as_arrays(extend_by_pedal(ref))
    onsets = as_arrays(notes.notes)[0][:, 0]
    started = np.searchsorted(np.sort(intervals[:, 0]), onsets, side="right")
    ended = np.searchsorted(np.sort(intervals[:, 1]), onsets, side="right")
    return (started - ended).astype(float)


def note_rate(ref: Performance, notes: Performance) -> np.ndarray:
    """How many notes of `ref` start within half a second of each note's onset, per second: (n,)."""
    played = np.sort(as_arrays(ref.notes)[0][:, 0])
    onsets = as_arrays(notes.notes)[0][:, 0]
    first, last = (np.searchsorted(played, onsets + half) for half in (-RATE_WINDOW_S / 2, RATE_WINDOW_S / 2))
    return (last - first) / RATE_WINDOW_S


PITCH = Bands(
    "pitch", "key", (21, 36, 48, 60, 72, 84, 109), ("A0-B1", "C2-B2", "C3-B3", "C4-B4", "C5-B5", "C6-C8"), pitches
)
VELOCITY = Bands(
    "velocity", "MIDI velocity", (1, 20, 40, 80, 128), ("below 20", "20-39", "40-79", "80 and more"), velocities
)
DURATION = Bands(
    "duration",
    "seconds that the key is down",
    (0, 0.1, 0.2, 0.5, 1, 2, MOST),
    ("below 0.1", "0.1-0.2", "0.2-0.5", "0.5-1", "1-2", "2 and more"),
    key_times,
)
POLYPHONY = Bands(
    "polyphony", "notes sounding", (0, 2, 4, 6, 9, MOST), ("1", "2-3", "4-5", "6-8", "9 and more"), polyphony
)
NOTE_RATE = Bands(
    "note rate",
    "notes per second",
    (0, 5, 10, 15, 20, MOST),
    ("below 5", "5-9", "10-14", "15-19", "20 and more"),
    note_rate,
)
