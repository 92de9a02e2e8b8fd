"""What the tests of training share: runs over one small dataset, broken off where wanted, and their weights."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small import small_config

from s2s_lib.config import Config
from s2s_lib.train.loop import Trainer


@dataclass(frozen=True)
class Runs:
    """Makes configs of runs under `folder`, each over its own copy of the dataset in `data`."""

    data: Path
    folder: Path

    def __call__(self, name: str = "small", **overrides: dict[str, Any]) -> Config:
        overrides.setdefault("output", {})["name"] = name
        config = small_config(self.folder, **overrides)
        shutil.copytree(self.data, config.output.data, dirs_exist_ok=True)
        return config


def weights(config: Config, epoch: int) -> dict[str, torch.Tensor]:
    """The weights in a run's checkpoint of an epoch."""
    return load_file(config.output.checkpoints / f"checkpoint_epoch_{epoch}" / "model.safetensors")


def break_off_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is killed when epoch `epochs` + 1 begins."""
    whole = Trainer._train_epoch

    def train_epoch(self: Trainer, epoch: int, progress: object) -> dict[str, float]:
        if epoch == epochs + 1:
            raise KeyboardInterrupt
        return whole(self, epoch, progress)

    monkeypatch.setattr(Trainer, "_train_epoch", train_epoch)


def in_a_group(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command whose own processes end with it, whatever happens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    try:
        out, err = process.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
