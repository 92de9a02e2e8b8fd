"""Rooms: synthetic impulse responses, and the user's recorded ones. The direct sound stays where it is.

A synthetic room has early reflections from the image sources of a box (Allen and Berkley, JASA 1979) and then noise
that decays by 60 dB in the drawn time, faster at high frequencies (Moorer, Computer Music Journal 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from s2s_lib.augment.colour import log_uniform
from s2s_lib.augment.folders import impulse_response, response_files
from s2s_lib.config import AugmentationConfig

SOUND_M_PER_S = 343.0
ROOM_M = ((3.0, 15.0), (2.5, 12.0), (2.3, 6.0))  # length, width, height: smallest, largest
WALL_M = 0.3  # nobody stands nearer to a wall
IMAGES = 2  # rooms mirrored in each direction
MIXING_S = 0.03  # by then noise has taken the place of single reflections
BANDS_HZ = (500.0, 3000.0)
BASS_DECAY, TREBLE_DECAY = (0.9, 1.4), (0.4, 0.9)  # decay times below and above these, as shares
STRONGEST = 0.6  # reflections together, as a share of the direct sound: nothing may be taken for the onset
MERGED_S = 0.002  # reflections as close as this are heard as one


@dataclass(frozen=True)
class Room:
    """Decay time over 60 dB in seconds, direct sound over reverberation in dB; `seed` makes its walls."""

    decay_s: float
    direct_db: float
    seed: int

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect. The mean power stays."""
        return convolved(waveform, self.response(sample_rate))

    def response(self, sample_rate: int) -> np.ndarray:
        """The impulse response, float32; the direct sound is its first sample."""
        rng = np.random.default_rng(self.seed)
        length = max(2, round(self.decay_s * sample_rate))
        time_s = np.arange(length) / sample_rate
        size = np.array([log_uniform(rng, *ends) for ends in ROOM_M])
        distance = critical_distance(size, self.decay_s) * 10 ** (-self.direct_db / 20)
        energy = 4 * np.pi * SOUND_M_PER_S * distance**2 / np.prod(size) / sample_rate  # of all images, per sample
        tail = tail_noise(length, sample_rate, self.decay_s, rng) * np.sqrt(energy)
        tail *= np.sin(np.pi / 2 * np.minimum(time_s / MIXING_S, 1.0)) ** 2
        delays, levels = reflections(size, distance, self.decay_s, rng)
        places = np.rint(delays * sample_rate).astype(int)
        inside = (places > 0) & (places < length)
        np.add.at(tail, places[inside], levels[inside])
        tail[0] = 0
        tail *= 10 ** (-self.direct_db / 20) / np.sqrt(np.sum(tail**2))
        width = max(1, round(MERGED_S * sample_rate))
        merged = np.sqrt(width * uniform_filter1d(np.square(tail), width))
        tail *= np.minimum(1.0, STRONGEST / np.maximum(merged, STRONGEST))
        tail[0] = 1
        return tail.astype(np.float32)

    def __str__(self) -> str:
        return f"room, {self.decay_s:.1f} s, direct {self.direct_db:+.0f} dB"


@dataclass(frozen=True)
class RecordedRoom:
    """An impulse response from a file; `channel` counts round its channels."""

    path: Path
    channel: int

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect. The mean power stays."""
        return convolved(waveform, impulse_response(self.path, self.channel, sample_rate))

    def __str__(self) -> str:
        return f"room {self.path.name}"


def draw_room(rng: np.random.Generator, settings: AugmentationConfig) -> Room | RecordedRoom:
    """A room from the config's ranges, or a file of reverb_dir in a share of reverb_dir_share."""
    if settings.reverb_dir is not None and rng.random() < settings.reverb_dir_share:
        files = response_files(settings.reverb_dir)
        return RecordedRoom(files[rng.integers(len(files))], int(rng.integers(64)))
    decay_s = log_uniform(rng, *settings.reverb_seconds)
    return Room(decay_s, rng.uniform(*settings.reverb_direct_db), int(rng.integers(2**63)))


def critical_distance(size: np.ndarray, decay_s: float) -> float:
    """Metres at which direct and reverberant sound are equally strong, from the energy of all images."""
    return float(np.sqrt(np.prod(size) * np.log(1e6) / (4 * np.pi * SOUND_M_PER_S * decay_s)))


def reflections(
    size: np.ndarray, distance: float, decay_s: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Delays after the direct sound in seconds and levels against it, of a box's nearest images: each (images,)."""
    listener = rng.uniform(WALL_M, size - WALL_M)
    direction = rng.standard_normal(3)
    source = np.clip(listener + distance * direction / np.linalg.norm(direction), WALL_M, size - WALL_M)
    numbers = np.arange(-IMAGES, IMAGES + 1)
    x, y, z = (
        n * numbers_size + np.where(n % 2, numbers_size - s, s)
        for n, numbers_size, s in zip([numbers] * 3, size, source, strict=True)
    )
    images = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    bounces = np.abs(np.stack(np.meshgrid(numbers, numbers, numbers, indexing="ij"), axis=-1)).sum(-1).ravel()
    away = np.linalg.norm(images - listener, axis=1)
    direct = max(float(away[bounces == 0][0]), WALL_M)
    walls = 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    kept = np.exp(-np.log(1e6) * 4 * np.prod(size) / (SOUND_M_PER_S * walls * decay_s))  # energy per bounce (Eyring)
    levels = np.sqrt(kept) ** bounces * direct / np.maximum(away, WALL_M)
    return (away - direct)[bounces > 0] / SOUND_M_PER_S, levels[bounces > 0]


def tail_noise(length: int, sample_rate: int, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power that decays by 60 dB in `decay_s`, in bass and treble slower or faster: (length,)."""
    size = scipy.fft.next_fast_len(length, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(size, dtype=np.float32))
    frequencies = np.fft.rfftfreq(size, 1 / sample_rate)
    bass = 1 / (1 + (frequencies / BANDS_HZ[0]) ** 4)
    treble = 1 - 1 / (1 + (frequencies / BANDS_HZ[1]) ** 4)
    shares = (rng.uniform(*BASS_DECAY), 1.0, rng.uniform(*TREBLE_DECAY))
    time_s = np.arange(length) / sample_rate
    tail = np.zeros(length)
    for mask, share in zip((bass, 1 - bass - treble, treble), shares, strict=True):
        band = scipy.fft.irfft(spectrum * mask.astype(np.float32), size)[:length]
        tail += band * 10 ** (-3 * time_s / (decay_s * share))
    return tail


def convolved(waveform: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The waveform in a room, as long and as loud (mean power) as before."""
    wet = fftconvolve(waveform, response[: len(waveform)])[: len(waveform)].astype(np.float32, copy=False)
    before, after = (float(np.sum(np.square(x), dtype=np.float64)) for x in (waveform, wet))
    return wet * np.float32(np.sqrt(before / after)) if after > 0 else wet
