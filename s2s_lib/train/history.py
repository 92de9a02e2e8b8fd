"""What a training run measured, epoch by epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_lib.errors import InputError
from s2s_lib.files import write_json

FILE = "training_history.json"


@dataclass
class History:
    """One dict per epoch and how the run ended.

    An epoch holds: epoch (from 1), steps (optimizer steps so far), train_loss, val_loss, train_<part> and val_<part>
    for each part of the loss, learning_rate, grad_norm (mean before clipping), seconds, waited_seconds (of those, a
    process's mean wait for data), audio_seconds_per_second (trained on) and loader_audio_seconds_per_second (what all
    loader processes could deliver at the pace at which they worked).
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    stopped_early: bool = False
    precision: str = "fp32"
    device: str = "cpu"
    processes: int = 1
    parameters: int = 0

    @property
    def best(self) -> dict[str, float]:
        """The epoch with the lowest validation loss, the one whose model was kept."""
        return min(self.epochs, key=lambda epoch: epoch["val_loss"])

    @property
    def epochs_without_gain(self) -> int:
        """Epochs since the best one."""
        return int(self.epochs[-1]["epoch"] - self.best["epoch"]) if self.epochs else 0

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
