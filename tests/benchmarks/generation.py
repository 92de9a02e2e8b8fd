"""How fast datasets are made on this machine, and in how much memory: `python tests/benchmarks/generation.py`.

Speeds are seconds of audio per second of wall time at 16 kHz with the default settings. All ways are measured in turn
in every round, so ratios hold where absolute figures drift with the machine; medians are printed. Rendering is set
against one call of the `fluidsynth` program per piece, on the same MIDI files and soundfont.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import soundfile
import soxr

from s2s_lib.config import Config
from s2s_lib.data import Sample, generate
from s2s_lib.data.audio import write_flac
from s2s_lib.data.recipe import Studio
from s2s_lib.notes import read_midi, write_piece
from s2s_lib.pianos import Piano, Reverb
from s2s_lib.render import fluidsynth_version, render
from s2s_lib.soundfonts import find_soundfonts

RATE = 16000
ORIGINAL_RATE = 44100  # what the fluidsynth program renders at unless told otherwise
LOOP = "(c) rendering in a loop in process, one core"
LOOPED = 40  # pieces that the loops over single pieces play
SHORT = {"min_duration": 1.0, "max_duration": 2.0, "min_notes": 2, "max_notes": 20}  # pieces to measure memory with
MEMORY = """
import json, resource, sys
from s2s_lib.config import Config
from s2s_lib.data import generate
generate(Config.resolve(json.loads(sys.argv[1])))
print([resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200, help="pieces of a dataset (default 200)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the median is printed (default 3)")
    parser.add_argument("--no-memory", action="store_true", help="leave out the two datasets that show memory")
    options = parser.parse_args()
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    asked = f"{options.samples} pieces, {options.workers} workers, median of {options.rounds} rounds"
    print(f"{machine}, FluidSynth {fluidsynth_version()}, {asked}")
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), options.samples, options.workers, options.rounds)
        profile(Path(name), min(LOOPED, options.samples))
        if not options.no_memory:
            for samples in (100, 2000):
                memory(Path(name), samples, options.workers)


def compare(folder: Path, samples: int, workers: int, rounds: int) -> None:
    """Generation with several workers, in this process and as a command, against loops on one core."""
    speeds: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for way, speed in one_round(folder, number, samples, workers):
            speeds[way].append(speed)
            print(f"  round {number + 1}, {way}: {speed:.0f}", flush=True)
    for way, each in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(each, speeds[LOOP], strict=True))
        print(f"{way}: {statistics.median(each):.0f} s/s ({min(each):.0f} to {max(each):.0f}), {ratio:.2f} times (c)")


def one_round(folder: Path, number: int, samples: int, workers: int) -> Iterator[tuple[str, float]]:
    """(way, seconds of audio per second) of each way once."""
    config = configured(folder, f"round{number}", samples=samples, num_workers=workers)
    start = time.perf_counter()
    manifests = generate(config)
    took = time.perf_counter() - start
    seconds = sum(manifest.seconds for manifest in manifests.values())
    yield "(a) generate(), files written, start of the workers included", seconds / took
    took = timed(partial(command, folder, f"command{number}", samples, workers))
    yield "(b) the whole command 's2s generate', with its notebook and web page", seconds / took
    looped = [sample for manifest in manifests.values() for sample in manifest.samples][:LOOPED]
    seconds = sum(sample.duration_s for sample in looped)
    yield LOOP, seconds / timed(partial(in_process, looped))
    if shutil.which("fluidsynth"):
        target = folder / "out.wav"
        yield (
            "(d) a call of the fluidsynth program for each piece",
            seconds / timed(partial(by_program, looped, RATE, target)),
        )
        yield "(e) the same at 44.1 kHz, resampled", seconds / timed(partial(by_program, looped, ORIGINAL_RATE, target))


def profile(folder: Path, pieces: int) -> None:
    """Where the processor's time goes, stage by stage, in one process; other programs' load does not count."""
    clock: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        clock[name] += time.process_time() - start

    config, seconds = configured(folder, "profile"), 0.0
    studio, place = Studio(config), folder / "profile"
    for number in range(pieces):
        with stage("recipe and name"):
            recipe = studio.recipe("train", (config.dataset.seed, 0, number))
            recipe.digest(RATE)
        with stage("compose, vary, draw the piano"):
            take = recipe.take()
        with stage("write MIDI"):
            write_piece(place / "piece.mid", take.piece)
        with stage("read MIDI"):
            performance = read_midi(place / "piece.mid")
        with stage("render"):
            waveform = take.waveform(performance, RATE)
        with stage("write FLAC"):
            write_flac(place / "piece.flac", waveform, RATE)
        seconds += take.duration_s
    print(f"profile of one process, processor time, {sum(clock.values()) / seconds * 1000:.2f} ms per second of audio:")
    for name, spent in clock.items():
        print(f"  {name}: {spent / seconds * 1000:.2f} ms, {spent / sum(clock.values()):.0%}")
    print(f"  importing what a worker needs: {timed(lambda: python('import s2s_lib.data')):.2f} s, once per worker")


def memory(folder: Path, samples: int, workers: int) -> None:
    """Peak resident memory of the parent and of its largest worker."""
    config = configured(folder, f"memory{samples}", samples=samples, num_workers=workers, **SHORT)
    parent, worker = json.loads(python(MEMORY, config.model_dump_json()))
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
    print(f"{samples} samples: parent at most {parent / unit:.0f} MiB, each worker at most {worker / unit:.0f} MiB")


def configured(folder: Path, name: str, **dataset: object) -> Config:
    return Config.resolve({"dataset": dataset, "output": {"output_dir": str(folder), "name": name}})


def command(folder: Path, name: str, samples: int, workers: int) -> None:
    options = ["--samples", str(samples), "--num-workers", str(workers), "--output-dir", str(folder), "--name", name]
    subprocess.run([sys.executable, "-m", "s2s_lib", "generate", *options], check=True, capture_output=True)


def in_process(samples: list[Sample]) -> None:
    (font,) = find_soundfonts(["embedded"])
    for sample in samples:
        render(sample.performance(), Piano.plain(font, Reverb()), RATE)


def by_program(samples: list[Sample], rate: int, target: Path) -> None:
    (font,) = find_soundfonts(["embedded"])
    for sample in samples:
        call = ["fluidsynth", "-niq", "-r", str(rate), "-F", str(target), str(font.path), str(sample.midi)]
        subprocess.run(call, check=True, capture_output=True)
        if rate != RATE:
            soxr.resample(soundfile.read(target, dtype="float32")[0].mean(axis=1), rate, RATE)


def python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
