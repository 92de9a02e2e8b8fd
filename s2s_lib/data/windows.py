"""Training windows: audio cut to the length that a model takes, with the grid a perfect model would output."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from s2s_lib.config import AugmentationConfig
from s2s_lib.data.audio import read_segment
from s2s_lib.data.manifest import Manifest
from s2s_lib.errors import InputError
from s2s_lib.notes import Timeline
from s2s_lib.targets import encode

# generators of their own: the order of an epoch, where a clip is cut, how a window is altered
ORDER, PHASE, ALTERATION = 1, 2, 3
AROUND_S = 1.0  # what lies further from a window does not reach into its grid
Item = dict[str, np.ndarray]


@dataclass(frozen=True)
class WindowShape:
    """What a model takes and gives: window length in samples, output frames, their length, where the first starts."""

    samples: int
    frames: int
    frame_s: float
    first_frame_s: float

    @property
    def span_s(self) -> float:
        """Seconds of music that a window's frames cover."""
        return self.frames * self.frame_s


@dataclass(frozen=True)
class Cutter:
    """Cuts windows of a shape; augments them where it is given what to draw."""

    shape: WindowShape
    sample_rate: int
    augmentation: AugmentationConfig | None = None

    def __call__(
        self,
        read: Callable[[int, int], np.ndarray],
        timeline: Timeline,
        start_s: float,
        rng: np.random.Generator | None = None,
    ) -> Item:
        """The window whose first frame starts at `start_s`: float32 `waveform` (samples,) and the grid's arrays.

        `read` gives a number of samples from a place on, zeros where there are none. With `rng` the waveform is
        augmented.
        """
        shape = self.shape
        first = round((start_s - shape.first_frame_s) * self.sample_rate)
        waveform = read(first, shape.samples)
        if rng is not None and self.augmentation is not None and self.augmentation.enabled:
            from s2s_lib.augment import augment  # takes a second to import, and those who only generate do without

            waveform = augment(waveform, self.sample_rate, self.augmentation, rng)
        grid_start_s = first / self.sample_rate + shape.first_frame_s  # the sample grid's rounding included
        performance = timeline.between(grid_start_s - AROUND_S, grid_start_s + shape.span_s + AROUND_S)
        return {"waveform": waveform, **vars(encode(performance, grid_start_s, shape.frames, shape.frame_s))}


class Windows:
    """As many windows per epoch as cover each clip of a split once; their phase is random, or 0 without `seed`.

    An item depends on (seed, epoch, index) alone, so neither the loader's workers nor a resumed run change it.
    """

    def __init__(
        self, manifest: Manifest, shape: WindowShape, sample_rate: int, seed: int | None = None,
        augmentation: AugmentationConfig | None = None,
    ):  # fmt: skip
        if not manifest.samples:
            raise InputError(f"{manifest.path}: the {manifest.split} split is empty; raise dataset.samples.")
        if manifest.sample_rate != sample_rate:
            raise InputError(
                f"{manifest.path}: the dataset has {manifest.sample_rate} samples per second and the model takes "
                f"{sample_rate}; set audio.sample_rate {sample_rate} and generate it again."
            )
        if any(sample.audio is None for sample in manifest.samples):
            raise InputError(f"{manifest.path}: has no audio; generate it with dataset.synthesize_audio true.")
        self.manifest, self.shape, self.seed = manifest, shape, seed
        self.epoch = 0
        self._cut = Cutter(shape, sample_rate, augmentation)
        self._index = [
            (clip, part)
            for clip, sample in enumerate(manifest.samples)
            for part in range(math.ceil(sample.duration_s / shape.span_s))
        ]
        self._timelines: dict[int, Timeline] = {}

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose windows are given out."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Item:
        clip, part = self._index[index]
        phase, rng = 0.0, None
        if self.seed is not None:
            phase = np.random.default_rng((self.seed, self.epoch, clip, 0, PHASE)).uniform(-0.5, 0.5)
            rng = np.random.default_rng((self.seed, self.epoch, clip, part, ALTERATION))
        read = partial(read_segment, self.manifest.samples[clip].audio, sample_rate=self.manifest.sample_rate)
        return self._cut(read, self._timeline(clip), (part + phase) * self.shape.span_s, rng)

    def _timeline(self, clip: int) -> Timeline:
        if clip not in self._timelines:
            self._timelines[clip] = Timeline(self.manifest.samples[clip].performance())
        return self._timelines[clip]


class Batches:
    """A split's windows in batches: in a new random order each epoch where the windows have a seed.

    `batches[epoch, index]` stacks the windows of a batch into arrays of shape (windows, ...).
    """

    def __init__(self, windows: Windows, batch_size: int):
        self.windows, self.batch_size = windows, batch_size
        self.windows_per_epoch = len(windows)
        self.batches_per_item = 1

    def __len__(self) -> int:
        return math.ceil(len(self.windows) / self.batch_size)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        order = np.arange(len(self.windows))
        if self.windows.seed is not None:
            np.random.default_rng((self.windows.seed, epoch, 0, 0, ORDER)).shuffle(order)
        self.windows.set_epoch(epoch)
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        items = [self.windows[window] for window in chosen]
        return {name: np.stack([item[name] for item in items]) for name in items[0]}
