"""Pieces to learn from when a model is trained: on disk or made while training, and no more of them than is of use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from s2s_lib.config import Config
from s2s_lib.data.manifest import Sample, load_manifests
from s2s_lib.data.recipe import TRAIN, Recipe, Studio
from s2s_lib.data.stream import TRIAL_EPOCH, streamed
from s2s_lib.notes import Performance
from s2s_lib.offsets import AROUND_S

VALIDATION = "val"
EACH_S = 60.0  # of music for each piece asked for; composed ones are shorter, recordings may last an hour
BEYOND_S = AROUND_S  # heard after a passage: a key release is told by what follows it
SEARCHED_S = 5.0  # the last seconds of a passage, in which it may end


@dataclass(frozen=True, eq=False)
class Passage:
    """A piece, or its beginning if it is long: what was played, and its sound, mono float32 of shape (samples,).

    Of a long piece only notes that begin before `end_s` are to be judged, and those only up to there; the sound goes
    on a little, so that they are heard as in the whole piece. `truth` is always whole.
    """

    truth: Performance
    audio: np.ndarray
    sample_rate: int
    end_s: float = np.inf


Sound = Callable[[float | None], np.ndarray]  # the first so many seconds, or all


def training_pieces(config: Config, most: int, sample_rate: int) -> list[Callable[[], Passage]]:
    """The first pieces of the training split, at most so many; where it streams, some that no epoch hears.

    Each is made at `sample_rate`, or read at its own. Together they last `most` minutes or less: where there are so
    many, a minute of each; where there are fewer, longer passages.
    """
    if not config.dataset.stream:
        return _on_disk(load_manifests(config.output.data)[TRAIN].samples, most)
    studio, count = Studio(config), min(most, config.dataset.split_sizes()[TRAIN])
    share_s = _share_s(most, count)
    recipes = [streamed(studio, TRIAL_EPOCH, piece) for piece in range(count)]
    return [partial(_play, recipe, sample_rate, share_s) for recipe in recipes]


def validation_pieces(config: Config, most: int) -> list[Callable[[], Passage]]:
    """The first pieces of the validation split, at most so many, and `most` minutes or less of them."""
    return _on_disk(load_manifests(config.output.data)[VALIDATION].samples, most)


def _on_disk(samples: Sequence[Sample], most: int) -> list[Callable[[], Passage]]:
    chosen = samples[:most]
    return [partial(_read, sample, _share_s(most, len(chosen))) for sample in chosen]


def _share_s(most: int, pieces: int) -> float:
    """How long each may be heard."""
    return EACH_S * most / max(pieces, 1)


def _read(sample: Sample, most_s: float) -> Passage:
    return _passage(sample.performance(), sample.duration_s, sample.waveform, sample.sample_rate, most_s)


def _play(recipe: Recipe, sample_rate: int, most_s: float) -> Passage:
    take = recipe.take()
    truth = take.piece.performance

    def sound(seconds: float | None) -> np.ndarray:
        return take.waveform(truth, sample_rate)[: None if seconds is None else round(seconds * sample_rate)]

    return _passage(truth, take.duration_s, sound, sample_rate, most_s)


def _passage(truth: Performance, duration_s: float, sound: Sound, sample_rate: int, most_s: float) -> Passage:
    if duration_s <= most_s:
        return Passage(truth, sound(None), sample_rate)
    end_s = _pause_s(truth, most_s)
    return Passage(truth, sound(end_s + BEYOND_S), sample_rate, end_s)


def _pause_s(truth: Performance, latest_s: float) -> float:
    """A moment in the last seconds before `latest_s` that lies as far as can be from all onsets."""
    earliest_s = latest_s - SEARCHED_S
    inside = [note.onset_s for note in truth.notes if earliest_s < note.onset_s < latest_s]
    start_s, end_s = max(pairwise([earliest_s, *inside, latest_s]), key=lambda gap: gap[1] - gap[0])
    return (start_s + end_s) / 2
