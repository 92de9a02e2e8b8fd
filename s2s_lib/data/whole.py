"""Whole pieces to learn from, whether they lie on disk or are made while training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from s2s_lib.config import Config
from s2s_lib.data.manifest import Sample, load_manifests
from s2s_lib.data.recipe import TRAIN, Recipe, Studio
from s2s_lib.data.stream import TRIAL_EPOCH, streamed
from s2s_lib.notes import Performance

Sounding = tuple[Performance, np.ndarray, int]  # a piece, its audio, mono float32 of shape (samples,), and its rate


def training_pieces(config: Config, most: int, sample_rate: int) -> list[Callable[[], Sounding]]:
    """The first pieces of the training split, at most so many; where it streams, some that no epoch hears.

    Each is made at `sample_rate`, or read at its own, when it is called.
    """
    if not config.dataset.stream:
        return [partial(_read, sample) for sample in load_manifests(config.output.data)[TRAIN].samples[:most]]
    studio, count = Studio(config), min(most, config.dataset.split_sizes()[TRAIN])
    return [partial(_play, streamed(studio, TRIAL_EPOCH, piece), sample_rate) for piece in range(count)]


def _read(sample: Sample) -> Sounding:
    return sample.performance(), sample.waveform(), sample.sample_rate


def _play(recipe: Recipe, sample_rate: int) -> Sounding:
    take = recipe.take()
    return take.piece.performance, take.waveform(take.piece.performance, sample_rate), sample_rate
