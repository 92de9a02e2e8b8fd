"""How fast this machine composes, renders, trains and transcribes: `python tests/benchmarks/speed.py`.

Everything is measured in one run, so the ratios hold where absolute figures drift with the machine. Rendering is set
against one call of the `fluidsynth` program per piece, on the same MIDI files, soundfont, sample rate and reverb.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from s2s_lib.compose import compose
from s2s_lib.config import Config, DatasetConfig
from s2s_lib.data import generate, load_manifests
from s2s_lib.devices import bf16_pays, resolve_device
from s2s_lib.notes import Performance, read_midi, write_piece
from s2s_lib.render import RenderSettings, Reverb, fluidsynth_version, render, resolve_soundfont
from s2s_lib.train import train
from s2s_lib.transcribe import Transcriber

RATE = 16000
PIECE_S = 20.0
QUICK = Path(__file__).parents[2] / "parameters" / "quick.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=12, help="pieces of 20 s (default 12)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, the median is printed (default 5)")
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"FluidSynth {fluidsynth_version()}, {options.pieces} pieces of {PIECE_S:.0f} s, median of {options.rounds}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rendering(folder, options.pieces, options.rounds)
        learning(folder)


def rendering(folder: Path, pieces: int, rounds: int) -> None:
    """Composing, and rendering on one core against the fluidsynth program."""
    limits = DatasetConfig(min_duration=PIECE_S, max_duration=PIECE_S, max_notes=400, complexity="medium")
    start = time.perf_counter()
    composed = [compose(np.random.default_rng(seed), limits) for seed in range(pieces)]
    report("composing, one core", pieces * PIECE_S / (time.perf_counter() - start))
    paths = [folder / f"{number}.mid" for number in range(pieces)]
    for path, piece in zip(paths, composed, strict=True):
        write_piece(path, piece)
    performances = [read_midi(path) for path in paths]
    font = resolve_soundfont("embedded")
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):  # in turn, so that both see the same machine
        ours.append(pieces * PIECE_S / timed(lambda: in_process(performances, font)))
        if shutil.which("fluidsynth"):
            theirs.append(pieces * PIECE_S / timed(lambda: by_program(paths, font, folder)))
    report("rendering in process, one core", statistics.median(ours))
    if theirs:
        report("rendering by the fluidsynth program, one call per piece", statistics.median(theirs))
        ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
        print(f"  ratio: {statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})")
    else:
        print("  the fluidsynth program is not installed, so there is nothing to compare with")


def in_process(performances: list[Performance], font: Path) -> None:
    for performance in performances:
        render(performance, font, RenderSettings(RATE, Reverb()))


def by_program(paths: list[Path], font: Path, folder: Path) -> None:
    for path in paths:
        command = ["fluidsynth", "-niq", "-r", str(RATE), "-F", str(folder / "out.wav"), str(font), str(path)]
        subprocess.run(command, check=True, capture_output=True)


def learning(folder: Path) -> None:
    """Generation with all cores, training throughput and transcription speed with the model of quick.yaml."""
    config = Config.load(
        QUICK,
        {
            "dataset": {"samples": 60},
            "training": {"num_epochs": 2, "trackers": []},
            "output": {"output_dir": str(folder), "name": "speed"},
        },
    )
    start = time.perf_counter()
    manifests = generate(config)
    seconds = sum(manifest.seconds for manifest in manifests.values())
    report("composing, rendering and writing FLAC, all cores", seconds / (time.perf_counter() - start))
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
