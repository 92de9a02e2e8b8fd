"""Gated convolutions over a sequence, run in NumPy.

Dilated convolutions, gated as in WaveNet (van den Oord et al. 2016), in residual blocks whose dilations double. The
scripts in tests/benchmarks train them in PyTorch; names and shapes of the weights are PyTorch's.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import expit

Weights = dict[str, np.ndarray]  # by layer


@cache
def read_networks(path: Path) -> dict[str, Weights]:
    """The networks of a file by their numbers, with which the names of weights begin."""
    networks: dict[str, Weights] = {}
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            number, _, layer = name.partition(".")
            networks.setdefault(number, {})[layer] = file[name].astype(np.float32)
    return networks


def run_gated(hidden: np.ndarray, weights: Weights) -> np.ndarray:
    """What comes after the first layer, its sums (n, channels) -> (n, outputs)."""
    hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))  # ELU
    block = 0
    while f"blocks.{block}.weight" in weights:
        both = convolve(hidden, weights, f"blocks.{block}", dilation=2**block)
        signal, gate = np.split(both, 2, axis=1)
        hidden = hidden + convolve(np.tanh(signal) * expit(gate), weights, f"mix.{block}")
        block += 1
    return convolve(hidden, weights, "head")


def convolve(x: np.ndarray, weights: Weights, name: str, dilation: int = 1) -> np.ndarray:
    """(n, in) -> (n, out), zeros beyond the ends; the kernel is (out, in, width) as in PyTorch."""
    kernel = weights[f"{name}.weight"]
    reach = dilation * (kernel.shape[2] // 2)
    padded = np.pad(x, ((reach, reach), (0, 0)))
    taps = (padded[i * dilation : i * dilation + len(x)] @ kernel[:, :, i].T for i in range(kernel.shape[2]))
    return sum(taps, start=weights[f"{name}.bias"])
