"""Beats and bars of a time signature, in quarter notes, and the way between places on the page and times."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

TimeSignature = tuple[int, int]


def beat_quarters(time_signature: TimeSignature) -> Fraction:
    """Length of the felt beat in quarter notes: three eighths in 6/8, 9/8 and 12/8, otherwise the lower number's."""
    numerator, denominator = time_signature
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    return Fraction(4 * (3 if compound else 1), denominator)


def bar_quarters(time_signature: TimeSignature) -> Fraction:
    """Length of a bar in quarter notes."""
    return Fraction(4 * time_signature[0], time_signature[1])


def straight(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Linear interpolation between points (xs, ys), xs ascending, that goes straight on beyond the ends."""
    inside = np.interp(x, xs, ys)
    before = ys[0] + (x - xs[0]) * (ys[1] - ys[0]) / (xs[1] - xs[0])
    after = ys[-1] + (x - xs[-1]) * (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    return np.where(x < xs[0], before, np.where(x > xs[-1], after, inside))
