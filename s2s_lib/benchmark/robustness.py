"""What our transcriber makes of the same music when it is noisier, farther away, out of tune or softer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2s_lib import metrics
from s2s_lib.augment import within_full_scale
from s2s_lib.augment.dynamics import Gain
from s2s_lib.augment.noise import Noise
from s2s_lib.augment.room import Room
from s2s_lib.benchmark.repertoire import BenchmarkPiece
from s2s_lib.benchmark.sound import RATE, write_audio
from s2s_lib.benchmark.tools import OURS, run_tool
from s2s_lib.config import BenchmarkConfig, Config
from s2s_lib.metrics import Estimate, estimate
from s2s_lib.pianos import Piano, Reverb
from s2s_lib.progress import Progress
from s2s_lib.render import render
from s2s_lib.soundfonts import Soundfont

ROOM_DIRECT_DB = 3.0  # direct sound over reverberation: a microphone some metres away
AXES = {  # by config key: what is changed, in which unit
    "noise_snr_db": "pink noise, signal-to-noise ratio in dB",
    "reverb_seconds": f"room {ROOM_DIRECT_DB:.0f} dB below the direct sound, decay time in s",
    "detune_cents": "tuning of the whole piano in cents",
    "gain_db": "loudness in dB",
}


@dataclass(frozen=True)
class Curve:
    """Onset F1 of ours over one change of the sound: levels, mean over pieces with interval at each, and unchanged."""

    axis: str  # a key of AXES
    levels: tuple[float, ...]
    onset_f1: tuple[Estimate, ...]
    unchanged: Estimate


def measure(config: Config, model: Path, font: Soundfont, pieces: Sequence[BenchmarkPiece]) -> tuple[Curve, ...]:
    """One curve for each list of levels in `config.benchmark` that holds some, on the first `robustness_pieces`.

    The audio is always rendered through FluidSynth's library. Raises InputError if our transcriber fails on a file.
    """
    settings = config.benchmark
    pieces = pieces[: settings.robustness_pieces]
    levels = {axis: tuple(sorted(getattr(settings, axis))) for axis in AXES if getattr(settings, axis)}
    if not pieces or not levels:
        return ()
    places = [("", 0.0), *((axis, level) for axis, values in levels.items() for level in values)]
    with tempfile.TemporaryDirectory(prefix="s2s-") as folder:
        files = []
        for number, piece in enumerate(pieces):
            plain = _played(piece, font)
            for axis, level in places:
                files.append(Path(folder) / f"{number}-{axis}{level:g}.wav")
                write_audio(files[-1], _changed(axis, level, plain, piece, font, (settings.seed, number)))
        with Progress(total=len(files), label="robustness", unit="recording") as progress:
            scores = _scores(config, model, files, pieces, progress.advance)
    per_place = dict(zip(places, np.array(scores).reshape(len(pieces), len(places)).T.tolist(), strict=True))
    return tuple(_curve(axis, values, per_place, settings) for axis, values in levels.items())


def _curve(
    axis: str, levels: tuple[float, ...], scores: dict[tuple[str, float], list[float]], settings: BenchmarkConfig
) -> Curve:
    found = tuple(estimate(scores[axis, level], settings) for level in levels)
    return Curve(axis, levels, found, estimate(scores["", 0.0], settings))


def _played(piece: BenchmarkPiece, font: Soundfont, cents: float = 0.0) -> np.ndarray:
    return render(piece.performance, Piano(Piano.plain(font).layers, Reverb(), tuning_cents=cents), RATE)


def _changed(
    axis: str, level: float, plain: np.ndarray, piece: BenchmarkPiece, font: Soundfont, seed: tuple[int, int]
) -> np.ndarray:
    """A piece's audio with one change; the same noise and the same walls at every level."""
    own = int(np.random.default_rng(seed).integers(2**63))
    if axis == "detune_cents":
        return _played(piece, font, level)
    effects = {
        "noise_snr_db": lambda: Noise("pink", level, own),
        "reverb_seconds": lambda: Room(level, ROOM_DIRECT_DB, own),
        "gain_db": lambda: Gain(level),
    }
    return within_full_scale(effects[axis]().apply(plain, RATE)) if axis else plain


def _scores(
    config: Config, model: Path, files: Sequence[Path], pieces: Sequence[BenchmarkPiece], done: Callable[[], None]
) -> list[float]:
    """Onset F1 on each file; those of a piece follow each other. A transcription that fails scores 0."""
    run = run_tool(OURS, config, model, files[0], files, done)
    each = len(files) // len(pieces)
    return [
        metrics.score(pieces[number // each].performance, heard.notes, config.evaluation).onset.f1
        if heard.notes
        else 0.0
        for number, heard in enumerate(run.transcriptions)
    ]
