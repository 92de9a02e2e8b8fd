"""The loop: windows of audio through the model, on one device or several processes (Hugging Face Accelerate)."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections import defaultdict
from contextlib import ExitStack, nullcontext
from dataclasses import replace

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from transformers import get_cosine_schedule_with_warmup

from s2s_lib.config import Config
from s2s_lib.data import Stream, load_manifests
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_folder
from s2s_lib.model import losses
from s2s_lib.pretrained import build_model, no_bars
from s2s_lib.progress import Progress
from s2s_lib.train.checkpoints import BEST, find_checkpoint, load_checkpoint, read_history, save_checkpoint
from s2s_lib.train.clips import Clips
from s2s_lib.train.feed import Batch, Feed, loader_workers, open_sources
from s2s_lib.train.history import History, label
from s2s_lib.train.machine import matrix_rate, window_operations
from s2s_lib.train.steps import StepLog
from s2s_lib.train.stop import stop_file
from s2s_lib.train.tally import Tally

log = logging.getLogger("s2s.train")
VALIDATION_WORKERS = 4  # at most, beside those that load what to train on
NOTE_PERIOD = 10  # batches from one look at the loss to the next, since looking waits for a GPU
STOP_PERIOD = 10  # steps after which several processes agree whether to stop; one alone looks after each
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
        window_gflop = window_operations(model) / 1e9 if accelerator.is_main_process else 0.0
        manifests = load_manifests(config.output.data)
        training, validation = open_sources(config, manifests, model.config, accelerator.num_processes)
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
        self.clips = Clips(manifests["val"], settings.val_clips, config.evaluation)
        self.step_log = StepLog(config.output.logs, self.steps_per_epoch * settings.num_epochs)
        self.history = History(
            precision="bf16" if accelerator.mixed_precision == "bf16" else "fp32",
            device=str(accelerator.device),
            processes=accelerator.num_processes,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            window_gflop=window_gflop,
            peak_gflops=self._peak_gflops(),
        )
        self._start = time.monotonic()

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
        machine = {"window_gflop": self.history.window_gflop, "peak_gflops": self.history.peak_gflops}
        self.history = replace(read_history(checkpoint, self.config), **machine)
        log.info("resumed from %s", checkpoint)

    def fit(self) -> None:
        """Runs the epochs that are left, or until early stopping, or until a person asks to stop (train.stop)."""
        settings, history = self.config.training, self.history
        done, done_batches = len(history.epochs), (history.unfinished or {}).get("batches", 0)
        batches = self.feed.batches_per_epoch
        total, before = settings.num_epochs * batches, done * batches + done_batches
        self._start = time.monotonic() - history.elapsed_s
        if self.accelerator.is_main_process:
            stop_file(self.config.output.run_dir).unlink(missing_ok=True)  # of a training that is long over
            self.step_log.rewind(self._step(done, (history.unfinished or {}).get("steps", 0)))
        with Progress(total, "training", "batch", before) as progress, ExitStack() as running:
            running.enter_context(self.feed.from_epoch(done + 1, done_batches))
            running.enter_context(self.val_feed.from_epoch(done + 1))
            for epoch in range(done + 1, settings.num_epochs + 1):
                if history.epochs_without_gain >= settings.early_stopping_patience:
                    history.stopped_early = True
                    break
                measured = self._train_epoch(epoch, progress)
                if history.unfinished is not None:
                    break
                self._finish_epoch(measured | self._validate())
                if epoch < settings.num_epochs and self._is_to_stop():
                    history.unfinished = {"batches": 0, "elapsed_seconds": history.elapsed_s}
                    break
        if self.accelerator.is_main_process:
            history.save(self.config.output.run_dir)
            stop_file(self.config.output.run_dir).unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()

    def _train_epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        """One pass over the training windows, or what is left of it; returns the epoch's means.

        Where a person stops it, nothing is returned but the history's `unfinished` set and a checkpoint written.
        """
        self.model.train()
        if self.config.model.freeze_encoder:
            self.accelerator.unwrap_model(self.model).encoder.eval()
        tally = Tally(self.accelerator, self.history.unfinished)
        self.history.unfinished = None
        start = time.monotonic() - tally.seconds
        for number, batch in enumerate(self.feed.epoch(), tally.batches):
            steps, parts = tally.steps, self._learn(batch, number, tally)
            note = f"epoch {epoch}, loss {parts['loss'].item():.3f}" if number % NOTE_PERIOD == 0 else ""
            progress.advance(1, note)
            if tally.steps > steps:
                step = self._step(epoch - 1, tally.steps)
                self._note_step(step, tally)
                if number + 1 < self.feed.batches_per_epoch and self._is_to_stop(step):
                    self._stop(tally, time.monotonic() - start)
                    return {}
        return self._measured(epoch, tally, time.monotonic() - start)

    def _step(self, epochs: int, steps: int) -> int:
        """Number of the optimizer's step, from 1, which is the `steps`-th after so many whole epochs."""
        return epochs * self.steps_per_epoch + steps

    def _measured(self, epoch: int, tally: Tally, seconds: float) -> dict[str, float]:
        """What the history keeps of an epoch's training."""
        (means, norm), (waited, capacity) = tally.means(), self._loading(tally)
        windows_per_s = self.feed.source.windows_per_epoch / seconds
        gflops, peak = windows_per_s * self.history.window_gflop, self.history.peak_gflops
        return {
            "epoch": epoch,
            "steps": self._step(epoch, 0),
            **_named("train", means),
            "learning_rate": self.scheduler.get_last_lr()[0],
            "grad_norm": norm,
            "seconds": round(seconds, 3),
            "waited_seconds": round(waited, 3),
            "audio_seconds_per_second": round(windows_per_s * self.window_s, 2),
            "loader_audio_seconds_per_second": round(capacity, 2),
            "gflops": round(gflops, 3),
            "peak_share": round(gflops / peak, 4),
        }

    def _note_step(self, step: int, tally: Tally) -> None:
        """Writes the loss of the latest batches, every so many steps."""
        if step % self.step_log.every or not self.accelerator.is_main_process:
            return
        loss, norm = tally.latest()
        line = {"batch_loss": loss, "learning_rate": self.scheduler.get_last_lr()[0], "grad_norm": norm}
        self.step_log.write({"step": step, "elapsed_seconds": round(time.monotonic() - self._start, 2), **line})
        self.accelerator.log({label("batch_loss"): loss}, step=step)

    def _is_to_stop(self, step: int = 0) -> bool:
        """Whether a person asked to stop, on which all processes agree, every so many steps or where none is given."""
        several = self.accelerator.num_processes > 1
        if several and step % STOP_PERIOD:
            return False
        asked = self.accelerator.is_main_process and stop_file(self.config.output.run_dir).exists()
        return self._mean(torch.tensor(float(asked)), 1) > 0 if several else asked

    def _stop(self, tally: Tally, seconds: float) -> None:
        """Leaves a checkpoint within the epoch, and the model as it is if no epoch has left one."""
        elapsed_s = time.monotonic() - self._start
        self.history.unfinished = tally.unfinished(self.feed, round(seconds, 3), round(elapsed_s, 3))
        if not self.history.epochs:
            self._keep_model()
        save_checkpoint(self.accelerator, self.config, self.history)
        log.info("stopped on request after %d batches of epoch %d", tally.batches, len(self.history.epochs) + 1)

    def _learn(self, batch: Batch, number: int, tally: Tally) -> dict[str, torch.Tensor]:
        """One batch, the epoch's `number`-th from 0; the optimizer steps after the last batch of each accumulation.

        The epoch's last step takes what is left.
        """
        accumulation = self.config.training.gradient_accumulation_steps
        first = number - number % accumulation
        size = min(accumulation, self.feed.batches_per_epoch - first)
        steps = number == first + size - 1
        with nullcontext() if steps else self.accelerator.no_sync(self.model):
            parts = losses(self._predict(batch), batch)
            self.accelerator.backward(parts["loss"] / size)
        norm = None
        if steps:
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.training.max_grad_norm)
            self.optimizer.step()
            self.scheduler.step()
            self.optimizer.zero_grad()
        tally.add(parts, norm)
        return parts

    def _loading(self, tally: Tally) -> tuple[float, float]:
        """Seconds that a process waited for data, and seconds of audio that all loaders could make per second."""
        waited_s, made_s, made_windows = tally.loading(self.feed)
        capacity = made_windows * self.window_s / made_s * max(1, self.feed.workers)
        processes = self.accelerator.num_processes
        return self._mean(torch.tensor(waited_s), 1), self._mean(torch.tensor(capacity), 1) * processes

    def _peak_gflops(self) -> float:
        """Billions of operations per second that all processes reach in large matrix products at the same time."""
        bf16 = self.accelerator.mixed_precision == "bf16"
        self.accelerator.wait_for_everyone()
        own = matrix_rate(self.accelerator.device, torch.bfloat16 if bf16 else torch.float32) / 1e9
        return round(self._mean(torch.tensor(own), 1) * self.accelerator.num_processes, 1)

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
        measured |= self._hear_clips(int(measured["epoch"]))
        measured["elapsed_seconds"] = round(time.monotonic() - self._start, 3)
        self.history.epochs.append(measured)
        log.info(
            "epoch %d: train loss %.4f, val loss %.4f, learning rate %.2e, %.1f audio seconds per second, "
            "%.1f of %.1f s spent waiting for data, which the loader could give at %.1f audio seconds per second",
            *(measured[name] for name in LOGGED),
        )
        shown = {label(name): value for name, value in measured.items() if name != "steps"}
        self.accelerator.log(shown, step=measured["steps"])
        if self.history.best is measured:
            self._keep_model()
        save_checkpoint(self.accelerator, self.config, self.history)
        if self.accelerator.is_main_process:
            self.history.save(self.config.output.run_dir)

    def _keep_model(self) -> None:
        """Writes the model as it is now into the run."""
        if self.accelerator.is_main_process:
            with atomic_folder(self.config.output.model) as folder, no_bars():
                self.accelerator.unwrap_model(self.model).save_pretrained(folder)

    def _hear_clips(self, epoch: int) -> dict[str, float]:
        """F1 on the validation clips, by the main process alone, which keeps what it heard in the first of them."""
        if not self.accelerator.is_main_process or not self.clips.names:
            return {}
        heard = self.clips.hear(self.accelerator.unwrap_model(self.model), self.accelerator.device)
        examples = self.clips.examples(self.config.output.run_dir)
        examples.add(epoch, heard[: len(examples.names)])
        examples.save(self.config.output.run_dir)
        return self.clips.scores(heard)


def _named(split: str, means: dict[str, float]) -> dict[str, float]:
    """Loss parts under the history's names: loss becomes train_loss, onset becomes train_onset."""
    return {f"{split}_{name}": value for name, value in means.items()}
