"""Precision and recall at every threshold at once, from notes that each come with a confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s2s_lib.config import EvaluationConfig
from s2s_lib.metrics.scores import Counts, close_pairs
from s2s_lib.notes import Note


@dataclass(frozen=True)
class ThresholdCounts:
    """Onset counts as notes are let through one by one, the surest first.

    confidences: (m,) falling; matched: (m + 1,), the size of the largest matching of the first k notes; ref: number
    of notes played.
    """

    confidences: np.ndarray
    matched: np.ndarray
    ref: int

    def at(self, threshold: float) -> Counts:
        """Counts of the notes whose confidence is at least `threshold`."""
        kept = int(np.searchsorted(-self.confidences, -threshold, side="right"))
        return Counts(int(self.matched[kept]), self.ref, kept)


def over_thresholds(
    ref: Sequence[Note], est: Sequence[Note], confidences: np.ndarray, evaluation: EvaluationConfig
) -> ThresholdCounts:
    """Onset counts of `est` at all thresholds on its `confidences` (m,): equal to `match` at each of them.

    One more note makes the largest matching of a bipartite graph larger by one if an augmenting path leads from it
    (Berge 1957), else not at all; so one pass over the notes, the surest first, gives all thresholds' counts.
    """
    near: list[list[int]] = [[] for _ in est]
    for i, j in close_pairs(ref, est, evaluation).tolist():
        near[j].append(i)
    order = np.argsort(-confidences, kind="stable")
    taken: dict[int, int] = {}
    grown = [_augment(j, near, taken, set()) for j in order.tolist()]
    return ThresholdCounts(confidences[order], np.concatenate([[0], np.cumsum(grown, dtype=int)]), len(ref))


def _augment(j: int, near: list[list[int]], taken: dict[int, int], tried: set[int]) -> bool:
    """Matches estimated note j, moving others to free reference notes where needed; False if that is impossible."""
    for i in near[j]:
        if i not in tried:
            tried.add(i)
            if i not in taken or _augment(taken[i], near, taken, tried):
                taken[i] = j
                return True
    return False
