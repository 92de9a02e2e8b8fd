"""How fast this machine trains and transcribes with the model of quick.yaml: `python tests/benchmarks/speed.py`."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from s2s_lib.config import Config
from s2s_lib.data import generate, load_manifests
from s2s_lib.devices import bf16_pays, resolve_device
from s2s_lib.train import train
from s2s_lib.transcribe import Transcriber

RATE = 16000
QUICK = Path(__file__).parents[2] / "parameters" / "quick.yaml"


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        learning(Path(name))


def learning(folder: Path) -> None:
    """Training throughput and transcription speed."""
    config = Config.load(
        QUICK,
        {
            "dataset": {"samples": 60},
            "training": {"num_epochs": 2, "trackers": []},
            "output": {"output_dir": str(folder), "name": "speed"},
        },
    )
    generate(config)
    history = train(config)
    report(
        f"training, {history.parameters / 1e6:.1f} M parameters on {history.device} in {history.precision}",
        history.epochs[-1]["audio_seconds_per_second"],
    )
    transcriber = Transcriber.load(config.output.model)
    audio = np.concatenate([sample.waveform() for sample in load_manifests(config.output.data)["train"].samples])
    transcriber.transcribe(audio[: 10 * RATE], RATE, config.evaluation)  # warm up
    elapsed = timed(lambda: transcriber.transcribe(audio, RATE, config.evaluation))
    bf16 = "bf16" if bf16_pays(resolve_device("auto")) else "fp32"
    report(f"transcribing in {bf16}", len(audio) / RATE / elapsed)


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def report(name: str, speed: float) -> None:
    print(f"{name}: {speed:.0f} s of audio per second", flush=True)


if __name__ == "__main__":
    main()
