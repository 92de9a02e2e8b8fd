"""Audio files in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from s2s_lib.errors import InputError
from s2s_lib.files import atomic_path

SHORTEST_S = 0.1
SILENCE = 1e-4  # peak below which (-80 dB of full scale) a recording is taken for silent


def read_audio(path: str | Path, sample_rate: int) -> np.ndarray:
    """Reads an audio file of any rate and number of channels as mono at `sample_rate`.

    Returns float32 of shape (samples,). Raises InputError for a file that is missing, unreadable, empty, shorter
    than 0.1 s, silent, or not a number somewhere.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such audio file.")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path}: not a readable audio file ({_reason(error)}).") from None
    if len(samples) < SHORTEST_S * rate:
        raise InputError(f"{path}: holds {len(samples) / rate:.3f} s of audio; at least {SHORTEST_S} s are needed.")
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds samples that are not numbers; export it again.")
    if np.abs(samples).max() < SILENCE:
        raise InputError(f"{path}: is silent; check the recording's level.")
    mono = samples.mean(axis=1)
    return mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate)


def read_segment(path: Path, start: int, length: int) -> np.ndarray:
    """`length` samples from `start` of a mono file, float32; zeros where the file has none."""
    segment = np.zeros(length, np.float32)
    try:
        with soundfile.SoundFile(path) as file:
            first, last = max(0, start), min(file.frames, start + length)
            if last > first:
                file.seek(first)
                segment[first - start : last - start] = file.read(last - first, dtype="float32")
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(
            f"{path}: the dataset's audio is missing or damaged ({_reason(error)}); generate it again."
        ) from None
    return segment


def _reason(error: Exception) -> str:
    """What libsndfile says, without the path and the full stop."""
    return str(error).split(": ")[-1].rstrip(".")


def write_flac(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Writes a mono waveform as 16-bit FLAC."""
    with atomic_path(path) as temporary:
        soundfile.write(temporary, waveform, sample_rate, subtype="PCM_16", format="FLAC")
