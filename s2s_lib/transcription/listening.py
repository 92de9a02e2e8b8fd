"""A recording heard once, and its score written as often as a person changes their mind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.config import EMBEDDED_SOUNDFONT, Config, EvaluationConfig, TranscriptionConfig
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.transcription.recording import load_transcriber, printable, used_model, wishes
from s2s_lib.transcription.result import Model, Source, Transcription

if TYPE_CHECKING:
    from s2s_lib.transcribe import Probabilities  # imports torch

BUILT_IN_TITLE, BUILT_IN_NAME = "Prelude in C major, BWV 846", "bwv846"


@dataclass(frozen=True)
class Heard:
    """A recording and the model's probabilities for it.

    waveform: mono, (samples,), at `sample_rate`; `name` is that of the recording's file; `model` is the one that heard
    it.
    """

    title: str
    name: str
    waveform: np.ndarray
    sample_rate: int
    probabilities: Probabilities
    model: Model

    def transcription(self, settings: TranscriptionConfig) -> Transcription:
        """The notes that these settings let through, and their score when asked for; nothing is heard again."""
        performance = self.probabilities.notes(settings.onset_threshold)
        source = Source(self.name, self.waveform, self.sample_rate)
        return Transcription(performance, self.title, source, wishes(settings), self.model)


def hear(config: Config, audio: str | Path | None = None) -> Heard:
    """Listens to a recording, or without one to Bach's prelude BWV 846 as the embedded soundfont plays it.

    Raises InputError for a recording that can't be read, is silent or empty, and for a model that can't be used.
    """
    from s2s_lib.data import read_audio  # takes a second to import

    transcriber = load_transcriber(config.transcription.model_path, config.model.device)
    rate = transcriber.sample_rate
    if audio is None:
        piano = Piano.plain(find_soundfonts([EMBEDDED_SOUNDFONT])[0])
        title, name, waveform = BUILT_IN_TITLE, BUILT_IN_NAME, render(bwv846().performance, piano, rate)
    else:
        path = Path(audio)
        title, name, waveform = printable(path.stem), printable(path.name), read_audio(audio, rate)
    probabilities = transcriber.hear(waveform, rate, EvaluationConfig())
    return Heard(title, name, waveform, rate, probabilities, used_model(config.transcription.model_path))
