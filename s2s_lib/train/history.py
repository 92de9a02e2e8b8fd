"""What a training run measured, epoch by epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_lib.errors import InputError
from s2s_lib.files import write_json

FILE = "training_history.json"
SPLITS = {"train": "training", "val": "validation"}
LABELS = {
    "epoch": "epoch",
    "steps": "steps",
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "batch_loss": "loss of the latest batches",
    "val_onset_f1": "validation onset F1",
    "val_onset_offset_key_f1": "validation onset + offset F1 (key release)",
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "seconds": "time of the epoch (s)",
    "waited_seconds": "waited for data (s)",
    "elapsed_seconds": "time since the start (s)",
    "audio_seconds_per_second": "audio trained on (s per s)",
    "loader_audio_seconds_per_second": "audio the loader could give (s per s)",
    "gflops": "GFLOP per s",
    "peak_share": "share of the machine's peak",
}  # what the report's figures and tables, TensorBoard and W&B call what was measured


def label(name: str) -> str:
    """What a key of the history is called wherever it is shown: 'validation loss: onset' for val_onset."""
    split, _, part = name.partition("_")
    return LABELS.get(name) or f"{SPLITS[split]} loss: {part}"


@dataclass
class History:
    """One dict per epoch and how the run ended.

    An epoch holds: epoch (from 1), steps (optimizer steps so far), train_loss, val_loss, train_<part> and val_<part>
    for each part of the loss, learning_rate, grad_norm (mean before clipping), seconds, waited_seconds (of those, a
    process's mean wait for data), elapsed_seconds (since the training began, pauses left out),
    audio_seconds_per_second (trained on) and loader_audio_seconds_per_second (what all loader processes could deliver
    at the pace at which they worked), gflops (matrix operations per second, in billions, of all processes) and
    peak_share (of `peak_gflops`, what large matrix products reach on the same devices). With `training.val_clips` also
    val_onset_f1 and val_onset_offset_key_f1, means over the clips at the model's untuned thresholds. Older histories
    lack some of these.

    `window_gflop`: billions of matrix operations in one window's forward and backward pass. `unfinished`: what was
    measured of the epoch in which a person stopped the training; None unless they did, and again once it goes on.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    stopped_early: bool = False
    precision: str = "fp32"
    device: str = "cpu"
    processes: int = 1
    parameters: int = 0
    window_gflop: float = 0.0
    peak_gflops: float = 0.0
    unfinished: dict[str, Any] | None = None

    @property
    def best(self) -> dict[str, float]:
        """The epoch with the lowest validation loss, the one whose model was kept."""
        return min(self.epochs, key=lambda epoch: epoch["val_loss"])

    @property
    def epochs_without_gain(self) -> int:
        """Epochs since the best one."""
        return int(self.epochs[-1]["epoch"] - self.best["epoch"]) if self.epochs else 0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, pauses left out; of an older history without validation and checkpoints."""
        last = self.unfinished or (self.epochs[-1] if self.epochs else {})
        return last.get("elapsed_seconds", sum(epoch["seconds"] for epoch in self.epochs))

    def to_dict(self) -> dict[str, Any]:
        """The history as plain values, the best epoch's number beside them."""
        return {"best_epoch": self.best["epoch"] if self.epochs else None, **vars(self)}

    def save(self, run_dir: Path) -> None:
        """Writes training_history.json."""
        write_json(run_dir / FILE, self.to_dict())

    @classmethod
    def load(cls, run_dir: Path) -> History:
        """Reads training_history.json. Raises InputError if it is missing or unreadable."""
        path = run_dir / FILE
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise InputError(f"{path}: there is no training history; train first.") from None
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not a readable training history ({error}).") from None

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> History:
        """The history that `to_dict` gave."""
        return cls(**{name: value for name, value in content.items() if name != "best_epoch"})
