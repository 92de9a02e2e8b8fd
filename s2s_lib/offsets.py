"""When the key of each note is let go: a forest that weighs what was heard after its onset and the notes around it.

While the pedal is down nothing is heard of a key that comes up; what is played next tells more than a threshold on
`held`. The forest is that of Meinshausen, "Quantile regression forests", JMLR 7, 2006: its leaves keep how key-down
times were distributed. Of all times the one is taken within whose tolerance most of that distribution lies, as
note-level metrics have it: an offset is right within 50 ms or 20 % of the note's duration, the evaluation's defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from s2s_lib.config import EvaluationConfig
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_path
from s2s_lib.notes import LOWEST_PITCH, Performance, as_arrays
from s2s_lib.targets import SHORTEST_NOTE_S, Grid
from s2s_lib.weights import OFFSETS, way_out

LAGS_S = np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96]) * 0.02  # behind an onset
INTERVALS = ((-99, 99), (0, 0), (-2, 2), (1, 4), (-4, -1), (5, 12), (-12, -5), (1, 99), (-99, -1))  # semitones
SAME_S = 0.035  # keys struck closer than this are one chord
AROUND_S, AROUND = 4.0, 100  # how far notes around count, and how many on either side
NOBODY_S, NOBODY = 9.0, 99  # the time and interval of a note that is not there
CHUNK = 2000  # notes whose surroundings are looked at in one go
EDGES_S = np.geomspace(0.03, 3.0, 33)  # between the classes of key-down times
CLASSES = len(EDGES_S) + 1
FEATURES = 4 + 3 * len(LAGS_S) + 1 + 3 + 4 * len(INTERVALS)  # of each note, see `surroundings`
FULL = 255  # of a probability kept in a byte
ARRAYS = {"roots": "i", "feature": "i", "threshold": "f", "children": "i", "leaves": "f"}


@dataclass(frozen=True)
class Trace:
    """Probabilities, a byte each, of frames that follow each other: keys (frames, 2, 88), held and sounding; pedal."""

    keys: np.ndarray
    pedal: np.ndarray

    @classmethod
    def of(cls, grid: Grid) -> Trace:
        """What of a grid the forest looks at."""
        keys = np.stack([grid.held, grid.sounding], axis=1)
        return cls(np.rint(FULL * keys).astype(np.uint8), np.rint(FULL * grid.pedal).astype(np.uint8))

    @classmethod
    def joined(cls, traces: Sequence[Trace]) -> Trace:
        """Traces that follow each other as one."""
        return cls(*(np.concatenate([getattr(trace, name) for trace in traces]) for name in ("keys", "pedal")))


def surroundings(performance: Performance, trace: Trace, frame_s: float) -> np.ndarray:
    """What is known of each note: float32 (notes, features).

    Its pitch, velocity, and durations by thresholds, s; the probabilities that its key is held, that it sounds and
    that the pedal is down, at `LAGS_S` behind its onset; how many keys were struck with it, above and below it; and for
    each of `INTERVALS` how long after it the next two notes came, how long before it the last one, s, and how many
    semitones the next one lies away. The key itself counts in the one interval that is its own alone. `performance`
    has pedal-extended ends; frame k of the trace starts at k * frame_s.
    """
    times, pitches, velocities = as_arrays(performance.notes)
    onsets, ends = times[:, 0], as_arrays(performance.extended)[0][:, 1]
    lags = np.rint(np.append(0.0, LAGS_S) / frame_s).astype(int)
    rows = np.minimum((onsets / frame_s).astype(int)[:, None] + lags, len(trace.pedal) - 1)
    held, sounding = trace.keys[rows[:, 1:], :, pitches.astype(int)[:, None] - LOWEST_PITCH].transpose(2, 0, 1)
    own = np.column_stack([pitches, velocities, times[:, 1] - onsets, ends - onsets])
    chunks = [_around(onsets, pitches, first) for first in range(0, len(onsets), CHUNK)]
    return np.concatenate([own, held, sounding, trace.pedal[rows], np.concatenate(chunks)], axis=1, dtype=np.float32)


def _around(onsets: np.ndarray, pitches: np.ndarray, first: int) -> np.ndarray:
    """The notes around the `CHUNK` notes from `first` on, as `surroundings` describes them."""
    own = np.arange(first, min(first + CHUNK, len(onsets)))
    low = np.maximum(np.searchsorted(onsets, onsets[own] - AROUND_S), own - AROUND)
    high = np.minimum(np.searchsorted(onsets, onsets[own] + AROUND_S, side="right"), own + AROUND + 1)
    near = low[:, None] + np.arange((high - low).max())
    there = (near < high[:, None]) & (near != own[:, None])
    near = np.minimum(near, len(onsets) - 1)
    later, interval = onsets[near] - onsets[own][:, None], pitches[near] - pitches[own][:, None]
    same = there & (np.abs(later) <= SAME_S)
    columns = [same.sum(1), (same & (interval > 0)).sum(1), (same & (interval < 0)).sum(1)]
    for lowest, highest in INTERVALS:
        inside = there & (interval >= lowest) & (interval <= highest)
        if lowest:
            inside &= interval != 0
        after, before = inside & (later > SAME_S), inside & (later < -SAME_S)
        beyond = after & (np.cumsum(after, axis=1) > 1)  # all but the next one
        columns += [_first(later, after, NOBODY_S), _first(later, beyond, NOBODY_S)]
        columns += [_first(-later[:, ::-1], before[:, ::-1], NOBODY_S), _first(interval, after, NOBODY)]
    return np.column_stack(columns)


def _first(values: np.ndarray, which: np.ndarray, missing: float) -> np.ndarray:
    """The first value of each row of those that are asked for; `missing` where there is none."""
    return np.where(which.any(1), values[np.arange(len(values)), np.argmax(which, axis=1)], missing)


def classes(durations_s: np.ndarray) -> np.ndarray:
    """The class of each key-down time, 0 to CLASSES - 1."""
    return np.digitize(durations_s, EDGES_S)


@dataclass(frozen=True)
class OffsetForest:
    """Trees whose leaves hold distributions of key-down times.

    roots: each tree's first node (trees,); of each node feature, threshold (nodes,) and children (nodes, 2), left where
    the feature is at most the threshold; a child below 0 is the leaf ~child. leaves: (leaves, CLASSES) probabilities.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    leaves: np.ndarray

    def distribution(self, features: np.ndarray) -> np.ndarray:
        """Probability of each class of key-down time: (notes, CLASSES)."""
        rows = np.arange(len(features))
        total = np.zeros((len(features), CLASSES), np.float32)
        for root in self.roots:
            node = np.full(len(features), root)
            while (inner := node >= 0).any():
                here = node[inner]
                right = features[rows[inner], self.feature[here]] > self.threshold[here]
                node[inner] = self.children[here, right.astype(int)]
            total += self.leaves[~node]
        return total / len(self.roots)

    def refined(self, performance: Performance, trace: Trace, frame_s: float) -> Performance:
        """The performance with every key let go when it most likely was: before its note ends, and after 10 ms."""
        if not performance.notes:
            return performance
        durations = likeliest_s(self.distribution(surroundings(performance, trace, frame_s)))
        notes = []
        for note, end, duration in zip(performance.notes, performance.extended, durations.tolist(), strict=True):
            release_s = min(note.onset_s + max(duration, SHORTEST_NOTE_S), end.offset_s)
            notes.append(replace(note, offset_s=release_s))
        return replace(performance, notes=tuple(notes))

    def save(self, folder: Path) -> None:
        """Writes it into a model's folder."""
        with atomic_path(folder / OFFSETS) as file:
            save_file({name: getattr(self, name) for name in ARRAYS}, file)


