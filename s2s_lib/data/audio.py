"""Audio files in and out."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
LEVEL, MOST_GAIN = 0.9, 110.0  # peak to which music is brought, whoever recorded it; but hiss is not made music of
LOUDEST = 100.0  # full scale is 1, and headroom takes a recording to 10 or so; beyond lie 16-bit numbers and damage
FULL_SCALE, CLIPPED = 0.999, 1e-3  # a recording with more than this share of its samples at full scale is clipped
MOST_CHANNELS = 64  # an array with more has its axes swapped


def level_gain(peak: float) -> np.float32:
    """By how much to multiply a recording with this peak, so that a model hears all at one level."""
    return np.float32(min(LEVEL / max(peak, SILENCE), MOST_GAIN))


class AudioStream:
    """Audio of any rate, length and number of channels, read block by block; an hour of it never lies in memory.

    audio: a file, or an array of shape (samples,) or (samples, channels): floats of full scale 1, or signed integers
    of the full scale of their type; `own_rate` is an array's sample rate, and `name` what messages call it. Channels
    are averaged. Iterating gives mono float32 blocks at `sample_rate`, together what the whole would be resampled to.
    Each time more is read, `watch` is told how many seconds of how many were. Raises InputError for audio that is
    missing, unreadable or not a number somewhere.
    """

    def __init__(
        self,
        audio: str | Path | np.ndarray,
        sample_rate: int,
        own_rate: int | None = None,
        watch: Callable[[float, float], None] | None = None,
        name: str = "the audio array",
    ):
        self.audio, self.sample_rate, self.own_rate, self.watch = audio, sample_rate, own_rate, watch
        self.name = name if isinstance(audio, np.ndarray) else str(audio)
        self.samples = 0  # given so far
        self.peak = 0.0  # of the mono samples so far
        self.full_scale = 0.0  # share of the samples that are at full scale, once all are read

    def __iter__(self) -> Iterator[np.ndarray]:
        read = clipped = 0
        with ExitStack() as opened:
            rate, length, blocks = self._source(opened)
            stream = None
            if rate != self.sample_rate:
                stream = soxr.ResampleStream(rate, self.sample_rate, 1, dtype="float32")
            for block in blocks:
                self._check(block, read, rate)
                clipped += np.count_nonzero(np.abs(block) >= FULL_SCALE) / block.shape[1]
                read += len(block)
                if self.watch is not None:
                    self.watch(read / rate, length / rate)
                mono = block.mean(axis=1, dtype=np.float32)
                self.peak = max(self.peak, float(np.abs(mono).max(initial=0)))
                yield self._given(mono if stream is None else stream.resample_chunk(mono))
            if stream is not None:
                yield self._given(stream.resample_chunk(np.zeros(0, np.float32), last=True))
            self.full_scale = clipped / max(read, 1)

    def loudest(self) -> float:
        """Peak of the mono samples at the recording's own rate; reads all of it, and tells `watch` nothing."""
        with ExitStack() as opened:
            blocks = self._source(opened)[2]
            peaks = (np.abs(block.mean(axis=1, dtype=np.float64)).max(initial=0) for block in blocks)
            return float(max(peaks, default=0.0))

    @property
    def silent(self) -> bool:
        """Whether nothing was heard so far."""
        return self.peak < SILENCE

    @property
    def clipped(self) -> bool:
        """Whether so much of it is at full scale that it was recorded too loud."""
        return self.full_scale > CLIPPED

    def _given(self, mono: np.ndarray) -> np.ndarray:
        self.samples += len(mono)
        return mono

    def _source(self, opened: ExitStack) -> tuple[int, int, Iterator[np.ndarray]]:
        """Sample rate, length in samples, and blocks."""
        return self._array() if isinstance(self.audio, np.ndarray) else self._file(opened)

    def _file(self, opened: ExitStack) -> tuple[int, int, Iterator[np.ndarray]]:
        """Sample rate, length in samples, and blocks of a file."""
        if self.own_rate is not None:
            raise InputError(f"{self.name}: a file says its own sample rate; leave sample_rate out.")
        file = opened.enter_context(opened_audio(as_path(self.audio)))
        return file.samplerate, file.frames, file.blocks(BLOCK, dtype="float32", always_2d=True)

    def _array(self) -> tuple[int, int, Iterator[np.ndarray]]:
        """Sample rate, length in samples, and blocks of an array."""
        audio = self.audio
        if not self.own_rate or self.own_rate < 0:
            raise InputError(f"{self.name} needs its sample rate; give it as sample_rate, in samples per second.")
        if audio.ndim not in (1, 2) or audio.shape[1:] > (MOST_CHANNELS,) or audio.dtype.kind not in "fi":
            raise InputError(
                f"{self.name}: is of shape {audio.shape} and type {audio.dtype}; give floats or signed integers of "
                "shape (samples,) or (samples, channels)."
            )
        full_scale = -float(np.iinfo(audio.dtype).min) if audio.dtype.kind == "i" else 1.0
        columns = audio.reshape(len(audio), -1) if audio.size else np.zeros((0, 1))
        starts = range(0, len(columns), BLOCK)
        return self.own_rate, len(columns), (columns[start : start + BLOCK] / full_scale for start in starts)

    def _check(self, block: np.ndarray, first: int, rate: int) -> None:
        """Raises InputError if the block, (samples, channels) from sample `first` on, is no sound."""
        sound = (np.abs(block) <= LOUDEST).all(axis=1)
        if sound.all():
            return
        row = int(np.argmin(sound))
        at_s = (first + row) / rate
        worst = block[row][~(np.abs(block[row]) <= LOUDEST)][0]
        if np.isfinite(worst):
            raise InputError(
                f"{self.name}: has a sample of {worst:.3g} at {at_s:.2f} s; floats of audio lie between -1 and 1, so "
                "divide it by its full scale."
            )
        raise InputError(f"{self.name}: holds samples that are not numbers, from {at_s:.2f} s on; export it again.")


