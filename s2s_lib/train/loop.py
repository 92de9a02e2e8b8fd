"""The loop: windows of audio through the model, on one device or several processes (Hugging Face Accelerate)."""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import shutil
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, notebook_launcher
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.utils.data import DataLoader, Sampler
from transformers import get_cosine_schedule_with_warmup

from s2s_lib.config import Config
from s2s_lib.data import Manifest, Windows, WindowShape, check_dataset, load_manifests
from s2s_lib.devices import bf16_pays, resolve_device
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_folder
from s2s_lib.model import TranscriptionConfig, losses
from s2s_lib.pretrained import build_model, no_bars
from s2s_lib.progress import Progress
from s2s_lib.train.checkpoints import BEST, find_checkpoint, load_checkpoint, read_history, save_checkpoint
from s2s_lib.train.history import History

log = logging.getLogger("s2s.train")


def train(config: Config) -> History:
    """Trains on the run's dataset and leaves the best model, checkpoints, history, log and curves in its folder.

    The best model is the one with the lowest validation loss. A broken-off training goes on from its newest
    checkpoint, and ends with the same weights as one that never stopped. Raises InputError for a missing dataset,
    a checkpoint that does not fit, a missing device or tracker.
    """
    _check(config)
    if config.training.num_processes > 1 and "WORLD_SIZE" not in os.environ:
        _launch(config)
    else:  # `accelerate launch` sets WORLD_SIZE: the processes are there already
        _process(config)
    return History.load(config.output.run_dir)


def _check(config: Config) -> None:
    """Refuses what would fail later, without touching torch's threads: a fork may follow."""
    check_dataset(load_manifests(config.output.data), config)
    checkpoint = find_checkpoint(config)
    if checkpoint is not None:
        read_history(checkpoint, config)
    if "wandb" in config.training.trackers and importlib.util.find_spec("wandb") is None:
        raise InputError("training.trackers names wandb, which is not installed; run 'pip install wandb'.", usage=True)


def _launch(config: Config) -> None:
    """Starts the training processes; what one of them refuses is refused here in the same words."""
    try:
        notebook_launcher(_process, (config,), num_processes=config.training.num_processes, use_port=_free_port())
    except ChildFailedError as error:
        message = error.get_first_failure()[1].message
        text = message["message"] if isinstance(message, dict) else str(message)
        kind, _, sentence = text.partition(": ")
        if kind == InputError.__name__:
            raise InputError(sentence) from None
        raise


def _free_port() -> str:
    """A TCP port that nobody listens on, for the processes to meet at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class _EpochSampler(Sampler):
    """A random order of windows that depends on (seed, epoch) alone."""

    def __init__(self, length: int, seed: int):
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order is given out; Accelerate's loader calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        return iter(torch.randperm(self.length, generator=generator).tolist())


def _process(config: Config) -> None:
    """One training process from start to end."""
    accelerator = _accelerator(config)
    _open_log(config, accelerator)
    trainer = Trainer(config, accelerator)
    trainer.resume()
    trainer.fit()
    accelerator.end_training()


def _accelerator(config: Config) -> Accelerator:
    """Accelerate bound to the asked device, with bf16 where it is asked for and pays."""
    AcceleratorState._reset_state(reset_partial_state=True)  # a notebook may train twice, on other settings
    device = resolve_device(config.model.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    pays = bf16_pays(device)
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="bf16" if config.training.use_mixed_precision and pays else "no",
        gradient_accumulation_steps=config.training.gradient_accumulation_steps,
        step_scheduler_with_optimizer=False,
        log_with=config.training.trackers or None,
        project_dir=str(config.output.logs),
    )
    if config.training.trackers:
        run = {"wandb": {"name": config.output.name}}
        accelerator.init_trackers("sound2sheet", init_kwargs=run)
    return accelerator


def _open_log(config: Config, accelerator: Accelerator) -> None:
    """Sends the training log to <logs>/training.log, from the main process only."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    log.setLevel(logging.INFO)
    log.propagate = False
    if accelerator.is_main_process:
        config.output.logs.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(config.output.logs / "training.log")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    else:
        handler = logging.NullHandler()
    log.addHandler(handler)


