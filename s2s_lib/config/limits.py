"""Limits of ranges."""

from __future__ import annotations

from typing import Any

from pydantic import AfterValidator


def within(lowest: float, highest: float) -> Any:
    """Both ends of a range kept within these limits."""

    def check(pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] < lowest or pair[1] > highest:
            raise ValueError(f"{pair[0]:g} to {pair[1]:g} leaves the possible {lowest:g} to {highest:g}")
        return pair

    return AfterValidator(check)
