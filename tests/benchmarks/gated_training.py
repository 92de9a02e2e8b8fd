"""Trains the gated convolutions that `s2s_lib.score.gated` runs, and keeps their weights."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from s2s_lib.devices import bf16_pays
from s2s_lib.files import atomic_path
from s2s_lib.score.gated import read_networks

Losses = Callable[[Tensor, dict[str, Tensor]], dict[str, Tensor]]  # of outputs and truth, by name

DECAY = 1e-2
DROPOUT = 0.15  # of whole channels


class Gated(nn.Module):
    """What `run_gated` does, under the same names."""

    def __init__(self, channels: int, blocks: int, outputs: int):
        super().__init__()
        dilated = (nn.Conv1d(channels, 2 * channels, 5, padding=2 * 2**i, dilation=2**i) for i in range(blocks))
        self.blocks, self.mix = nn.ModuleList(dilated), nn.ModuleList(nn.Conv1d(channels, channels, 1)
                                                                      for _ in range(blocks))  # fmt: skip
        self.head, self.drop = nn.Conv1d(channels, outputs, 1), nn.Dropout1d(DROPOUT)

    def run_gated(self, hidden: Tensor) -> Tensor:
        """(batch, channels, places) -> (batch, places, outputs)."""
        hidden = F.elu(hidden)
        for block, mix in zip(self.blocks, self.mix, strict=True):
            signal, gate = block(hidden).chunk(2, dim=1)
            hidden = hidden + self.drop(mix(torch.tanh(signal) * torch.sigmoid(gate)))
        return self.head(hidden).transpose(1, 2)


def parser(description: str, weights: Path) -> argparse.ArgumentParser:
    """The options that all training scripts have."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--steps", type=int, default=9000)
    options.add_argument("--pieces", type=int, default=12_000, help="composed pieces")
    options.add_argument("--network", type=int, default=0, help="number of the network in the file")
    options.add_argument("--channels", type=int, default=64)
    options.add_argument("--blocks", type=int, default=8)
    options.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    options.add_argument("--start", type=Path, help="file of weights to go on from")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=weights, help="file that gets the network, others stay in it")
    return options


def fit(
    network: Gated, batches: IterableDataset, losses: Losses,
    weights: dict[str, float], options: argparse.Namespace,
) -> None:  # fmt: skip
    """Trains by the weighted sum of the losses, on as many batches as there are steps; keeps the weights as float16.

    One thread learns while a process of its own makes the batches.
    """
    torch.set_num_threads(1)
    if options.start:
        before = read_networks(options.start)[str(options.network)]
        network.load_state_dict({name: torch.from_numpy(x) for name, x in before.items()})
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=options.steps, pct_start=0.1)
    recent, start = [], time.perf_counter()
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=6)
    for step, truth in zip(range(1, options.steps + 1), loader, strict=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_pays(torch.device("cpu"))):
            outputs = network(truth["features"])
        each = losses(outputs.float(), truth)
        optimizer.zero_grad()
        sum(weights[name] * loss for name, loss in each.items()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent.append([loss.item() for loss in each.values()])
        if step % 50 == 0 or step == options.steps:
            named = zip(each, np.mean(recent[-50:], axis=0), strict=True)
            means = ", ".join(f"{name} {mean:.3f}" for name, mean in named)
            print(f"step {step}: {means}; {time.perf_counter() - start:.0f} s", flush=True)
            write(options.out, options.network, network)


def write(path: Path, number: int, network: Gated) -> None:
    """Puts a network into a file, beside those of other numbers."""
    kept = {}
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files if not name.startswith(f"{number}.")}
    mine = {f"{number}.{name}": value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    together = kept | mine
    with atomic_path(path) as unfinished:
        np.savez(unfinished, **{name: together[name] for name in sorted(together, key=lambda n: int(n.split(".")[0]))})
