"""What the tests of the report share: an evaluation and a training made up, and what a figure says and looks like."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
from matplotlib.text import Text

from s2s_lib import metrics
from s2s_lib.config import Config
from s2s_lib.evaluate import Evaluation, SampleResult, Source
from s2s_lib.notes import Note, PedalEvent, Performance
from s2s_lib.report import Picture
from s2s_lib.train import History

RATE = 16000
REF = Performance(
    tuple(Note(0.5 * i, 0.5 * i + 0.4, 48 + 2 * i, 40 + 5 * i) for i in range(12)),
    (PedalEvent(0.1, 127), PedalEvent(2.0, 0)),
)
EST = Performance(
    (
        *(replace(n, onset_s=n.onset_s + 0.01) for n in REF.notes[:9]),
        replace(REF.notes[9], pitch=REF.notes[9].pitch + 12),
        Note(7.0, 7.5, 90, 60),
    )
)
HISTORY = History(
    epochs=[
        {
            "epoch": i,
            "train_loss": 1 / i,
            "val_loss": abs(i - 2) + 0.5,
            "val_onset": 0.3 / i,
            "val_velocity": 0.2 / i,
            "val_onset_f1": 0.2 * i,
            "val_onset_offset_key_f1": 0.1 * i,
            "learning_rate": 1e-4 / i,
            "grad_norm": 2.0,
            "steps": 10 * i,
            "seconds": 12.0,
            "waited_seconds": 1.5,
            "audio_seconds_per_second": 30.0,
            "loader_audio_seconds_per_second": 77.0,
        }
        for i in (1, 2, 3)
    ]
)


def tone(seconds: float = 12.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def evaluation(*performances: tuple[Performance, Performance], kinds: tuple[str, ...] = ("test split",)) -> Evaluation:
    """An Evaluation of (ref, est) pairs, their kinds of source taken in turn."""
    config = Config()
    samples = []
    for number, (ref, est) in enumerate(performances):
        source = Source(f"piece_{number}", kinds[number % len(kinds)], ref, RATE, tone)
        samples.append(
            SampleResult(
                source=source,
                est=est,
                pairs=metrics.match(ref.notes, est.notes, config.evaluation),
                duration_s=12.0,
                scores=metrics.score(ref, est, config.evaluation),
                confusion=metrics.confusion(ref, est, config.evaluation),
                over_time=metrics.over_time(ref, est, config.evaluation),
                real_time_factor=10.0,
            )
        )
    return Evaluation(config, Path("model"), "cpu", tuple(samples))


EVALUATION = evaluation((REF, EST), (REF, REF), kinds=("test split", "midi"))
EMPTY = evaluation((REF, Performance(())))


def pixels(figure: Picture) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(figure.png()))


def texts(figure: Any) -> str:
    """All words in a figure."""
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(Text))
