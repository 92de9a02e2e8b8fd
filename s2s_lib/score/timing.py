"""Where the beats of a performance lie, and the way from seconds to the page and back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from s2s_lib.metre import TimeSignature, bar_quarters, beat_quarters, straight


@dataclass(frozen=True)
class Timing:
    """The felt beats of a performance.

    beats_s: (n,) performed times in seconds, ascending, n >= 2. `first_downbeat` is the index of the first downbeat
    among them; the beats before it are a pickup. Places on the page count in quarter notes from the bar line at or
    before the first beat, so a pickup starts inside the first bar and nothing on the page is negative.
    """

    beats_s: np.ndarray
    first_downbeat: int
    time_signature: TimeSignature

    @property
    def beat_quarters(self) -> Fraction:
        return beat_quarters(self.time_signature)

    @property
    def beats_per_bar(self) -> int:
        return int(bar_quarters(self.time_signature) / self.beat_quarters)

    @property
    def downbeats_s(self) -> np.ndarray:
        """Performed times of the downbeats, in seconds."""
        return self.beats_s[self.first_downbeat :: self.beats_per_bar]

    def quarters(self, times_s: np.ndarray) -> np.ndarray:
        """Places on the page of performed times, straight on at the pace of the outer beats beyond them."""
        return straight(np.asarray(times_s, float), self.beats_s, self._places())

    def seconds(self, quarters: np.ndarray) -> np.ndarray:
        """Performed times of places on the page; the inverse of `quarters`."""
        return straight(np.asarray(quarters, float), self._places(), self.beats_s)

    def _places(self) -> np.ndarray:
        """Places of the beats on the page."""
        before = -self.first_downbeat % self.beats_per_bar  # beats that a pickup leaves out of the first bar
        return (np.arange(len(self.beats_s)) + before) * float(self.beat_quarters)
