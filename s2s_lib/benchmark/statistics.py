"""Means over pieces with confidence intervals, and scores of notes by what they are and what surrounds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from s2s_lib import metrics
from s2s_lib.config import BenchmarkConfig, EvaluationConfig
from s2s_lib.metrics import Counts
from s2s_lib.notes import Performance, as_arrays, extend_by_pedal

RATE_WINDOW_S = 1.0  # in which onsets are counted for the note rate


@dataclass(frozen=True)
class Estimate:
    """A mean over pieces and its confidence interval; None where there are too few pieces to tell."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Bands:
    """A property of notes cut into bands: `edges` (b + 1,), each band from its edge up to below the next."""

    name: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]


VELOCITY = Bands("velocity", (1, 20, 40, 80, 128), ("below 20", "20-39", "40-79", "80 and more"))
POLYPHONY = Bands("polyphony", (0, 2, 4, 6, 9, 1e6), ("1", "2-3", "4-5", "6-8", "9 and more"))
NOTE_RATE = Bands("note rate", (0, 5, 10, 15, 20, 1e6), ("below 5", "5-9", "10-14", "15-19", "20 and more"))


def estimate(values: Sequence[float], settings: BenchmarkConfig) -> Estimate:
    """The mean of one value per piece, with the percentile bootstrap over pieces (Efron and Tibshirani 1993)."""
    if not len(values):
        return Estimate(None)
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean)
    found = bootstrap(
        (np.asarray(values, float),), np.mean, n_resamples=settings.resamples, method="percentile",
        confidence_level=settings.confidence, rng=np.random.default_rng(settings.seed),
    ).confidence_interval  # fmt: skip
    return Estimate(mean, float(found.low), float(found.high))


def by_band(
    bands: Bands, pairs: Sequence[tuple[Performance, Performance]], evaluation: EvaluationConfig
) -> list[Counts]:
    """Onset counts of each band, those of all pieces (ref, est) added; a matched note belongs to its reference's."""
    total = [Counts(0, 0, 0)] * len(bands.labels)
    for ref, est in pairs:
        ref_values, est_values = PROPERTIES[bands.name](ref, ref), PROPERTIES[bands.name](ref, est)
        matched = metrics.match(ref.notes, est.notes, evaluation)
        found = metrics.counts_by(ref_values, est_values, matched, np.array(bands.edges))
        total = [a + b for a, b in zip(total, found, strict=True)]
    return total


def velocities(ref: Performance, notes: Performance) -> np.ndarray:  # noqa: ARG001  all properties are asked for alike
    """Velocity of each note: (n,)."""
    return as_arrays(notes.notes)[2]


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
    borders = (np.searchsorted(played, onsets + half) for half in (-RATE_WINDOW_S / 2, RATE_WINDOW_S / 2))
    first, last = borders
    return (last - first) / RATE_WINDOW_S


PROPERTIES: dict[str, Callable[[Performance, Performance], np.ndarray]] = {
    VELOCITY.name: velocities,
    POLYPHONY.name: polyphony,
    NOTE_RATE.name: note_rate,
}


def bands_dict(bands: Bands, counts: Sequence[Counts]) -> list[dict[str, Any]]:
    """Rows of the report."""
    return [{bands.name: label, **count.as_dict()} for label, count in zip(bands.labels, counts, strict=True)]
