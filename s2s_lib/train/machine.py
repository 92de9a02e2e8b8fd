"""What training costs in operations, and what the machine could give: both measured, in matrix operations."""

from __future__ import annotations

import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from s2s_lib.model import TranscriptionModel

SIDES = {"cpu": 1024, "cuda": 8192}  # of the matrices, large enough for the device's best and small enough to be quick
SIDE = 2048  # on any other device
MEASURED_S = 0.1
FEWEST_ROUNDS = 3


def window_operations(model: TranscriptionModel) -> int:
    """Floating-point operations of matrix products and convolutions in one window's forward and backward pass.

    Attention is counted as the matrix products that it consists of. Leaves no gradients, and random generators and
    mode as they were.
    """
    training, device = model.training, next(model.parameters()).device
    waveform = torch.zeros(1, model.config.window_samples, device=device)
    model.eval()  # dropout would draw
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.stack([values.float().mean() for values in model(waveform).values()]).sum().backward()
    model.zero_grad(set_to_none=True)
    model.train(training)
    return counter.get_total_flops()


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large square matrix product: the fastest of those that a tenth of a second holds."""
    side = SIDES.get(device.type, SIDE)
    matrix = torch.randn(side, side, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    times: list[float] = []
    while len(times) < FEWEST_ROUNDS or sum(times) < MEASURED_S:
        _wait_for(device)
        start = time.perf_counter()
        matrix @ matrix
        _wait_for(device)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
