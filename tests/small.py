"""A dataset and a model small enough for a test, and a short piece of music."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s2s_lib.config import Config
from s2s_lib.notes import Note, PedalEvent, Performance

SMALL = {
    "dataset": {
        "samples": 6, "complexity": "simple", "min_notes": 4, "max_notes": 30, "min_duration": 3.0,
        "max_duration": 4.0, "train_split": 0.5, "val_split": 0.25, "num_workers": 1,
    },
    "model": {
        "encoder_name": "scratch", "hidden_size": 16, "num_decoder_layers": 1, "num_decoder_heads": 2,
        "encoder_hidden_size": 16, "num_encoder_layers": 1, "num_encoder_heads": 2, "window_seconds": 1.28,
        "device": "cpu",
    },
    "training": {"batch_size": 4, "num_epochs": 2, "learning_rate": 1e-3, "warmup_steps": 2, "trackers": []},
}  # fmt: skip

TUNE = Performance(
    (
        Note(0.2, 0.7, 60, 80),
        Note(0.2, 1.6, 48, 60),
        Note(0.7013, 1.2, 64, 90),
        Note(1.2, 1.6, 60, 50),
        Note(1.7207, 2.4, 72, 110),
    ),
    (PedalEvent(0.5, 127), PedalEvent(1.65, 0)),
)


def small_config(folder: Path, **overrides: dict[str, Any]) -> Config:
    """The small config with its run under `folder`; `overrides` are sections."""
    return Config.resolve(SMALL, {"output": {"output_dir": str(folder), "name": "small"}}, overrides)
