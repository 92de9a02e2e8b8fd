"""The user's folders of impulse responses and noise: found once, checked beforehand, read when drawn."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import soundfile
import soxr

from s2s_lib.config import AugmentationConfig
from s2s_lib.errors import InputError

ENDINGS = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"))
LONGEST_RESPONSE_S = 10.0  # no hall rings longer; what follows is dropped
DIRECT = 0.25  # the direct sound is the first sample with this share of the peak: reflections may be stronger
RESPONSES_KEPT = 64  # in memory, each up to 0.6 MB at 16 kHz
NOISE_CHECKED_S = 10.0
SILENT = 1e-6


def check_folders(settings: AugmentationConfig) -> None:
    """Raises InputError (usage) unless the folders of `settings` exist and every audio file in them can be used.

    Reads every impulse response, and of every noise file its first ten seconds; call it before anything runs.
    Folders that no window would use (augmentation or the effect off) are not looked at.
    """
    for key, longest_s in (("reverb", LONGEST_RESPONSE_S), ("noise", NOISE_CHECKED_S)):
        folder = getattr(settings, f"{key}_dir")
        chance = getattr(settings, f"{key}_probability") * getattr(settings, f"{key}_dir_share")
        if folder is None or not settings.enabled or chance == 0 or settings.clean_probability == 1:
            continue
        for path in _scan(folder, f"{key}_dir"):
            samples = _read(path, f"{key}_dir", int(longest_s * _header(path, f"{key}_dir").samplerate))
            if np.abs(samples).max() < SILENT:
                raise _unusable(path, f"{key}_dir", "it is silent")


def response_files(folder: str) -> tuple[Path, ...]:
    """The audio files under `reverb_dir`, in the order of their names. Raises InputError if there are none."""
    return _scan(folder, "reverb_dir")


def noise_files(folder: str) -> tuple[Path, ...]:
    """The audio files under `noise_dir`, in the order of their names. Raises InputError if there are none."""
    return _scan(folder, "noise_dir")


@functools.lru_cache(maxsize=8)
def _scan(folder: str, key: str) -> tuple[Path, ...]:
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{folder}: there is no such folder; audio.augmentation.{key} names one.", usage=True)
    found = (path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    files = tuple(sorted(path for path in found if not path.name.startswith(".")))
    if not files:
        raise InputError(
            f"{folder}: holds no audio file (such as WAV or FLAC); audio.augmentation.{key} needs one.", usage=True
        )
    return files


@functools.lru_cache(maxsize=RESPONSES_KEPT)
def impulse_response(path: Path, channel: int, sample_rate: int) -> np.ndarray:
    """A channel of a recorded impulse response, float32 at `sample_rate`, its direct sound in the first sample."""
    rate = _header(path, "reverb_dir").samplerate
    samples = _read(path, "reverb_dir", int(LONGEST_RESPONSE_S * rate))
    response = samples[:, channel % samples.shape[1]]
    if np.abs(response).max() < SILENT:
        response = samples[:, np.abs(samples).max(axis=0).argmax()]
    if rate != sample_rate:
        response = soxr.resample(response, rate, sample_rate)
    loud = np.abs(response)
    direct = int(np.argmax(loud >= DIRECT * loud.max()))
    return response[direct:]


def read_noise(path: Path, place: float, length: int, sample_rate: int) -> np.ndarray:
    """`length` samples of a noise file, mono float32 at `sample_rate`, from a `place` that is a share of its length.

    A file that is too short is played forth and back, so that no seam clicks.
    """
    header = _header(path, "noise_dir")
    wanted = -(-length * header.samplerate // sample_rate) + 1
    start = int(place * max(0, header.frames - wanted))
    noise = _read(path, "noise_dir", wanted, start).mean(axis=1)
    if header.samplerate != sample_rate:
        noise = soxr.resample(noise, header.samplerate, sample_rate)
    if len(noise) < length:
        first = int(place * len(noise))
        return np.pad(noise, (0, first + length - len(noise)), mode="symmetric")[first:]
    return noise[:length]


@functools.lru_cache(maxsize=1024)
def _header(path: Path, key: str) -> soundfile._SoundFileInfo:
    try:
        return soundfile.info(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise _unusable(path, key, str(error)) from None


def _read(path: Path, key: str, frames: int, start: int = 0) -> np.ndarray:
    """Frames (n, channels) of a file, float32. Raises InputError if they can't be read or are no sound."""
    try:
        samples, _ = soundfile.read(path, frames=frames, start=start, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise _unusable(path, key, str(error)) from None
    if not len(samples):
        raise _unusable(path, key, "it is empty")
    if not np.isfinite(samples).all():
        raise _unusable(path, key, "it holds samples that are not numbers")
    return samples


def _unusable(path: Path, key: str, reason: str) -> InputError:
    return InputError(
        f"{path}: not a usable audio file ({reason.split(': ')[-1].rstrip('.')}); repair it or take it out of the "
        f"folder that audio.augmentation.{key} names.",
        usage=True,
    )
