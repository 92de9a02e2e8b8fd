"""MV2H: multi-pitch, voice, metre, value and harmony (McLeod and Steedman, ISMIR 2018).

Written after the paper and, for several notes at a time in one voice, the notes on homophony of its reference
implementation, version 2.1. Deviations:

- harmony is the key alone, by mir_eval's weighted score of the key at the beginning; neither side names its chords
- notes that were played but that the true score lacks (wrong notes, what a trill's sign stands for) are left out, as
  nothing true is known of them
- grace notes, which have no value, count for multi-pitch alone
- beats before the first onset and after the last one are left out
- a felt beat has two sub-beats, or three in compound metre
- notes are matched by the largest matching (`metrics.match`), not in the order in which they come
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

DURATION_TOLERANCE_S = 0.1
GROUPING_TOLERANCE_S = 0.05
DIGITS = 3  # of a place in quarter notes, by which notes of one cluster are the same


class Voiced(NamedTuple):
    """A note with a value: its voice, where it starts and ends in quarter notes, its value in seconds."""

    voice: tuple[str, int]
    start: float
    end: float
    length_s: float


@dataclass(frozen=True, eq=False)
class Written:
    """What MV2H looks at: indices of the printed notes, those of them with a value, performed times of the metre."""

    printed: frozenset[int]
    notes: Mapping[int, Voiced]
    beats_s: np.ndarray
    downbeats_s: np.ndarray
    sub_beats: int


@dataclass(frozen=True)
class MV2H:
    """F1 of notes, voice connections and metrical groupings, mean accuracy of note values, key score; all 0-1."""

    multi_pitch: float
    voice: float
    meter: float
    value: float
    harmony: float

    @property
    def mean(self) -> float:
        """The metric itself: the mean of the five."""
        return (self.multi_pitch + self.voice + self.meter + self.value + self.harmony) / 5

    def as_dict(self) -> dict[str, float]:
        return {**asdict(self), "mean": self.mean}


def mv2h(ref: Written, est: Written, pairs: Iterable[tuple[int, int]], key_score: float) -> MV2H:
    """MV2H of an estimated score. `pairs` are the indices (ref, est) of notes of equal pitch and onset."""
    ref_of = {int(j): int(i) for i, j in pairs}
    unknown = {j for j, i in ref_of.items() if i not in ref.printed}
    est_printed = est.printed - unknown
    true = {j: ref_of[j] for j in est_printed if j in ref_of}
    multi_pitch = _f1(len(true), len(est_printed) - len(true), len(ref.printed) - len(true))
    valued = {j: i for j, i in true.items() if j in est.notes and i in ref.notes}
    voice, connected = _voices(ref.notes, est.notes, valued)
    value = _value(ref.notes, est.notes, [(valued[j], j) for j in connected])
    return MV2H(multi_pitch, voice, _meter(ref, est), value, float(key_score))


def _voices(ref: Mapping[int, Voiced], est: Mapping[int, Voiced], valued: Mapping[int, int]) -> tuple[float, list[int]]:
    """F1 of the connections between notes that follow each other in a voice, and the notes whose value counts.

    Connections are made among matched notes alone. Each note's are divided by the mean number of connections and the
    mean size of its cluster on both sides. A value counts where the note that follows is the right one.
    """
    ref_links, ref_sizes = _links({i: ref[i] for i in valued.values()})
    est_links, est_sizes = _links({j: est[j] for j in valued})
    all_links, _ = _links(ref)
    totals, counted = np.zeros(3), []
    for j, i in valued.items():
        got, wanted = {valued[k] for k in est_links[j]}, ref_links[i]
        if got & all_links[i] or not (got or all_links[i]):
            counted.append(j)
        if got or wanted:
            weight = 4 / ((len(got) + len(wanted)) * (ref_sizes[i] + est_sizes[j]))
            both = len(got & wanted)
            totals += weight * np.array([both, len(got) - both, len(wanted) - both])
    return _f1(*totals.tolist()), counted


def _links(notes: Mapping[int, Voiced]) -> tuple[dict[int, set[int]], dict[int, int]]:
    """Of each note: those that follow it in its voice, and how many are written as one with it.

    Notes of one voice, onset and end are a cluster. It leads to the clusters that start at its end, or else to those
    that start next after it.
    """
    voices: dict[tuple[str, int], dict[float, list[int]]] = defaultdict(lambda: defaultdict(list))
    clusters: dict[tuple, list[int]] = defaultdict(list)
    for i, note in notes.items():
        voices[note.voice][note.start].append(i)
        clusters[note[:3]].append(i)
    links = {}
    starts = {voice: np.array(sorted(by_start)) for voice, by_start in voices.items()}
    for (voice, _, end), members in clusters.items():
        following = int(np.searchsorted(starts[voice], end - 10**-DIGITS))
        reached = starts[voice][following : following + 1].tolist()
        reached_notes = {i for start in reached for i in voices[voice][start]}
        links |= dict.fromkeys(members, reached_notes)
    return links, {i: len(members) for members in clusters.values() for i in members}


def _value(ref: Mapping[int, Voiced], est: Mapping[int, Voiced], pairs: list[tuple[int, int]]) -> float:
    """Mean accuracy of note values: 1 within 100 ms, otherwise 1 less the error as a part of the true value."""
    if not pairs:
        return 0.0
    lengths_s = np.array([(ref[i].length_s, est[j].length_s) for i, j in pairs])
    error_s = np.abs(lengths_s[:, 1] - lengths_s[:, 0])
    scores = np.where(error_s <= DURATION_TOLERANCE_S, 1.0, np.maximum(0.0, 1 - error_s / lengths_s[:, 0]))
    return float(scores.mean())


def _meter(ref: Written, est: Written) -> float:
    """F1 of metrical groupings: bars, beats and sub-beats, of any level, whose start and end are within 50 ms."""
    wanted, got = _groupings(ref), _groupings(est)
    free, matched = np.ones(len(wanted), dtype=bool), 0
    for start, end in got:
        first, last = np.searchsorted(wanted[:, 0], (start - GROUPING_TOLERANCE_S, start + GROUPING_TOLERANCE_S))
        for k in range(first, last):
            if free[k] and abs(wanted[k, 1] - end) <= GROUPING_TOLERANCE_S:
                free[k] = False
                matched += 1
                break
    return _f1(matched, len(got) - matched, len(wanted) - matched)


def _groupings(written: Written) -> np.ndarray:
    """Spans (n, 2) in seconds of all bars, beats and sub-beats, by their start."""
    beats_s, parts = written.beats_s, written.sub_beats
    if len(beats_s) < 2:
        return np.zeros((0, 2))
    places = np.arange((len(beats_s) - 1) * parts + 1) / parts
    levels = (written.downbeats_s, beats_s, np.interp(places, np.arange(len(beats_s)), beats_s))
    spans = np.concatenate([np.stack([times[:-1], times[1:]], axis=1) for times in levels])
    return spans[np.lexsort((spans[:, 1], spans[:, 0]))]


def _f1(matched: float, invented: float, missed: float) -> float:
    total = 2 * matched + invented + missed
    return 2 * matched / total if total else 0.0
