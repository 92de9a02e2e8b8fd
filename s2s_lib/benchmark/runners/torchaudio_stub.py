"""Stands for torchaudio where it is not installed: the one function that transkun calls of it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def melscale_fbanks(n_freqs: int, f_min: float, f_max: float, n_mels: int, sample_rate: int) -> torch.Tensor:
    """Triangular filters of peak 1, equally spaced on HTK's mel scale (2595 log10(1 + f / 700)): (n_freqs, n_mels).

    What torchaudio.functional.melscale_fbanks gives with its default norm and mel_scale.
    """
    import torch

    low, high = (2595 * math.log10(1 + hz / 700) for hz in (f_min, f_max))
    corners = 700 * (10 ** (torch.linspace(low, high, n_mels + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate // 2, n_freqs)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


functional = SimpleNamespace(melscale_fbanks=melscale_fbanks)
