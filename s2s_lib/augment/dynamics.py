"""Loudness: compression, clipping, level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from s2s_lib.augment.colour import log_uniform
from s2s_lib.config import AugmentationConfig

BLOCK_S = 0.001  # the compressor measures the level this often
QUIETEST = 1e-6  # -120 dB of full scale


@dataclass(frozen=True)
class Compression:
    """A feed-forward compressor: threshold in dB of the peak, ratio, time in which it follows the level in ms.

    The level it follows is the mean power, smoothed causally, so an attack passes before the gain falls.
    """

    threshold_db: float
    ratio: float
    follow_ms: float

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect. The peak stays as high as it was."""
        peak = float(np.abs(waveform).max(initial=0.0))
        block = max(1, round(BLOCK_S * sample_rate))
        blocks = -(-len(waveform) // block)
        padded = np.zeros(blocks * block, np.float32)
        padded[: len(waveform)] = waveform
        power = np.square(padded).reshape(blocks, block).mean(axis=1)
        keep = np.exp(-1000 * block / sample_rate / self.follow_ms)
        level_db = 10 * np.log10(lfilter([1 - keep], [1, -keep], power) + QUIETEST**2)
        over_db = np.maximum(level_db - self.threshold_db - 20 * np.log10(peak + QUIETEST), 0)
        gains = 10 ** (-over_db * (1 - 1 / self.ratio) / 20)
        middles = (np.arange(blocks) + 0.5) * block
        compressed = waveform * np.interp(np.arange(len(waveform)), middles, gains).astype(np.float32)
        return with_peak(compressed, peak)

    def __str__(self) -> str:
        return f"compression, {self.ratio:.1f}:1 over {self.threshold_db:.0f} dB"


@dataclass(frozen=True)
class Clipping:
    """Overdrive: peaks `over_db` above the limit, cut off hard or bent softly (tanh)."""

    over_db: float
    soft: bool

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect. The peak stays as high as it was."""
        peak = float(np.abs(waveform).max(initial=0.0))
        limit = np.float32(max(peak * 10 ** (-self.over_db / 20), QUIETEST))
        clipped = limit * np.tanh(waveform / limit) if self.soft else np.clip(waveform, -limit, limit)
        return with_peak(clipped, peak)

    def __str__(self) -> str:
        return f"{'soft' if self.soft else 'hard'} clipping, {self.over_db:.0f} dB over"


@dataclass(frozen=True)
class Gain:
    """A change of level in dB; never beyond full scale."""

    gain_db: float

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect."""
        peak = float(np.abs(waveform).max(initial=0.0))
        return waveform * np.float32(min(10 ** (self.gain_db / 20), max(1.0, 1 / max(peak, QUIETEST))))

    def __str__(self) -> str:
        return f"gain, {self.gain_db:+.0f} dB"


def draw_compression(rng: np.random.Generator, settings: AugmentationConfig) -> Compression:
    """Threshold, ratio and speed from the config's ranges."""
    return Compression(
        rng.uniform(*settings.compression_threshold_db),
        log_uniform(rng, *settings.compression_ratio),
        log_uniform(rng, *settings.compression_ms),
    )


def draw_clipping(rng: np.random.Generator, settings: AugmentationConfig) -> Clipping:
    """Soft or hard, as far over the limit as clipping_db says."""
    return Clipping(rng.uniform(*settings.clipping_db), bool(rng.random() < 0.5))


def draw_gain(rng: np.random.Generator, settings: AugmentationConfig) -> Gain:
    """A level from gain_db."""
    return Gain(rng.uniform(*settings.gain_db))


def with_peak(waveform: np.ndarray, peak: float) -> np.ndarray:
    """The waveform with its peak at `peak`; silence stays silent."""
    now = float(np.abs(waveform).max(initial=0.0))
    return waveform * np.float32(peak / now) if now > 0 else waveform
