"""Scores over several files, and over parts of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from s2s_lib.config import EvaluationConfig
from s2s_lib.metrics.scores import COUNTED, Counts, Scores, match, mean_or_none
from s2s_lib.notes import Performance


def summarize(scores: Sequence[Scores]) -> dict[str, Any]:
    """Scores over several files, with the numbers of files and notes.

    `mean` is the mean over files, the field's habit: each file counts once, and a file without a value (no matched
    notes) is left out of that value's mean. `pooled` adds the counts of all files first: each note counts once.
    """
    flats = [s.flat() for s in scores]
    names = list(flats[0]) if flats else []
    counts = ("matched", "ref", "est")
    mean = {
        name: mean_or_none([flat[name] for flat in flats if flat[name] is not None])
        for name in names
        if name.rpartition(".")[2] not in counts
    }
    pooled = {name: _total(getattr(s, name) for s in scores) for name in COUNTED}
    return {
        "files": len(scores),
        "ref_notes": pooled["onset"].ref,
        "est_notes": pooled["onset"].est,
        "matched_notes": pooled["onset"].matched,
        "mean": mean,
        "pooled": {name: counts.as_dict() for name, counts in pooled.items()},
    }


def counts_by(ref_values: np.ndarray, est_values: np.ndarray, pairs: np.ndarray, edges: np.ndarray) -> list[Counts]:
    """Counts per bin of some property of the notes: ref_values (n,), est_values (m,), edges (b + 1,).

    A matched estimate belongs to its reference note's bin, so that a bin's counts fit together. The last bin holds
    its right edge, as in numpy.histogram; values outside the edges are left out.
    """
    matched = ref_values[pairs[:, 0]]
    est_values = est_values.copy()
    est_values[pairs[:, 1]] = matched
    columns = [np.histogram(values, edges)[0] for values in (matched, ref_values, est_values)]
    return [Counts(*map(int, row)) for row in zip(*columns, strict=True)]


def over_time(ref: Performance, est: Performance, evaluation: EvaluationConfig, bins: int = 10) -> list[Counts]:
    """Onset counts in `bins` equal parts of the piece, whose length is the later last onset of ref and est."""
    pairs = match(ref.notes, est.notes, evaluation)
    ref_onsets, est_onsets = (np.array([n.onset_s for n in side.notes], dtype=float) for side in (ref, est))
    last = max(ref_onsets.max(initial=0.0), est_onsets.max(initial=0.0))
    return counts_by(ref_onsets, est_onsets, pairs, np.linspace(0.0, last or 1.0, bins + 1))


def _total(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts(0, 0, 0))
