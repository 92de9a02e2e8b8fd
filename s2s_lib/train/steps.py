"""What is looked at while an epoch goes on: the loss of the latest batches, a line every so many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from s2s_lib.files import atomic_write

FILE = "training_steps.jsonl"
MOST_LINES = 3000  # of a whole training, so that a curve is drawn at once
FEWEST_STEPS = 10  # from one look at the loss to the next, since looking waits for a GPU


class StepLog:
    """Appends lines to <logs>/training_steps.jsonl, which is read while it grows.

    A line holds: step (of the optimizer), elapsed_seconds, batch_loss (mean since the line before), learning_rate and
    grad_norm (mean since the line before).
    """

    def __init__(self, logs: Path, total_steps: int):
        self._path = logs / FILE
        self.every = max(FEWEST_STEPS, total_steps // MOST_LINES)

    def rewind(self, step: int) -> None:
        """Drops what was written of later steps, or by an earlier training: these steps are made anew."""
        lines = read_steps(self._path.parent) if step else []
        kept = [json.dumps(line) + "\n" for line in lines if line["step"] <= step]
        atomic_write(self._path, "".join(kept))

    def write(self, line: dict[str, Any]) -> None:
        """One more line, at once in the file."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_steps(logs: Path) -> list[dict[str, Any]]:
    """The lines of a run's training_steps.jsonl; none without the file, and none for a line that is not whole."""
    lines = []
    try:
        text = (logs / FILE).read_text(encoding="utf-8")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # just being written
            continue
    return [line for line in lines if isinstance(line, dict) and "step" in line]
