"""How much of the training's speed from disk is left when it streams: `python tests/benchmarks/streaming.py`.

The same training, the model of quick.yaml on as many pieces, in a fresh process each and in turn, so that both see the
same machine. What counts is the whole training: its start, its epochs and their validation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from s2s_lib.config import Config
from s2s_lib.data import generate
from s2s_lib.train import train

QUICK = Path(__file__).parents[2] / "parameters" / "quick.yaml"
WAYS = {"disk": False, "stream": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=240, help="pieces of the dataset (default 240)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each training (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the median is printed (default 3)")
    parser.add_argument("--overrides", default="{}", help="config keys of both trainings, as JSON")
    parser.add_argument("--one", choices=WAYS, help="train once this way and print the result as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(trained(WAYS[options.one], options)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, median of {options.rounds} rounds")
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, found in speeds.items():
            done = subprocess.run([sys.executable, *sys.argv, "--one", way], capture_output=True, text=True, check=True)
            found.append(show(way, json.loads(done.stdout)))
    for way, found in speeds.items():
        print(f"{way}: {statistics.median(found):.1f} s of audio per second")
    ratios = sorted(streamed / stored for stored, streamed in zip(*speeds.values(), strict=True))
    print(f"stream / disk: {statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})")


def trained(stream: bool, options: argparse.Namespace) -> dict[str, Any]:
    """Trains; returns the epochs as measured and the seconds of the whole training."""
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "dataset": {"samples": options.samples, "stream": stream},
            "training": {"num_epochs": options.epochs, "trackers": []},
            "output": {"output_dir": folder, "name": "streaming"},
        }
        config = Config.load(QUICK, own, json.loads(options.overrides))
        generate(config)
        start = time.perf_counter()
        return {"epochs": train(config).epochs, "seconds": time.perf_counter() - start}


def show(way: str, result: dict[str, Any]) -> float:
    """Prints what a training measured; returns its seconds of audio per second."""
    seconds, waited, audio = (
        [epoch[name] for epoch in result["epochs"]]
        for name in ("seconds", "waited_seconds", "audio_seconds_per_second")
    )
    speed = sum(rate * time for rate, time in zip(audio, seconds, strict=True)) / result["seconds"]
    print(
        f"  {way}: {speed:.1f} s of audio per second in {result['seconds']:.0f} s; by epoch "
        f"{' '.join(f'{rate:.1f}' for rate in audio)}, waited {sum(waited):.1f} s, the loader could give "
        f"{result['epochs'][-1]['loader_audio_seconds_per_second']:.0f}",
        flush=True,
    )
    return speed


if __name__ == "__main__":
    main()
