"""How long the error explorer takes for a move of the threshold: `python tests/benchmarks/explorer.py`.

A move is all that the kernel does for it: notes written, scored, told by kind, the table and the piano roll made. The
piece is 30 s of random notes, its probabilities those of a model that is sure of little, its key releases told by the
released forest. Every threshold is new to the explorer, so nothing is at hand.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from s2s_lib import metrics
from s2s_lib.config import RELEASED_FOLDER, Config
from s2s_lib.evaluate import Evaluation, SampleResult
from s2s_lib.notes import Note, PedalEvent, Performance, resolve_overlaps
from s2s_lib.offsets import load_offsets
from s2s_lib.report.explorer import Explorer
from s2s_lib.sources import MIDI, Source
from s2s_lib.targets import Grid, Thresholds, encode
from s2s_lib.transcribe import Probabilities

SECONDS, FRAME_S, RATE = 30.0, 0.02, 16000
NEVER = np.zeros(0, np.float32)  # no sound is asked for


def music(rate: float, rng: np.random.Generator) -> Performance:
    """Random notes, `rate` a second, with a pedal that moves every second."""
    onsets, lengths = rng.uniform(0, SECONDS - 1, round(rate * SECONDS)), rng.uniform(0.05, 1, round(rate * SECONDS))
    keys, loudness = rng.integers(30, 95, len(onsets)), rng.integers(20, 110, len(onsets))
    rows = zip(onsets.tolist(), (onsets + lengths).tolist(), keys.tolist(), loudness.tolist(), strict=True)
    pedal = tuple(PedalEvent(0.5 * i, 127 * (i % 2)) for i in range(round(2 * SECONDS)))
    return Performance(resolve_overlaps([Note(*row) for row in rows]), pedal)


def heard(ref: Performance, rng: np.random.Generator) -> Probabilities:
    """Each note with a probability of its own, and as many false ones."""
    grid, ghosts = (encode(p, 0.0, round(SECONDS / FRAME_S), FRAME_S) for p in (ref, music(10, rng)))
    sure = rng.uniform(0.2, 1.0, grid.onset.shape[1]).astype(np.float32)
    onset = np.maximum(grid.onset * sure, 0.5 * ghosts.onset * rng.permutation(sure))
    seen = Grid(**(vars(grid) | {"onset": onset}))
    return Probabilities(seen, FRAME_S, Thresholds(), SECONDS, load_offsets(RELEASED_FOLDER))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=float, default=12.0, help="notes played a second")
    parser.add_argument("--moves", type=int, default=90)
    options = parser.parse_args()
    rng, settings = np.random.default_rng(0), Config().evaluation
    ref = music(options.notes, rng)
    known = heard(ref, rng)
    est = known.notes(known.thresholds.onset)
    result = SampleResult(
        source=Source("piece", MIDI, ref, RATE, lambda: NEVER), est=est,
        pairs=metrics.match(ref.notes, est.notes, settings), duration_s=SECONDS,
        scores=metrics.score(ref, est, settings), confusion=metrics.confusion(ref, est, settings),
        over_time=metrics.over_time(ref, est, settings), real_time_factor=1.0, probabilities=known,
    )  # fmt: skip
    explorer = Explorer(Evaluation(Config(), Path("model"), "cpu", (result,)))
    explorer.window.value = (0.0, SECONDS)
    times, work, counts = [], [], []
    for threshold in rng.permutation(np.linspace(0.051, 0.949, options.moves)).tolist():
        start, begun = time.perf_counter(), time.process_time()
        explorer.threshold.value = threshold
        times.append(1000 * (time.perf_counter() - start))
        work.append(1000 * (time.process_time() - begun))
        counts.append(len(explorer.reading.est.notes))
    print(
        f"{SECONDS:.0f} s, {len(ref.notes)} notes played, {min(counts)} to {max(counts)} written, "
        f"{len(explorer.roll.value) / 1024:.0f} KB drawn; {options.moves} moves of the threshold: median "
        f"{np.median(times):.0f} ms, 95th percentile {np.percentile(times, 95):.0f} ms, most {max(times):.0f} ms; "
        f"processor time {np.median(work):.0f} ms, 95th percentile {np.percentile(work, 95):.0f} ms"
    )


if __name__ == "__main__":
    main()
