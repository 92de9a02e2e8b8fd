"""Runs beside each other: which is better, by how much, how surely, and on which pieces. Imports no torch."""

from s2s_lib.comparison.compare import check_comparison, compare
from s2s_lib.comparison.pieces import PiecePair, common, heard, original, won_and_lost
from s2s_lib.comparison.result import METRICS, Comparison, differing, fewest, told_apart, too_few

__all__ = [
    "METRICS",
    "Comparison",
    "PiecePair",
    "check_comparison",
    "common",
    "compare",
    "differing",
    "fewest",
    "heard",
    "original",
    "told_apart",
    "too_few",
    "won_and_lost",
]
