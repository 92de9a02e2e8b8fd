"""Endless training data: pieces composed and played while training, nothing of them on disk.

A window alone would cost the rendering of all that sounds before it, so pieces are made whole and their windows
handed out in groups: some minutes of music, shuffled, a few batches each.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from s2s_lib.config import Config
from s2s_lib.data.manifest import SPLITS
from s2s_lib.data.recipe import TRAIN, Recipe, Studio, Take
from s2s_lib.data.windows import ALTERATION, ORDER, PHASE, Cutter, Item, WindowShape
from s2s_lib.errors import InputError
from s2s_lib.notes import Timeline

GROUP_S = 300.0  # music per group: enough to mix, and some 40 MB in memory
TRIAL = 32  # pieces composed beforehand to learn how long they get
TRIAL_EPOCH = 0  # training counts its epochs from 1
STREAM = len(SPLITS)  # where a sample on disk has its split's number in its seed


class Stream:
    """Groups of training windows; `stream[epoch, index]` has arrays of shape (windows, ...), in shuffled order.

    Every epoch hears as many new pieces as `dataset.samples` gives the training split, and as many windows as would
    cover each once. All groups hold equally many, and there are a multiple of `processes` of them if there are
    pieces enough. A group depends on the seeds, the epoch and its index alone.
    Raises InputError for pianos or MIDI files that are of no use.
    """

    def __init__(self, config: Config, shape: WindowShape, sample_rate: int, processes: int = 1):
        dataset, training = config.dataset, config.training
        self.pieces = dataset.split_sizes()[TRAIN]
        if not self.pieces:
            raise InputError(
                "dataset.samples leaves no piece to train on; raise it or dataset.train_split.", usage=True
            )
        if not dataset.synthesize_audio:
            raise InputError("dataset.stream needs sound; set dataset.synthesize_audio true.", usage=True)
        self._studio, self._seed = Studio(config), training.seed
        self._cut = Cutter(shape, sample_rate, config.audio.augmentation)
        trial = min(TRIAL, self.pieces)
        lengths = np.array([streamed(self._studio, TRIAL_EPOCH, piece).take().duration_s for piece in range(trial)])
        most = self.pieces // processes * processes or self.pieces
        self._groups = min(most, processes * max(1, round(self.pieces * lengths.mean() / GROUP_S / processes)))
        expected = self.pieces / self._groups * np.ceil(lengths / shape.span_s).mean()
        self.batch_size = training.batch_size
        self.batches_per_item = max(1, round(expected / self.batch_size))
        whole = self.batches_per_item * self.batch_size
        self._windows = whole if expected >= self.batch_size else max(1, round(expected))
        self.windows_per_epoch = self._groups * self._windows

    @property
    def soundfonts(self) -> dict[str, str]:
        """The pianos that are heard: SHA-256 to file name."""
        return {font.sha256: font.name for font in self._studio.heard}

    def __len__(self) -> int:
        return self._groups

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        bounds = np.linspace(0, self.pieces, self._groups + 1).round().astype(int)
        pieces = range(bounds[index], bounds[index + 1])
        takes = [streamed(self._studio, epoch, piece).take() for piece in pieces]
        counts = share_out(self._windows, [take.duration_s for take in takes])
        places = np.random.default_rng((self._seed, epoch, index, 0, ORDER)).permutation(self._windows)
        group: Item = {}
        filled = 0
        for piece, take, count in zip(pieces, takes, counts, strict=True):
            for item in self._windows_of(take, epoch, piece, count):
                if not group:
                    group = {name: np.empty((self._windows, *array.shape), array.dtype) for name, array in item.items()}
                for name, array in item.items():
                    group[name][places[filled]] = array
                filled += 1
        return group

    def _windows_of(self, take: Take, epoch: int, piece: int, count: int) -> list[Item]:
        """`count` windows at equal distances, their phase random; the middle of each lies within the recording."""
        if not count:
            return []
        waveform = take.waveform(take.piece.performance, self._cut.sample_rate)
        timeline = Timeline(take.piece.performance)
        phase = np.random.default_rng((self._seed, epoch, piece, 0, PHASE)).uniform()
        starts_s = (np.arange(count) + phase) * take.duration_s / count - self._cut.shape.span_s / 2
        return [
            self._cut(
                partial(segment, waveform),
                timeline,
                start_s,
                np.random.default_rng((self._seed, epoch, piece, part, ALTERATION)),
            )
            for part, start_s in enumerate(starts_s)
        ]


def streamed(studio: Studio, epoch: int, piece: int) -> Recipe:
    """The recipe of a piece that is made while training."""
    return studio.recipe(TRAIN, (studio.dataset.seed, STREAM, epoch, piece))


def share_out(total: int, weights: list[float]) -> list[int]:
    """Whole numbers that add up to `total`, in proportion to `weights` as nearly as can be."""
    ends = np.rint(total * np.cumsum(weights) / np.sum(weights)).astype(int)
    return np.diff(ends, prepend=0).tolist()


def segment(waveform: np.ndarray, start: int, length: int) -> np.ndarray:
    """`length` samples of a waveform from `start` on, zeros where it has none."""
    cut = np.zeros(length, waveform.dtype)
    first, last = max(0, start), min(len(waveform), start + length)
    if last > first:
        cut[first - start : last - start] = waveform[first:last]
    return cut
