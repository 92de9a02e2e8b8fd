"""Training windows: a dataset's audio cut at random places, with the grid a perfect model would output."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from s2s_lib.augment import augment
from s2s_lib.config import AugmentationConfig
from s2s_lib.data.audio import read_segment
from s2s_lib.data.manifest import Manifest
from s2s_lib.errors import InputError
from s2s_lib.notes import Performance
from s2s_lib.targets import encode


@dataclass(frozen=True)
class WindowShape:
    """What a model takes and gives: window length in samples, output frames, their length, where the first starts."""

    samples: int
    frames: int
    frame_s: float
    first_frame_s: float


class Windows:
    """As many windows per epoch as cover each clip of a split once; their phase is random, or 0 without `seed`.

    An item is a dict of float32 arrays: `waveform` (samples,) and the grid's arrays (see targets.Grid). It depends
    on (seed, epoch, index) alone, so neither the loader's workers nor a resumed run change it.
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
        self.manifest, self.shape, self.seed, self.augmentation = manifest, shape, seed, augmentation
        self.sample_rate = sample_rate
        self.epoch = 0
        span = shape.frames * shape.frame_s
        self._index = [
            (clip, part)
            for clip, sample in enumerate(manifest.samples)
            for part in range(math.ceil(sample.duration_s / span))
        ]
        self._performances: dict[int, Performance] = {}

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose windows are given out."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        clip, part = self._index[index]
        sample, shape = self.manifest.samples[clip], self.shape
        phase = 0.0
        if self.seed is not None:
            phase = np.random.default_rng((self.seed, self.epoch, clip)).uniform(-0.5, 0.5)
        start_s = (part + phase) * shape.frames * shape.frame_s
        first = round((start_s - shape.first_frame_s) * self.sample_rate)
        waveform = read_segment(sample.audio, first, shape.samples)
        if self.seed is not None and self.augmentation is not None and self.augmentation.enabled:
            rng = np.random.default_rng((self.seed, self.epoch, clip, part))
            waveform = augment(waveform, self.sample_rate, self.augmentation, rng)
        grid_start_s = first / self.sample_rate + shape.first_frame_s  # the sample grid's rounding included
        grid = encode(self._performance(clip), grid_start_s, shape.frames, shape.frame_s)
        return {"waveform": waveform, **vars(grid)}

    def _performance(self, clip: int) -> Performance:
        if clip not in self._performances:
            self._performances[clip] = self.manifest.samples[clip].performance()
        return self._performances[clip]
