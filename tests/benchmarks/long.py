"""What an hour of audio takes to transcribe: `python tests/benchmarks/long.py MODEL_FOLDER [--minutes 60]`.

The recording is composed and played in a process of its own, so that the memory reported is the transcription's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.transcribe import Transcriber

RATE = 44100


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "recording.flac"
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            notes = pool.submit(record, path, 60 * arguments.minutes).result()
        seconds = soundfile.info(path).duration
        print(f"{seconds / 60:.1f} minutes, {notes} notes, {RATE} Hz stereo", flush=True)
        transcriber = Transcriber.load(arguments.model, arguments.device)
        before = peak_memory()
        start = time.perf_counter()
        found = transcriber.transcribe(path)
        elapsed = time.perf_counter() - start
    print(f"{len(found.notes)} notes found on {transcriber.device}")
    print(f"peak memory: {before:.0f} MB with the model loaded, {peak_memory():.0f} MB after the transcription")
    print(f"{elapsed:.1f} s: {elapsed / seconds:.4f} s per second of audio")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="model folder")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def record(path: Path, seconds: float) -> int:
    """Writes pieces, one after the other, as a stereo recording at least so long; returns their number of notes."""
    piano, settings = Piano.plain(find_soundfonts(["embedded"])[0]), DatasetConfig(complexity="complex")
    done = notes = seed = 0
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        while done < seconds * RATE:
            piece = compose(np.random.default_rng(seed), settings)
            waveform = render(piece.performance, piano, RATE)
            file.write(np.stack([waveform, waveform], axis=1))
            done, notes, seed = done + len(waveform), notes + len(piece.performance.notes), seed + 1
    return notes


def peak_memory() -> float:
    """Most memory that this process has held, in MB; macOS counts in bytes, others in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