class Trainer:
    """Model, data, optimizer and schedule of one process."""

    def __init__(self, config: Config, accelerator: Accelerator):
        self.config, self.accelerator = config, accelerator
        settings = config.training
        set_seed(settings.seed)
        model = build_model(config)
        manifests = load_manifests(config.output.data)
        augmentation = config.audio.augmentation
        self.windows = _windows(manifests["train"], model.config, settings.seed, augmentation)
        val_windows = _windows(manifests["val"], model.config)
        common = {"batch_size": settings.batch_size, "collate_fn": _collate, "num_workers": settings.num_workers}
        train_loader = DataLoader(self.windows, sampler=_EpochSampler(len(self.windows), settings.seed), **common)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=settings.weight_decay)
        self.model, self.optimizer, self.loader, self.val_loader = accelerator.prepare(
            model, optimizer, train_loader, DataLoader(val_windows, **common)
        )
        self.steps_per_epoch = math.ceil(len(self.loader) / settings.gradient_accumulation_steps)
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
        with Progress(settings.num_epochs * len(self.loader), "training", "batches") as progress:
            progress.advance(done * len(self.loader))
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
        self.loader.set_epoch(epoch)  # keeps Accelerate's own count of epochs out of a resumed run
        self.windows.set_epoch(epoch)
        self.model.train()
        if self.config.model.freeze_encoder:
            self.accelerator.unwrap_model(self.model).encoder.eval()
        sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros((), device=self.accelerator.device))
        norms, start = [], time.monotonic()
        for batch in self.loader:
            with self.accelerator.accumulate(self.model):
                parts = losses(self._predict(batch), batch)
                self.accelerator.backward(parts["loss"])
                if self.accelerator.sync_gradients:
                    norms.append(
                        self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.training.max_grad_norm)
                    )
                self.optimizer.step()
                if self.accelerator.sync_gradients:
                    self.scheduler.step()
                self.optimizer.zero_grad()
            for name, value in parts.items():
                sums[name] += value.detach()
            progress.advance(1, note=f"epoch {epoch}, loss {parts['loss'].item():.3f}")
        seconds = time.monotonic() - start
        means = {name: self._mean(value, len(self.loader)) for name, value in sums.items()}
        return {
            "epoch": epoch,
            "steps": epoch * self.steps_per_epoch,
            **_named("train", means),
            "learning_rate": self.scheduler.get_last_lr()[0],
            "grad_norm": self._mean(torch.stack([torch.as_tensor(norm) for norm in norms]).sum(), len(norms)),
            "seconds": round(seconds, 3),
            "audio_seconds_per_second": round(len(self.windows) * self.window_s / seconds, 2),
        }

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Means of the loss and its parts over the validation windows."""
        self.model.eval()
        sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros((), device=self.accelerator.device))
        windows = 0
        for batch in self.val_loader:
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
            "epoch %d: train loss %.4f, val loss %.4f, learning rate %.2e, %.1f audio seconds per second",
            *(
                measured[name]
                for name in ("epoch", "train_loss", "val_loss", "learning_rate", "audio_seconds_per_second")
            ),
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


def _windows(
    manifest: Manifest, model: TranscriptionConfig, seed: int | None = None, augmentation: Any = None
) -> Windows:
    """Windows of a split in the shape that a model takes."""
    shape = WindowShape(model.window_samples, model.frames, model.frame_s, model.first_frame_s)
    return Windows(manifest, shape, model.feature_settings.sample_rate, seed, augmentation)


def _collate(items: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Stacks windows into tensors of shape (batch, ...)."""
    return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}


def _named(split: str, means: dict[str, float]) -> dict[str, float]:
    """Loss parts under the history's names: loss becomes train_loss, onset becomes train_onset."""
    return {f"{split}_{name}": value for name, value in means.items()}