def load_offsets(folder: Path) -> OffsetForest | None:
    """The forest of a model's folder; None if it has none. Raises InputError if its file is damaged."""
    file = folder / OFFSETS
    if not file.is_file():
        return None
    try:
        arrays = load_file(file)
        forest = OffsetForest(**{name: arrays[name] for name in ARRAYS})
        whole = _whole(forest)
    except (SafetensorError, OSError, KeyError, IndexError, ValueError) as error:
        raise InputError(f"{folder}: {OFFSETS} is truncated or damaged ({error}); {way_out(folder)}.") from None
    if not whole:
        raise InputError(f"{folder}: {OFFSETS} was made by another version of Sound2Sheet; {way_out(folder)}.")
    return forest


def _whole(forest: OffsetForest) -> bool:
    """Whether all that a forest points to is there."""
    nodes = len(forest.feature)
    return (
        all(getattr(forest, name).dtype.kind == kind for name, kind in ARRAYS.items())
        and forest.threshold.shape == (nodes,)
        and forest.children.shape == (nodes, 2)
        and forest.leaves.shape[1:] == (CLASSES,)
        and bool(((forest.feature >= 0) & (forest.feature < FEATURES)).all())
        and bool(((forest.children >= -len(forest.leaves)) & (forest.children < nodes)).all())
        and bool(((forest.roots >= -len(forest.leaves)) & (forest.roots < nodes)).all())
    )


def likeliest_s(distribution: np.ndarray) -> np.ndarray:
    """The key-down times (notes,), s, within whose tolerance most of each distribution lies; of equals the middle."""
    near = distribution @ _WITHIN
    best = np.cumsum(np.isclose(near, near.max(1, keepdims=True)), axis=1)
    return _CANDIDATES_S[np.argmax(2 * best > best[:, -1:], axis=1)]


def _within(tolerance_s: float, ratio: float) -> np.ndarray:
    """The share of each class of key-down times to which a candidate would be near enough: (CLASSES, candidates)."""
    logs = np.log(EDGES_S)
    bounds = np.concatenate([[logs[0] - 0.3], logs, [logs[-1] + 0.5]])  # the outer classes end somewhere
    low = np.log(np.maximum(np.minimum(_CANDIDATES_S - tolerance_s, _CANDIDATES_S / (1 + ratio)), 1e-3))
    high = np.log(np.maximum(_CANDIDATES_S + tolerance_s, _CANDIDATES_S / (1 - ratio)))
    start, end = np.maximum(bounds[:-1, None], low), np.minimum(bounds[1:, None], high)
    return (np.maximum(end - start, 0) / np.diff(bounds)[:, None]).astype(np.float32)


_CANDIDATES_S = np.geomspace(0.03, 3.0, 200)
_JUDGED = EvaluationConfig()  # by the defaults, whatever an evaluation allows: a transcription is not to depend on it
_WITHIN = _within(_JUDGED.offset_min_tolerance, _JUDGED.offset_ratio)
