"""What feeds the trainer: batches in the order of their use, made ahead by processes of their own if there are any."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch.utils.data import DataLoader, Dataset

from s2s_lib.config import Config
from s2s_lib.data import Batches, Manifest, Stream, Windows, WindowShape
from s2s_lib.errors import InputError
from s2s_lib.model import TranscriptionConfig

Source = Batches | Stream
Batch = dict[str, torch.Tensor]
Key = tuple[int, int]  # epoch, item of the source
MOST_WORKERS = 32  # each holds up to three groups of a stream, some 40 MB each
PREFETCHED = 2  # items that a worker makes ahead


def open_sources(
    config: Config, manifests: dict[str, Manifest], model: TranscriptionConfig, processes: int
) -> tuple[Source, Source]:
    """What to train on, from disk or made on the way, and what to validate on, in the shape that a model takes."""
    settings = config.training
    shape = WindowShape(model.window_samples, model.frames, model.frame_s, model.first_frame_s)
    rate = model.feature_settings.sample_rate
    validation = Batches(Windows(manifests["val"], shape, rate), settings.batch_size)
    if config.dataset.stream:
        return Stream(config, shape, rate, processes), validation
    windows = Windows(manifests["train"], shape, rate, settings.seed, config.audio.augmentation)
    return Batches(windows, settings.batch_size), validation


class Feed:
    """A source's batches for one process, on its device, epoch after epoch.

    The loader makes the items of all epochs in one go, so its workers are started once and are ahead even when an
    epoch begins. With several processes each gets every n-th item; where they don't come out even, some items are
    used twice. `waited_s`, `made_s` and `made_windows` count for one epoch: seconds waited for items, seconds that
    their making took, and windows in them.
    """

    def __init__(self, source: Source, workers: int, last_epoch: int, accelerator: Accelerator):
        self.source, self.workers, self.last_epoch, self.accelerator = source, workers, last_epoch, accelerator
        self.waited_s = self.made_s = self.made_windows = 0.0
        self._share = math.ceil(len(source) / accelerator.num_processes)
        self._items: Iterator[tuple[Batch, float] | InputError] = iter(())
        self._done = 0  # batches of the next epoch that were used before

    @property
    def batches_per_epoch(self) -> int:
        """Batches that each process gets in an epoch."""
        return self._share * self.source.batches_per_item

    @contextmanager
    def from_epoch(self, epoch: int, done: int = 0) -> Iterator[None]:
        """Gives out batches while the block runs, from this epoch's first or after `done` of it; then ends the workers.

        Raises InputError if one of them dies, which torch reports at any moment.
        """
        loader = DataLoader(
            _Items(self.source),
            batch_size=None,  # an item is a batch, or several
            sampler=self._schedule(epoch, done // self.source.batches_per_item),
            num_workers=self.workers,
            prefetch_factor=PREFETCHED if self.workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
            generator=torch.Generator(),  # else starting the workers would draw from the one that dropout uses
        )
        self._done = done
        try:
            self._items = iter(loader)
            yield
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            how = str(error).splitlines()[0].rstrip(". ")
            raise InputError(
                f"a loader process died ({how}), most likely for lack of memory (in a container perhaps the shared "
                "one, --shm-size); lower training.num_workers; with 0 the training process loads by itself."
            ) from None
        finally:
            self._items = iter(())

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch; of the first one those that are left."""
        self.waited_s = self.made_s = self.made_windows = 0.0
        items_done, batches_done = divmod(self._done, self.source.batches_per_item)
        self._done, size = 0, self.source.batch_size
        for _ in range(self._share - items_done):
            item = self._next()
            for first in range(batches_done * size, len(item["waveform"]), size):
                yield {name: array[first : first + size] for name, array in item.items()}
            batches_done = 0

    def _schedule(self, first_epoch: int, done: int) -> Iterator[Key]:
        """Keys of this process's items, in the order of their use, after `done` items of the first epoch."""
        step, rank = self.accelerator.num_processes, self.accelerator.process_index
        for epoch in range(first_epoch, self.last_epoch + 1):
            for turn in range(done if epoch == first_epoch else 0, self._share):
                yield epoch, (turn * step + rank) % len(self.source)

    def _next(self) -> Batch:
        start = time.monotonic()
        made = next(self._items)
        if isinstance(made, InputError):
            raise made
        item, seconds = made
        item = send_to_device(item, self.accelerator.device, non_blocking=True)
        self.waited_s += time.monotonic() - start
        self.made_s += seconds
        self.made_windows += len(item["waveform"])
        return item


class _Items(Dataset):
    """A source's items with the seconds it took to make them; an error is handed over as it is."""

    def __init__(self, source: Source):
        self.source = source

    def __getitem__(self, key: Key) -> tuple[Batch, float] | InputError:
        start = time.monotonic()
        try:
            item = self.source[key]
        except InputError as error:
            return error
        return {name: torch.from_numpy(array) for name, array in item.items()}, time.monotonic() - start


def loader_workers(asked: int | None, streams: bool, processes: int) -> int:
    """Loader processes of one training process: as asked, or none from disk and its share of the cores for a stream.

    They compete with a training on the CPU, yet a lower priority for them gains nothing: what they lose, it waits for.
    """
    if asked is not None:
        return asked
    return max(1, min(MOST_WORKERS, joblib.cpu_count() // processes)) if streams else 0
