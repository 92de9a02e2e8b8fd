"""The loop: windows of audio through the model, on one device or several processes (Hugging Face Accelerate)."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections import defaultdict
from contextlib import ExitStack, nullcontext

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from transformers import get_cosine_schedule_with_warmup

from s2s_lib.config import Config
from s2s_lib.data import Batches, Manifest, Stream, Windows, WindowShape, load_manifests
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_folder
from s2s_lib.model import TranscriptionConfig, losses
from s2s_lib.pretrained import build_model, no_bars
from s2s_lib.progress import Progress
from s2s_lib.train.checkpoints import BEST, find_checkpoint, load_checkpoint, read_history, save_checkpoint
from s2s_lib.train.feed import Batch, Feed, Source, loader_workers
from s2s_lib.train.history import History

log = logging.getLogger("s2s.train")
VALIDATION_WORKERS = 4  # at most, beside those that load what to train on
NOTE_PERIOD = 10  # batches from one look at the loss to the next, since looking waits for a GPU
LOGGED = (
    "epoch", "train_loss", "val_loss", "learning_rate", "audio_seconds_per_second", "waited_seconds", "seconds",
    "loader_audio_seconds_per_second",
)  # fmt: skip


class Trainer:
    """Model, data, optimizer and schedule of one process."""

    def __init__(self, config: Config, accelerator: Accelerator):
        self.config, self.accelerator = config, accelerator
        settings = config.training
        set_seed(settings.seed)
        model = build_model(config)
        manifests = load_manifests(config.output.data)
        training, validation = _sources(config, manifests, model.config, accelerator.num_processes)
        heard = training if isinstance(training, Stream) else manifests["train"]
        model.config.soundfonts = heard.soundfonts
        workers = loader_workers(settings.num_workers, config.dataset.stream, accelerator.num_processes)
        self.feed = Feed(training, workers, settings.num_epochs, accelerator)
        self.val_feed = Feed(validation, min(workers, VALIDATION_WORKERS), settings.num_epochs, accelerator)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=settings.weight_decay)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.steps_per_epoch = math.ceil(self.feed.batches_per_epoch / settings.gradient_accumulation_steps)
        self.scheduler = accelerator.prepare(
            get_cosine_schedule_with_warmup(
                self.optimizer, settings.warmup_steps, self.steps_per_epoch * settings.num_epochs
            )
        )
        self.window_s = model.config.frames * model.config.frame_s
        self.history = History(
            precision="bf16" if accelerator.mixed_precision == "bf16" else "fp32",
            device=str(accelerator.device),
            processes=accelerator.num_processes,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
        )

    def resume(self) -> None:
        """Goes on from a checkpoint if there is one."""
        checkpoint = find_checkpoint(self.config)
        if checkpoint is None:
            log.info("%d parameters on %s in %s", self.history.parameters, self.history.device, self.history.precision)
            if self.config.training.use_mixed_precision and self.history.precision == "fp32":
                log.info("bf16 is slower than fp32 on this device, so training runs in fp32")
            return
        load_checkpoint(self.accelerator, checkpoint)
        if self.accelerator.is_main_process and not (self.config.output.model / "model.safetensors").is_file():
            with atomic_folder(self.config.output.model) as folder:
                shutil.copytree(checkpoint / BEST, folder, dirs_exist_ok=True)
        self.history = read_history(checkpoint, self.config)
        log.info("resumed from %s", checkpoint)

    def fit(self) -> None:
        """Runs the epochs that are left, or until early stopping."""
        settings = self.config.training
        done = len(self.history.epochs)
        batches = self.feed.batches_per_epoch
        total, before = settings.num_epochs * batches, done * batches
        with Progress(total, "training", "batches", before) as progress, ExitStack() as running:
            for feed in (self.feed, self.val_feed):
                running.enter_context(feed.from_epoch(done + 1))
            for epoch in range(done + 1, settings.num_epochs + 1):
                if self.history.epochs_without_gain >= settings.early_stopping_patience:
                    self.history.stopped_early = True
                    break
                self._finish_epoch(self._train_epoch(epoch, progress) | self._validate())
        if self.accelerator.is_main_process:
            self.history.save(self.config.output.run_dir)
        self.accelerator.wait_for_everyone()

    def _train_epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        """One pass over the training windows; returns the epoch's means."""
        self.model.train()
        if self.config.model.freeze_encoder:
            self.accelerator.unwrap_model(self.model).encoder.eval()
        sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros((), device=self.accelerator.device))
        norms, start = [], time.monotonic()
        for number, batch in enumerate(self.feed.epoch()):
            parts = self._learn(batch, number, norms)
            for name, value in parts.items():
                sums[name] += value.detach()
            note = f"epoch {epoch}, loss {parts['loss'].item():.3f}" if number % NOTE_PERIOD == 0 else ""
            progress.advance(1, note)
        seconds = time.monotonic() - start
        means = {name: self._mean(value, self.feed.batches_per_epoch) for name, value in sums.items()}
        waited, capacity = self._loading()
        return {
            "epoch": epoch,
            "steps": epoch * self.steps_per_epoch,
            **_named("train", means),
            "learning_rate": self.scheduler.get_last_lr()[0],
            "grad_norm": self._mean(torch.stack([torch.as_tensor(norm) for norm in norms]).sum(), len(norms)),
            "seconds": round(seconds, 3),
            "waited_seconds": round(waited, 3),
            "audio_seconds_per_second": round(self.feed.source.windows_per_epoch * self.window_s / seconds, 2),
            "loader_audio_seconds_per_second": round(capacity, 2),
        }

    def _learn(self, batch: Batch, number: int, norms: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """One batch, the epoch's `number`-th from 0; the optimizer steps after the last batch of each accumulation.

        The epoch's last step takes what is left. Each step adds its gradient's norm to `norms`.
        """
        accumulation = self.config.training.gradient_accumulation_steps
        first = number - number % accumulation
        size = min(accumulation, self.feed.batches_per_epoch - first)
        steps = number == first + size - 1
        with nullcontext() if steps else self.accelerator.no_sync(self.model):
            parts = losses(self._predict(batch), batch)
            self.accelerator.backward(parts["loss"] / size)
        if steps:
            norms.append(self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.training.max_grad_norm))
            self.optimizer.step()
            self.scheduler.step()
            self.optimizer.zero_grad()
        return parts

    def _loading(self) -> tuple[float, float]:
        """Seconds that a process waited for data, and seconds of audio that all loaders could make per second."""
        feed, processes = self.feed, self.accelerator.num_processes
        capacity = feed.made_windows * self.window_s / feed.made_s * max(1, feed.workers)
        return self._mean(torch.tensor(feed.waited_s), 1), self._mean(torch.tensor(capacity), 1) * processes

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Means of the loss and its parts over the validation windows."""
        self.model.eval()
        sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros((), device=self.accelerator.device))
        windows = 0
        for batch in self.val_feed.epoch():
            size = len(batch["waveform"])
            windows += size
            for name, value in losses(self._predict(batch), batch).items():
                sums[name] += value * size
        return _named("val", {name: self._mean(value, windows) for name, value in sums.items()})

    def _predict(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        with self.accelerator.autocast():
            return self.model(batch["waveform"])

    def _mean(self, total: torch.Tensor, count: int) -> float:
        """Total over count, summed over all processes."""
        pair = torch.stack(
            [total.float().to(self.accelerator.device), torch.tensor(float(count), device=self.accelerator.device)]
        )
        total, count = self.accelerator.reduce(pair, "sum").tolist()
        return total / max(count, 1.0)

    def _finish_epoch(self, measured: dict[str, float]) -> None:
        """Logs an epoch, keeps the model if it is the best so far, and writes a checkpoint."""
        if not math.isfinite(measured["train_loss"]) or not math.isfinite(measured["val_loss"]):
            raise InputError(
                f"the loss became {measured['train_loss']} in epoch {measured['epoch']}; lower training.learning_rate."
            )
        self.history.epochs.append(measured)
        log.info(
            "epoch %d: train loss %.4f, val loss %.4f, learning rate %.2e, %.1f audio seconds per second, "
            "%.1f of %.1f s spent waiting for data, which the loader could give at %.1f audio seconds per second",
            *(measured[name] for name in LOGGED),
        )
        self.accelerator.log(
            {name: value for name, value in measured.items() if name != "epoch"}, step=measured["epoch"]
        )
        if self.history.best is measured and self.accelerator.is_main_process:
            with atomic_folder(self.config.output.model) as folder, no_bars():
                self.accelerator.unwrap_model(self.model).save_pretrained(folder)
        save_checkpoint(self.accelerator, self.config, self.history)
        if self.accelerator.is_main_process:
            self.history.save(self.config.output.run_dir)


def _sources(
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


def _named(split: str, means: dict[str, float]) -> dict[str, float]:
    """Loss parts under the history's names: loss becomes train_loss, onset becomes train_onset."""
    return {f"{split}_{name}": value for name, value in means.items()}
