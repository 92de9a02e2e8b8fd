"""What was played, taken from a recording or a MIDI file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s_lib.config import RELEASED, RELEASED_FOLDER, EvaluationConfig, TranscriptionConfig
from s2s_lib.errors import InputError
from s2s_lib.notes import read_midi
from s2s_lib.score import Wishes
from s2s_lib.transcription.result import Model, Source, Transcription
from s2s_lib.weights import DESCRIPTION, OFFSETS, WEIGHTS

if TYPE_CHECKING:
    from s2s_lib.transcribe import Transcriber

Watch = Callable[[float, float], None]  # told seconds read so far and seconds in all


def transcribe(
    audio: str | Path | np.ndarray,
    settings: TranscriptionConfig | None = None,
    *,
    sample_rate: int | None = None,
    device: str = "auto",
    title: str | None = None,
    watch: Watch | None = None,
) -> Transcription:
    """The notes and pedal of a piano recording; its score is found when it is asked for.

    audio: a file, or an array of shape (samples,) or (samples, channels) with its `sample_rate`. The model that
    `settings` name is loaded once, however many recordings follow each other. `watch` is called as the work goes on.
    Raises InputError for a recording that is unreadable, silent, or without a note of a piano.
    """
    from s2s_lib.data import AudioStream  # takes a second to import

    settings = settings or TranscriptionConfig()
    transcriber = load_transcriber(settings.model_path, device)
    stream = AudioStream(audio, transcriber.sample_rate, sample_rate, watch)
    evaluation = EvaluationConfig(onset_threshold=settings.onset_threshold)
    performance = transcriber.transcribe(stream, evaluation=evaluation)
    if not performance.notes:
        if stream.silent:
            raise InputError(f"{stream.name}: is silent; check the recording's level.")
        raise InputError(
            f"{stream.name}: no piano is heard in it; name a recording of one, or lower the onset threshold."
        )
    path = Path("recording" if isinstance(audio, np.ndarray) else audio)
    source = Source(printable(path.name), audio, sample_rate)
    return Transcription(
        performance, printable(title or path.stem), source, wishes(settings), used_model(settings.model_path)
    )


def read_performance(
    path: str | Path, settings: TranscriptionConfig | None = None, *, title: str | None = None
) -> Transcription:
    """The performance of a MIDI file, which needs a score alone. Raises InputError as `read_midi` does."""
    path, score_wishes = Path(path), wishes(settings or TranscriptionConfig())
    return Transcription(read_midi(path), printable(title or path.stem), Source(printable(path.name)), score_wishes)


def printable(text: str) -> str:
    """The text with a sign in the place of what no file or terminal takes: control characters, bytes of no UTF-8."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def wishes(settings: TranscriptionConfig) -> Wishes:
    """What the settings say of the score, in the place of what would be found."""
    metre = settings.time_signature and tuple(map(int, settings.time_signature.split("/")))
    smallest = settings.smallest_note and Fraction(settings.smallest_note)
    return Wishes(settings.tempo_bpm, metre, settings.key_signature, smallest, settings.pedal)


def model_folder(model_path: str | None) -> Path:
    """The folder that holds the model of this name; None and 'released' mean the one that comes with the package."""
    return RELEASED_FOLDER if model_path in (None, RELEASED) else Path(model_path).expanduser().absolute()


def load_transcriber(model_path: str | None, device: str) -> Transcriber:
    """The model of this name (see `model_folder`) on a device, loaded once. Raises InputError if it can't be used."""
    folder = model_folder(model_path)
    return _load(folder, device, _changed_ns(folder))


@lru_cache(maxsize=1)
def _load(folder: Path, device: str, _changed_ns: tuple[int, ...]) -> Transcriber:
    from s2s_lib.transcribe import Transcriber  # imports torch

    return Transcriber.load(folder, device)


def used_model(model_path: str | None) -> Model:
    """What a transcription says of the model that made it."""
    folder = model_folder(model_path)
    name = RELEASED if folder == RELEASED_FOLDER else str(folder)
    return Model(name, _sha256(folder / WEIGHTS, _changed_ns(folder)))


@lru_cache(maxsize=1)
def _sha256(path: Path, _changed_ns: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _changed_ns(folder: Path) -> tuple[int, ...]:
    """When the folder's files were written last; 0 for one that is not there, and loading them tells if it must be."""
    files = (folder / name for name in (DESCRIPTION, WEIGHTS, OFFSETS))
    return tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)