def read_audio(path: str | Path, sample_rate: int) -> np.ndarray:
    """Reads an audio file of any rate and number of channels as mono at `sample_rate`.

    Returns float32 of shape (samples,). Raises InputError for a file that is missing, unreadable, empty, shorter
    than 0.1 s, silent, or not a number somewhere.
    """
    stream = AudioStream(path, sample_rate)
    waveform = np.concatenate([np.zeros(0, np.float32), *stream])
    if len(waveform) < SHORTEST_S * sample_rate:
        seconds = len(waveform) / sample_rate
        raise InputError(f"{path}: holds {seconds:.3f} s of audio; at least {SHORTEST_S} s are needed.")
    if stream.silent:
        raise InputError(f"{path}: is silent; check the recording's level.")
    return waveform


@contextmanager
def opened_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """An audio file, open; what libsndfile does not know goes through ffmpeg, where that is installed.

    The `name` of such a file is another than its path. Raises InputError for one that is missing or unreadable.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such audio file.")
    if isinstance(path, Path) and not path.stat().st_size:
        raise InputError(f"{path}: not a readable audio file (it is empty); record or copy it again.")
    try:
        with ExitStack() as opened:
            source = opened.enter_context(readable(path))
            try:
                file = soundfile.SoundFile(source)
            except soundfile.SoundFileError as error:
                file = soundfile.SoundFile(opened.enter_context(_decoded(path, _reason(error))))
            yield opened.enter_context(file)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path}: not a readable audio file ({_reason(error)}).") from None


@contextmanager
def _decoded(path: Path, reason: str) -> Iterator[Path]:
    """A FLAC file that ffmpeg made of an audio or video file; `reason` is why libsndfile did not read it."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise InputError(
            f"{path}: not a readable audio file ({reason}); convert it to WAV, FLAC, OGG or MP3, or install ffmpeg, "
            "with which M4A and others are read too."
        )
    with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
        target = Path(scratch) / "audio.flac"
        # a playlist taken for audio must not reach into the network
        source = ["-protocol_whitelist", "file", "-i", f"file:{path}", "-map", "0:a:0"]
        command = [ffmpeg, "-v", "error", "-nostdin", *source, str(target)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise InputError(f"{path}: not a readable audio file ({reason}; ffmpeg: {lines[-1].rstrip('.')}).")
        yield target


def read_segment(path: Path, start: int, length: int, sample_rate: int) -> np.ndarray:
    """`length` samples from `start` at `sample_rate`, mono float32; zeros where a dataset's file has none.

    Raises InputError also for a file that ffmpeg would have to decode, which takes too long for a segment.
    """
    try:
        with readable(path) as source, soundfile.SoundFile(source) as file:
            return segment_of(file, start, length, sample_rate)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(
            f"{path}: the dataset's audio is missing or damaged ({_reason(error)}); make the dataset again."
        ) from None


def segment_of(file: soundfile.SoundFile, start: int, length: int, sample_rate: int) -> np.ndarray:
    """`length` samples of an open file from `start` at `sample_rate`, mono float32; zeros where the file has none.

    A file of another rate is resampled around the segment only, and gives the samples that it would give as a whole.
    """
    if file.samplerate == sample_rate:
        return _read(file, start, length)
    common = math.gcd(file.samplerate, sample_rate)
    ours, theirs = sample_rate // common, file.samplerate // common  # samples in a block that both rates share
    margin = math.ceil(RESAMPLING_MARGIN_S * sample_rate / ours)
    first, last = start // ours - margin, -(-(start + length) // ours) + margin
    around = _read(file, first * theirs, (last - first) * theirs)
    inside = start - first * ours
    return soxr.resample(around, file.samplerate, sample_rate)[inside : inside + length]


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
    reason = str(error).split(": ")[-1].rstrip(".")
    # what it says of a file that is there, and no MP3 in spite of its ending
    return "Format not recognised" if reason.startswith("File does not exist") else reason


def write_flac(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Writes a mono waveform as 16-bit FLAC."""
    with atomic_path(path) as temporary:
        soundfile.write(temporary, waveform, sample_rate, subtype="PCM_16", format="FLAC")
