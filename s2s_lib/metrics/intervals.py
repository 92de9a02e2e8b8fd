"""Means over pieces with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.stats import bootstrap


class Resampling(Protocol):
    """How an interval is bootstrapped: a config section that has these keys."""

    resamples: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class Estimate:
    """A mean over pieces and its confidence interval; None where there are too few pieces to tell."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def estimate(values: Sequence[float], settings: Resampling) -> Estimate:
    """The mean of one value per piece, with the percentile bootstrap over pieces (Efron and Tibshirani 1993).

    Given the differences between two systems piece by piece, this is the paired bootstrap (Koehn, EMNLP 2004).
    """
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


def interval_text(found: Estimate, digits: int = 3) -> str:
    """'0.912 (0.881–0.934)'; a dash where nothing was measured."""
    if found.mean is None:
        return "–"
    text = f"{found.mean:.{digits}f}"
    return text if found.low is None else f"{text} ({found.low:.{digits}f}–{found.high:.{digits}f})"


def signed_text(found: Estimate) -> str | None:
    """A difference: '+0.031 (+0.012 to +0.050)'; None where nothing was measured."""
    if found.mean is None:
        return None
    text = f"{found.mean:+.3f}"
    return text if found.low is None else f"{text} ({found.low:+.3f} to {found.high:+.3f})"
