"""Random changes to audio that leave every onset where it is: equaliser, room, noise, level.

Written out rather than taken from a library, since each choice must come from the generator passed in (exact resume)
and no filter may delay the sound.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve

from s2s_lib.config import AugmentationConfig

EQ_CENTRES_HZ = (60.0, 150.0, 400.0, 1000.0, 2400.0, 4500.0, 7500.0)
REVERB_LEVEL = (0.05, 0.5)  # of the reverberation against the direct sound, as amplitude
FULL_SCALE = 1.0


def augment(
    waveform: np.ndarray, sample_rate: int, settings: AugmentationConfig, rng: np.random.Generator
) -> np.ndarray:
    """Applies the effects of `settings`, each by its probability, to a mono float32 waveform (samples,).

    The order is that of a recording: the instrument's colour, the room, the microphone's noise, the level.
    """
    if rng.random() < settings.eq_probability:
        waveform = equalise(waveform, sample_rate, settings.eq_gain_db, rng)
    if rng.random() < settings.reverb_probability:
        waveform = reverberate(waveform, sample_rate, settings.reverb_seconds, rng)
    if rng.random() < settings.noise_probability:
        waveform = add_noise(waveform, settings.noise_snr_db, rng)
    if rng.random() < settings.gain_probability:
        waveform = waveform * np.float32(10 ** (rng.uniform(*settings.gain_db) / 20))
    return np.clip(waveform, -FULL_SCALE, FULL_SCALE).astype(np.float32, copy=False)


def equalise(waveform: np.ndarray, sample_rate: int, gain_db: float, rng: np.random.Generator) -> np.ndarray:
    """A random seven-band equaliser of up to +-gain_db; zero phase, so nothing moves in time."""
    gains = rng.uniform(-gain_db, gain_db, len(EQ_CENTRES_HZ))
    frequencies = np.maximum(np.fft.rfftfreq(len(waveform), 1 / sample_rate), 1.0)
    curve = np.interp(np.log(frequencies), np.log(EQ_CENTRES_HZ), gains)
    return np.fft.irfft(np.fft.rfft(waveform) * 10 ** (curve / 20), len(waveform)).astype(np.float32)


def reverberate(
    waveform: np.ndarray, sample_rate: int, seconds: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """A synthetic room: the direct sound, then noise that decays by 60 dB in a random time from `seconds`."""
    decay_s = rng.uniform(*seconds)
    time_s = np.arange(1, max(2, int(decay_s * sample_rate))) / sample_rate
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    tail *= rng.uniform(*REVERB_LEVEL) / np.sqrt(np.sum(tail**2))
    return fftconvolve(waveform, np.append(1.0, tail))[: len(waveform)].astype(np.float32)


def add_noise(waveform: np.ndarray, snr_db: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """White noise at a random signal-to-noise ratio from `snr_db`; silence stays silent."""
    power = np.mean(np.square(waveform))
    deviation = np.sqrt(power / 10 ** (rng.uniform(*snr_db) / 10))
    return waveform + np.float32(deviation) * rng.standard_normal(len(waveform), dtype=np.float32)
