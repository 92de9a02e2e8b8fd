"""Transcriptions without a model: a composed piece as if it had been heard, and one whose score is the true one."""

from __future__ import annotations

import numpy as np

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import Performance, Piece
from s2s_lib.score import Wishes
from s2s_lib.targets import Thresholds, encode
from s2s_lib.transcribe import Probabilities
from s2s_lib.transcription import Transcription
from s2s_lib.transcription.listening import Heard
from s2s_lib.transcription.result import Model, Source

RATE, FRAME_S = 16000, 0.02
PLAIN = {"complexity": "simple", "min_notes": 40, "max_notes": 60, "min_duration": 10.0, "max_duration": 14.0}


def composed(seed: int = 1, **limits: object) -> Piece:
    return compose(np.random.default_rng(seed), DatasetConfig(**(PLAIN | limits)))


def tone(seconds: float, hz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def heard_as(performance: Performance, title: str = "A <piece> & more") -> Heard:
    """As if a perfect model had heard a performance; its sound is a tone of that length."""
    frames = int(performance.end_s / FRAME_S) + 10
    grid = encode(performance, 0.0, frames, FRAME_S)
    probabilities = Probabilities(grid, FRAME_S, Thresholds(), frames * FRAME_S)
    return Heard(title, "a piece.flac", tone(frames * FRAME_S), RATE, probabilities, Model("released", "0123"))


def with_score(piece: Piece, title: str = "A <piece> & more") -> Transcription:
    """A transcription whose score is the true one."""
    transcription = Transcription(piece.performance, title, Source("a piece.flac"), Wishes())
    vars(transcription)["_piece"] = piece
    return transcription
