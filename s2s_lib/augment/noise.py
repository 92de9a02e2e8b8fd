"""Noise at a drawn signal-to-noise ratio: white, pink, mains hum, hiss, or from the user's recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft

from s2s_lib.augment.folders import noise_files, read_noise
from s2s_lib.config import AugmentationConfig
from s2s_lib.config.augmentation import NoiseKind

QUIETEST_SIGNAL = 10 ** (-50 / 20)  # RMS; a window with less gets noise as if it had this: pauses are noisy too
LOWEST_HZ = 20.0
HISS_HZ = 4000.0  # hiss rises with frequency up to here
MAINS_HZ = (50.0, 60.0)
MAINS_DRIFT = 0.002  # standard deviation as a share
HARMONICS = 16
TABLE = 8192  # points of a period of hum


@dataclass(frozen=True)
class Noise:
    """Synthetic noise of a kind; `seed` makes its samples."""

    kind: NoiseKind
    snr_db: float
    seed: int

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect."""
        rng = np.random.default_rng(self.seed)
        if self.kind == "hum":
            return mixed(waveform, hum(len(waveform), sample_rate, rng), self.snr_db)
        noise = rng.standard_normal(len(waveform), dtype=np.float32)
        return mixed(waveform, shaped(noise, sample_rate, self.kind), self.snr_db)

    def __str__(self) -> str:
        return f"{self.kind}{'' if self.kind in ('hum', 'hiss') else ' noise'}, SNR {self.snr_db:.0f} dB"


@dataclass(frozen=True)
class RecordedNoise:
    """Noise from a file, from a place in it given as a share of its length."""

    path: Path
    place: float
    snr_db: float

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect. A file with silence in that place adds none."""
        return mixed(waveform, read_noise(self.path, self.place, len(waveform), sample_rate), self.snr_db)

    def __str__(self) -> str:
        return f"{self.path.name}, SNR {self.snr_db:.0f} dB"


def draw_noise(rng: np.random.Generator, settings: AugmentationConfig) -> Noise | RecordedNoise:
    """A kind by its weight, or a file of noise_dir in a share of noise_dir_share; the ratio from noise_snr_db."""
    snr_db = rng.uniform(*settings.noise_snr_db)
    if settings.noise_dir is not None and rng.random() < settings.noise_dir_share:
        files = noise_files(settings.noise_dir)
        return RecordedNoise(files[rng.integers(len(files))], rng.random(), snr_db)
    weights = np.array(list(settings.noise_kinds.values()))
    kind = list(settings.noise_kinds)[rng.choice(len(weights), p=weights / weights.sum())]
    return Noise(kind, snr_db, int(rng.integers(2**63)))


def mixed(waveform: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """The waveform with noise added at a ratio of mean powers in dB."""
    level = max(_rms(waveform), QUIETEST_SIGNAL) * 10 ** (-snr_db / 20)
    own = _rms(noise)
    return waveform + np.float32(level / own) * noise if own > 0 else waveform


def _rms(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform)))) if len(waveform) else 0.0


def shaped(noise: np.ndarray, sample_rate: int, kind: NoiseKind) -> np.ndarray:
    """White noise made pink (power falls by 3 dB per octave) or hiss (rises by 6 dB per octave up to 4 kHz)."""
    if kind == "white":
        return noise
    length = scipy.fft.next_fast_len(len(noise), real=True)
    frequencies = np.fft.rfftfreq(length, 1 / sample_rate).astype(np.float32)
    if kind == "pink":
        shape = np.sqrt(LOWEST_HZ / np.maximum(frequencies, LOWEST_HZ))
    else:
        shape = np.minimum(frequencies / HISS_HZ, 1.0)
    return scipy.fft.irfft(scipy.fft.rfft(noise, length) * shape, length)[: len(noise)]


def hum(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Mains hum of 50 or 60 Hz with random harmonics, weaker the higher they are."""
    mains = rng.choice(MAINS_HZ) * (1 + MAINS_DRIFT * rng.standard_normal())
    numbers = np.arange(1, min(HARMONICS, int(sample_rate / 2 / mains)) + 1)
    levels = rng.random(len(numbers)) / numbers
    phases = 2 * np.pi * (np.outer(np.arange(TABLE) / TABLE, numbers) + rng.random(len(numbers)))
    period = (np.sin(phases) @ levels).astype(np.float32)
    places = np.arange(length) * (mains / sample_rate) + rng.random()
    return period[(places % 1.0 * TABLE).astype(np.int32)]
