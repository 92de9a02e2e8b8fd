"""What one pass over the training windows has measured so far, so that it can be broken off and gone on with."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator

from s2s_lib.train.feed import Feed


class Tally:
    """Sums of one process over the batches of an epoch, from where `unfinished` (of a History) left it.

    `batches` and `steps` (of the optimizer) are counted from the epoch's beginning, `seconds` is what an earlier go
    took; the sums of that go are the main process's alone.
    """

    def __init__(self, accelerator: Accelerator, unfinished: dict[str, Any] | None):
        before = unfinished or {}
        own = before if accelerator.is_main_process else {}
        self._accelerator = accelerator
        self.batches, self.steps = int(before.get("batches", 0)), int(before.get("steps", 0))
        self.seconds, self._loading = before.get("seconds", 0.0), before.get("loading", [0.0, 0.0, 0.0])
        self._sums = {name: self._number(value) for name, value in own.get("sums", {}).items()}
        self._norms = self._number(own.get("norms", 0.0))
        self._seen = self._state()

    def add(self, parts: dict[str, torch.Tensor], norm: torch.Tensor | None) -> None:
        """Counts a batch: its losses, and the norm of the gradient if the optimizer made a step after it."""
        self.batches += 1
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach().float()
        if norm is not None:
            self._norms, self.steps = self._norms + norm, self.steps + 1

    def latest(self) -> tuple[float, float]:
        """This process's mean loss and mean gradient norm since the last call."""
        now = self._state()
        loss, norms, batches, steps = (after - before for after, before in zip(now, self._seen, strict=True))
        self._seen = now
        return float(loss) / max(batches, 1), float(norms) / max(steps, 1)

    def means(self) -> tuple[dict[str, float], float]:
        """Means over the batches and over the steps of all processes: of each loss, and of the gradient's norm."""
        parts = {name: self._total(value) / self._processes / self.batches for name, value in self._sums.items()}
        return parts, self._total(self._norms) / self._processes / max(self.steps, 1)

    def loading(self, feed: Feed) -> tuple[float, float, float]:
        """Seconds waited for data, seconds that its making took and windows made, of this process."""
        now = feed.waited_s, feed.made_s, feed.made_windows
        return tuple(before + since for before, since in zip(self._loading, now, strict=True))

    def unfinished(self, feed: Feed, seconds: float, elapsed_s: float) -> dict[str, Any]:
        """What a History keeps of an epoch that is broken off; to be called by all processes together."""
        return {
            "batches": self.batches,
            "steps": self.steps,
            "sums": {name: self._total(value) for name, value in self._sums.items()},
            "norms": self._total(self._norms),
            "loading": list(self.loading(feed)),
            "seconds": seconds,
            "elapsed_seconds": elapsed_s,
        }

    @property
    def _processes(self) -> int:
        return self._accelerator.num_processes

    def _state(self) -> tuple[Any, ...]:
        return self._sums.get("loss", 0.0), self._norms, self.batches, self.steps

    def _number(self, value: float) -> torch.Tensor:
        return torch.tensor(value, device=self._accelerator.device)

    def _total(self, value: torch.Tensor) -> float:
        """Summed over all processes."""
        return float(self._accelerator.reduce(value.float().to(self._accelerator.device), "sum"))
