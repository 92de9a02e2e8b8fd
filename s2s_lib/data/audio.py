"""Audio files in and out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from s2s_lib.errors import InputError
from s2s_lib.files import as_path, atomic_path, readable

SHORTEST_S = 0.1
RESAMPLING_MARGIN_S = 0.05  # longer than the resampler's filter reaches
BLOCK = 2**18  # samples of each channel read at once
SILENCE = 1e-4  # peak below which (-80 dB of full scale) a recording is taken for silent


def read_audio(path: str | Path, sample_rate: int) -> np.ndarray:
    """Reads an audio file of any rate and number of channels as mono at `sample_rate`.

    Returns float32 of shape (samples,). Raises InputError for a file that is missing, unreadable, empty, shorter
    than 0.1 s, silent, or not a number somewhere.
    """
    path = as_path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such audio file.")
    try:
        with readable(path) as source, soundfile.SoundFile(source) as file:
            if file.frames < SHORTEST_S * file.samplerate:
                seconds = file.frames / file.samplerate
                raise InputError(f"{path}: holds {seconds:.3f} s of audio; at least {SHORTEST_S} s are needed.")
            waveform = np.concatenate(list(mono_blocks(file, sample_rate)))
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path}: not a readable audio file ({_reason(error)}).") from None
    if not np.isfinite(waveform).all():
        raise InputError(f"{path}: holds samples that are not numbers; export it again.")
    if np.abs(waveform).max() < SILENCE:
        raise InputError(f"{path}: is silent; check the recording's level.")
    return waveform


def mono_blocks(file: soundfile.SoundFile, sample_rate: int) -> Iterator[np.ndarray]:
    """An open file from its start as mono blocks at `sample_rate`, float32; an hour of stereo never lies in memory."""
    stream = None
    if file.samplerate != sample_rate:
        stream = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32")
    for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
        mono = block.mean(axis=1)
        yield mono if stream is None else stream.resample_chunk(mono)
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def read_segment(path: Path, start: int, length: int, sample_rate: int) -> np.ndarray:
    """`length` samples from `start` at `sample_rate`, mono float32; zeros where the file has none.

    A file of another rate is resampled around the segment only, and gives the samples that it would give as a whole.
    """
    try:
        with readable(path) as source, soundfile.SoundFile(source) as file:
            if file.samplerate == sample_rate:
                return _read(file, start, length)
            common = math.gcd(file.samplerate, sample_rate)
            ours, theirs = sample_rate // common, file.samplerate // common  # samples in a block that both rates share
            margin = math.ceil(RESAMPLING_MARGIN_S * sample_rate / ours)
            first, last = start // ours - margin, -(-(start + length) // ours) + margin
            around = _read(file, first * theirs, (last - first) * theirs)
            inside = start - first * ours
            return soxr.resample(around, file.samplerate, sample_rate)[inside : inside + length]
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(
            f"{path}: the dataset's audio is missing or damaged ({_reason(error)}); make the dataset again."
        ) from None


def _read(file: soundfile.SoundFile, start: int, length: int) -> np.ndarray:
    """`length` samples from `start` at the file's own rate, its channels averaged; zeros where it has none."""
    segment = np.zeros(length, np.float32)
    first, last = max(0, start), min(file.frames, start + length)
    if last > first:
        file.seek(first)
        part = file.read(last - first, dtype="float32", always_2d=True).mean(axis=1)
        segment[first - start : first - start + len(part)] = part
    return segment


def _reason(error: Exception) -> str:
    """What libsndfile says, without the path and the full stop."""
    return str(error).split(": ")[-1].rstrip(".")


def write_flac(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Writes a mono waveform as 16-bit FLAC."""
    with atomic_path(path) as temporary:
        soundfile.write(temporary, waveform, sample_rate, subtype="PCM_16", format="FLAC")
