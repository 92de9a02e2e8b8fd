"""The pianos that play the training music."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from s2s_lib.config.base import PositiveRange, Probability, Range, Section, key

Preset = Literal["acoustic_grand", "bright", "electric_grand", "honky_tonk"]
PRESET_PROGRAMS: dict[Preset, int] = {"acoustic_grand": 0, "bright": 1, "electric_grand": 2, "honky_tonk": 3}


class PianoConfig(Section):
    """How a soundfont's piano is made another piano for each training piece; val and test hear it as it is.

    Presets and reverb are drawn for the pieces of all splits, everything else for training pieces alone.
    """

    presets: dict[Preset, float] = Field(
        default_factory=lambda: {"acoustic_grand": 6.0, "bright": 2.0, "electric_grand": 1.0, "honky_tonk": 0.5},
        description="piano presets and how often each is drawn where a soundfont has it",
    )
    reverb_probability: Probability = key(0.7, "chance of the synthesizer's reverb")
    randomize: bool = key(True, "play training pieces on altered pianos", "--no-piano-randomization")
    modelled_pianos: int = key(
        0, "pianos of a string model, beside those of the soundfonts", "--modelled-pianos", ge=0, le=256
    )
    modelled_probability: Probability = key(0.4, "chance of one of them, if there are any")
    tuning_probability: Probability = key(0.5, "chance of another concert pitch")
    tuning_cents: float = key(50.0, "master tuning is drawn from plus or minus this many cents", ge=0, le=100)
    detune_probability: Probability = key(0.3, "chance of keys out of tune with each other")
    detune_cents: float = key(4.0, "standard deviation of a key's own tuning in cents", ge=0, le=10)
    displacement_probability: Probability = key(0.6, "chance that each key sounds with another key's strings")
    displacement_semitones: int = key(5, "how far away those strings are at most, in semitones", ge=0, le=7)
    uneven_probability: Probability = key(0.3, "chance that neighbouring keys take strings from different places")
    filter_probability: Probability = key(0.4, "chance of a darker or brighter voice filter")
    filter_octaves: Range = key((-1.5, 1.0), "shift of the filter's cutoff in octaves: lowest, highest")
    decay_probability: Probability = key(0.4, "chance of strings that ring shorter or longer")
    decay_factor: PositiveRange = key((0.3, 2.0), "factor on the decay time: shortest, longest")
    release_probability: Probability = key(0.4, "chance of dampers that act faster or slower")
    release_factor: PositiveRange = key((0.4, 1.6), "factor on the release time: shortest, longest")
    velocity_probability: Probability = key(0.5, "chance of a lighter or heavier action")
    velocity_gamma: PositiveRange = key((0.5, 1.25), "exponent of the velocity that strings get: lightest, heaviest")
    layer_probability: Probability = key(0.2, "chance of a second piano sounding along")
    layer_db: Range = key((-18.0, 0.0), "level of the second piano in dB: lowest, highest")

    @field_validator("presets")
    @classmethod
    def _weights(cls, presets: dict[Preset, float]) -> dict[Preset, float]:
        if min(presets.values(), default=0) < 0 or not sum(presets.values()):
            raise ValueError("weights must not be negative, and one must be above 0")
        return presets
