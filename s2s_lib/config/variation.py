"""Random changes to the music before it is rendered, where the truth stays exact."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from s2s_lib.config.base import PositiveRange, Probability, Range, Section, key
from s2s_lib.config.limits import within

PEDAL_DOWN = 64  # the least controller value of a pedal that is down


def _astride(values: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= values[0] < PEDAL_DOWN <= values[1] <= 127:
        raise ValueError(f"{values[0]} to {values[1]} does not lie in 0-127 on both sides of {PEDAL_DOWN}")
    return values


class VariationConfig(Section):
    """How training pieces are played otherwise than they were composed or recorded; each is drawn per piece."""

    enabled: bool = key(True, "vary the training music", "--no-variation")
    transpose_probability: Probability = key(0.5, "chance of another key")
    transpose_semitones: int = key(5, "most that a piece is moved up or down, in semitones", ge=0, le=24)
    tempo_probability: Probability = key(0.5, "chance of another tempo")
    tempo_factor: Annotated[Range, within(0.25, 4.0)] = key((0.8, 1.25), "factor on the tempo: slowest, fastest")
    velocity_probability: Probability = key(0.5, "chance of another dynamic curve")
    velocity_gamma: PositiveRange = key((0.6, 1.6), "exponent of the velocity curve: loudest, softest")
    pedal_added_probability: Probability = key(0.05, "chance of pedal where the piece has none")
    pedal_added_seconds: PositiveRange = key((0.5, 2.5), "how long an added pedal is held: shortest, longest")
    pedal_removed_probability: Probability = key(0.1, "chance that all pedal is left out")
    pedal_half_probability: Probability = key(0.1, "chance of half-pedalling, controller values near the threshold")
    pedal_half_values: Annotated[tuple[int, int], AfterValidator(_astride)] = key(
        (44, 84), "controller values of half-pedalling, lowest and highest; 64 or more is down"
    )
    chord_jitter_probability: Probability = key(0.3, "chance of chords whose notes are struck less together")
    chord_jitter_ms: Annotated[Range, within(0.0, 50.0)] = key(
        (3.0, 15.0), "standard deviation of onsets inside a chord in milliseconds: tightest, loosest"
    )
