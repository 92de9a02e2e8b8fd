"""Asking a training to stop: a file named `stop` in the run's folder, whoever puts it there."""

from __future__ import annotations

from pathlib import Path

NAME = "stop"


def stop_file(run_dir: Path) -> Path:
    """The file whose coming stops the training of a run after its next step; the training takes it away again."""
    return run_dir / NAME


def ask_to_stop(run_dir: Path) -> None:
    """Stops the run's training after its next step, with a checkpoint that the same command goes on from."""
    stop_file(run_dir).touch()
