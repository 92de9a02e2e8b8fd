"""Colour: equaliser, microphone and telephone band as curves in dB over frequency.

A curve becomes a minimum-phase filter, as the causal filters of nature and electronics are: no sound runs ahead of
its onset, and none is delayed (Oppenheim and Schafer, Discrete-Time Signal Processing, the real cepstrum).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.signal import fftconvolve

from s2s_lib.config import AugmentationConfig

EQ_CENTRES_HZ = (60.0, 150.0, 400.0, 1000.0, 2400.0, 4500.0, 7500.0)
RESONANCES = 3
RESONANCE_HZ = (250.0, 8000.0)
RESONANCE_OCTAVES = (0.15, 0.8)  # standard deviation of a bell-shaped resonance
PROXIMITY_HZ = 200.0  # below this a microphone close to its source hears more bass
MICROPHONE_ORDER, PHONE_ORDER = 2, 6  # slopes of 12 and 36 dB per octave
DEEPEST_DB = -60.0
POINTS = 8192  # of the curve; the filter is half as long


@dataclass(frozen=True)
class Equaliser:
    """Gains in dB at EQ_CENTRES_HZ, joined by straight lines over logarithmic frequency."""

    gains_db: tuple[float, ...]

    def curve_db(self, frequencies: np.ndarray) -> np.ndarray:
        """Gain in dB at frequencies in Hz."""
        return np.interp(np.log(frequencies), np.log(EQ_CENTRES_HZ), self.gains_db)

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect."""
        return coloured(waveform, sample_rate, self)

    def __str__(self) -> str:
        gain, centre = max(zip(self.gains_db, EQ_CENTRES_HZ, strict=True), key=lambda band: abs(band[0]))
        return f"equaliser, {gain:+.0f} dB at {centre:.0f} Hz"  # where it does most


@dataclass(frozen=True)
class Microphone:
    """Band limits in Hz, resonances (centre in Hz, width in octaves, gain in dB) and a gain of the bass in dB."""

    low_hz: float
    high_hz: float
    proximity_db: float
    resonances: tuple[tuple[float, float, float], ...]

    def curve_db(self, frequencies: np.ndarray) -> np.ndarray:
        """Gain in dB at frequencies in Hz."""
        curve = band_db(frequencies, self.low_hz, self.high_hz, MICROPHONE_ORDER)
        curve += self.proximity_db / (1 + (frequencies / PROXIMITY_HZ) ** 2)
        for centre, octaves, gain in self.resonances:
            curve += gain * np.exp(-0.5 * (np.log2(frequencies / centre) / octaves) ** 2)
        return curve

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect."""
        return coloured(waveform, sample_rate, self)

    def __str__(self) -> str:
        return f"microphone, {self.low_hz:.0f}–{self.high_hz:.0f} Hz"


@dataclass(frozen=True)
class Phone:
    """The band of a telephone line, low and high limit in Hz (ITU-T G.712 has 300 and 3400)."""

    low_hz: float
    high_hz: float

    def curve_db(self, frequencies: np.ndarray) -> np.ndarray:
        """Gain in dB at frequencies in Hz."""
        return band_db(frequencies, self.low_hz, self.high_hz, PHONE_ORDER)

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect."""
        return coloured(waveform, sample_rate, self)

    def __str__(self) -> str:
        return f"telephone, {self.low_hz:.0f}–{self.high_hz:.0f} Hz"


def draw_equaliser(rng: np.random.Generator, settings: AugmentationConfig) -> Equaliser:
    """Gains within +-eq_gain_db."""
    return Equaliser(tuple(rng.uniform(-settings.eq_gain_db, settings.eq_gain_db, len(EQ_CENTRES_HZ)).tolist()))


def draw_microphone(rng: np.random.Generator, settings: AugmentationConfig) -> Microphone:
    """Limits from microphone_low_hz and microphone_high_hz, gains within +-microphone_resonance_db."""
    most = settings.microphone_resonance_db
    resonances = tuple(
        (log_uniform(rng, *RESONANCE_HZ), rng.uniform(*RESONANCE_OCTAVES), rng.uniform(-most, most))
        for _ in range(RESONANCES)
    )
    low, high = (log_uniform(rng, *ends) for ends in (settings.microphone_low_hz, settings.microphone_high_hz))
    return Microphone(low, high, rng.uniform(-most, most), resonances)


def draw_phone(rng: np.random.Generator, settings: AugmentationConfig) -> Phone:
    """Limits from phone_low_hz and phone_high_hz."""
    return Phone(log_uniform(rng, *settings.phone_low_hz), log_uniform(rng, *settings.phone_high_hz))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between low and high, evenly drawn on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def band_db(frequencies: np.ndarray, low_hz: float, high_hz: float, order: int) -> np.ndarray:
    """Butterworth band limits in dB (-3 dB at both), as steep as `order` says."""
    below = (low_hz / frequencies) ** (2 * order)
    above = (frequencies / high_hz) ** (2 * order)
    return np.maximum(-10 * np.log10((1 + below) * (1 + above)), DEEPEST_DB)


def coloured(waveform: np.ndarray, sample_rate: int, colour: Equaliser | Microphone | Phone) -> np.ndarray:
    """The waveform through the minimum-phase filter of a colour's curve."""
    frequencies = np.maximum(np.fft.rfftfreq(POINTS, 1 / sample_rate), 1.0)
    taps = minimum_phase(colour.curve_db(frequencies)).astype(np.float32)
    return fftconvolve(waveform, taps)[: len(waveform)]


def minimum_phase(curve_db: np.ndarray) -> np.ndarray:
    """Taps (POINTS / 2,) of the minimum-phase filter with these gains in dB at 0 Hz to the Nyquist frequency."""
    cepstrum = scipy.fft.irfft(curve_db * (np.log(10) / 20), POINTS)
    cepstrum[1 : POINTS // 2] *= 2
    cepstrum[POINTS // 2 + 1 :] = 0
    return scipy.fft.irfft(np.exp(scipy.fft.rfft(cepstrum)), POINTS)[: POINTS // 2]
