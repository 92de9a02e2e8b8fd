"""Operations per second of audio, and the share that is reached of what this machine's matrix products give.

    python tests/benchmarks/operations.py [--config parameters/released.yaml] [--threads 2] [--rounds 5]

Counts the floating-point operations of matrix products and convolutions in one window's forward pass and in one
training step (torch.utils.flop_counter), times both, and times large matrix products in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from s2s_lib.config import Config, read_yaml
from s2s_lib.pretrained import build_model
from s2s_lib.train.machine import matrix_rate


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The fastest of some rounds, after one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("parameters/released.yaml"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--windows", type=int, default=1, help="windows in a batch")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = build_model(Config.resolve(read_yaml(options.config)))
    waveform = torch.randn(options.windows, model.config.window_samples) * 0.1
    audio_s = options.windows * model.config.frames * model.config.frame_s

    def forward() -> None:
        with torch.inference_mode():
            model(waveform)

    def step() -> None:
        model.zero_grad()
        sum(value.square().mean() for value in model(waveform).values()).backward()

    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{parameters} parameters, {options.threads} threads, {options.windows} windows")
    peak, half = (matrix_rate(torch.device("cpu"), dtype) for dtype in (torch.float32, torch.bfloat16))
    print(f"matrix products: fp32 {peak / 1e9:.0f}, bf16 {half / 1e9:.0f} GFLOP/s")
    for name, work in (("forward pass", forward), ("training step", step)):
        with FlopCounterMode(display=False) as counter:
            work()
        operations, taken = counter.get_total_flops(), seconds(work, options.rounds)
        print(
            f"{name}: {operations / audio_s / 1e9:.2f} GFLOP and {1000 * taken / audio_s:.1f} ms per second of audio, "
            f"{operations / taken / 1e9:.0f} GFLOP/s, {operations / taken / peak:.0%} of fp32 matrix products"
        )


if __name__ == "__main__":
    main()
