"""The effects in the order in which a recording meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from s2s_lib.augment.codec import draw_codec
from s2s_lib.augment.colour import draw_equaliser, draw_microphone, draw_phone
from s2s_lib.augment.dynamics import draw_clipping, draw_compression, draw_gain
from s2s_lib.augment.noise import draw_noise
from s2s_lib.augment.room import draw_room
from s2s_lib.config import AugmentationConfig

FULL_SCALE = 1.0


class Effect(Protocol):
    """One effect with its settings drawn; the same effect does the same to the same sound."""

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """The changed sound: float32 (samples,) to float32 (samples,); onsets stay, silence stays finite."""

    def __str__(self) -> str:
        """What it is and what was drawn, for a figure's title."""


EFFECTS: dict[str, Callable[[np.random.Generator, AugmentationConfig], Effect]] = {
    "eq": draw_equaliser,
    "reverb": draw_room,
    "noise": draw_noise,
    "microphone": draw_microphone,
    "compression": draw_compression,
    "clipping": draw_clipping,
    "gain": draw_gain,
    "phone": draw_phone,
    "codec": draw_codec,
}  # the names are those of the config's keys


def augment(
    waveform: np.ndarray, sample_rate: int, settings: AugmentationConfig, rng: np.random.Generator
) -> np.ndarray:
    """Applies the effects of `settings`, each by its probability, to a mono float32 waveform (samples,).

    Returns float32 of the same shape within full scale. Onsets stay within 5 ms. Raises InputError (usage) for a
    folder of impulse responses or noise that can't be used (`check_folders` finds that out beforehand).
    """
    if not settings.enabled or rng.random() < settings.clean_probability:
        return waveform
    for name, draw in EFFECTS.items():
        if rng.random() < getattr(settings, f"{name}_probability"):
            waveform = draw(rng, settings).apply(waveform, sample_rate)
    return within_full_scale(waveform)


def within_full_scale(waveform: np.ndarray) -> np.ndarray:
    """The waveform, turned down where it would exceed full scale."""
    peak = float(np.abs(waveform).max(initial=0.0))
    return waveform if peak <= FULL_SCALE else waveform * np.float32(FULL_SCALE / peak)
