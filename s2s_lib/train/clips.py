"""A few validation clips transcribed after each epoch: F1 as it grows, and the same notes as they get better."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2s_lib import metrics
from s2s_lib.config import EvaluationConfig
from s2s_lib.data import AudioStream, Manifest
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.model import TranscriptionModel
from s2s_lib.notes import Note, Performance, until
from s2s_lib.transcribe import Transcriber

FILE = "training_clips.json"
CLIP_S = 10.0  # the beginning of a piece
SHOWN = 2  # clips whose notes are kept
DIGITS = 4  # of a time in seconds


@dataclass
class Examples:
    """What was played in the first clips, and by epoch what was heard in each of them."""

    names: list[str] = field(default_factory=list)
    played: list[Performance] = field(default_factory=list)
    heard: dict[int, list[Performance]] = field(default_factory=dict)

    def add(self, epoch: int, heard: list[Performance]) -> None:
        """Keeps an epoch's notes, and of the earlier ones those of epochs 1, 2, 3, 4, 6, 8, 12, 16 and so on."""
        self.heard = {known: notes for known, notes in self.heard.items() if known < epoch and _is_kept(known)}
        self.heard[epoch] = heard

    def save(self, run_dir: Path) -> None:
        """Writes training_clips.json."""
        clips = [{"id": n, "played": _rows(p)} for n, p in zip(self.names, self.played, strict=True)]
        heard = [{"epoch": epoch, "heard": [_rows(p) for p in played]} for epoch, played in self.heard.items()]
        write_json(run_dir / FILE, {"columns": ["onset_s", "offset_s", "pitch", "velocity"], "clips": clips,
                                    "epochs": heard})  # fmt: skip

    @classmethod
    def load(cls, run_dir: Path) -> Examples:
        """Reads training_clips.json; without one there are no examples. Raises InputError if it is unreadable."""
        path = run_dir / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                [clip["id"] for clip in content["clips"]],
                [_performance(clip["played"]) for clip in content["clips"]],
                {epoch["epoch"]: [_performance(rows) for rows in epoch["heard"]] for epoch in content["epochs"]},
            )
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not readable ({error}); remove it, the training writes another.") from None


class Clips:
    """The first validation pieces with audio, `count` of them, and at most their first ten seconds."""

    def __init__(self, validation: Manifest, count: int, evaluation: EvaluationConfig):
        samples = [sample for sample in validation.samples if sample.audio is not None][:count]
        self.names = [sample.id for sample in samples]
        self.played = [Performance(until(sample.performance().notes, CLIP_S)) for sample in samples]
        self._sounds = [sample.waveform(CLIP_S) for sample in samples]
        self._rate, self._evaluation = validation.sample_rate, evaluation

    def hear(self, model: TranscriptionModel, device: torch.device) -> list[Performance]:
        """The clips as the model transcribes them now. Leaves it in evaluation mode; nothing random is drawn."""
        transcriber = Transcriber(model, device)
        streams = [AudioStream(sound, transcriber.sample_rate, self._rate) for sound in self._sounds]
        return [transcriber.transcribe(stream, evaluation=self._evaluation) for stream in streams]

    def scores(self, heard: Sequence[Performance]) -> dict[str, float]:
        """Mean F1 over the clips of onsets, and of onsets with offsets (key release), by the history's names."""
        found: dict[str, float] = {}
        for name, offsets in (("onset", False), ("onset_offset_key", True)):
            pairs = list(zip(self.played, heard, strict=True))
            values = [f1(played, notes, self._evaluation, offsets) for played, notes in pairs]
            found |= {f"val_{name}_f1": float(np.mean(values))} if values else {}
        return found

    def examples(self, run_dir: Path) -> Examples:
        """What the run kept of these clips in earlier epochs; nothing if it kept others."""
        try:
            known = Examples.load(run_dir)
        except InputError:
            known = Examples()  # a lost picture is no reason to refuse training
        names, played = self.names[:SHOWN], self.played[:SHOWN]
        return Examples(names, played, known.heard if known.names == names else {})


def f1(played: Performance, heard: Performance, evaluation: EvaluationConfig, offsets: bool = False) -> float:
    """Note-level F1 of what was heard, 0 where there are no notes at all; with `offsets` by key release too."""
    matched = len(metrics.match(played.notes, heard.notes, evaluation, offsets))
    return metrics.Counts(matched, len(played.notes), len(heard.notes)).f1


def _is_kept(epoch: int) -> bool:
    """Whether an epoch is a power of two, or three times one: half as many again from one to the next."""
    odd = epoch // (epoch & -epoch)
    return odd in (1, 3)


def _rows(performance: Performance) -> list[list[Any]]:
    return [[round(n.onset_s, DIGITS), round(n.offset_s, DIGITS), n.pitch, n.velocity] for n in performance.notes]


def _performance(rows: list[list[Any]]) -> Performance:
    return Performance(tuple(Note(*row) for row in rows))
