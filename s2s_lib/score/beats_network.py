"""The networks that say of each onset whether it carries a beat, how long beats are there, and in what metre.

Dilated convolutions over the sequence of onsets (`gated`), an architecture that is known to track beats well in audio
(Davies and Böck, EUSIPCO 2019). Several such networks judge together: what one of them has learnt too well of composed
music the others don't share. Trained on composed music alone, by `tests/benchmarks/train_beats.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from s2s_lib.metre import TimeSignature
from s2s_lib.score.beats_features import PLAIN, features
from s2s_lib.score.beats_path import LENGTH_STEP, LENGTHS_S
from s2s_lib.score.gated import Weights, convolve, read_networks, run_gated
from s2s_lib.score.onsets import Onsets

WEIGHTS = Path(__file__).with_name("beats.npz")
METRES: tuple[TimeSignature, ...] = ((2, 4), (3, 4), (4, 4), (6, 8))
METRE_SHARES = (0.2, 0.3, 0.38, 0.12)  # about as in the piano's repertoire; so often training met them
SPEEDS = (0.8, 1.0, 1.25)  # at which the music is looked at, for a judgement that hangs less on the tempo
OUTPUTS = 2 + len(LENGTHS_S) + len(METRES)


def judge(onsets: Onsets) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of a beat (n,) and of a beat's being a downbeat (n,), log-probabilities of lengths and metres (n, ...).

    The lengths are `LENGTHS_S`, the metres `METRES`. Means over the networks and what the music looks like at `SPEEDS`.
    """
    outputs = np.mean([_at_speed(onsets, speed) for speed in SPEEDS], axis=0)
    lengths, metres = np.split(outputs[:, 2:], [len(LENGTHS_S)], axis=1)
    return outputs[:, 0], outputs[:, 1], lengths, metres


def _at_speed(onsets: Onsets, speed: float) -> np.ndarray:
    """(n, OUTPUTS) judgement of music played so much faster, with lengths as they are in the music itself."""
    times = {name: getattr(onsets, name) / speed for name in ("times_s", "onset_s", "length_s")}
    inputs = features(replace(onsets, **times))
    return np.mean([_back(_run(inputs, weights), speed) for weights in read_networks(WEIGHTS).values()], axis=0)


def _back(outputs: np.ndarray, speed: float) -> np.ndarray:
    """Outputs (n, OUTPUTS) for music played so much faster, as log-probabilities with lengths as the music has them."""
    lengths, metres = np.split(outputs[:, 2:], [len(LENGTHS_S)], axis=1)
    place = np.clip(np.arange(len(LENGTHS_S)) - np.log(speed) / LENGTH_STEP, 0, len(LENGTHS_S) - 1)
    below = np.minimum(place.astype(int), len(LENGTHS_S) - 2)
    lengths, share = _log_softmax(lengths), place - below
    lengths = lengths[:, below] * (1 - share) + lengths[:, below + 1] * share
    return np.concatenate([outputs[:, :2], lengths, _log_softmax(metres)], axis=1)


def _run(inputs: np.ndarray, weights: Weights) -> np.ndarray:
    """A network: (n, FEATURES) -> (n, OUTPUTS)."""
    return run_gated(convolve(inputs[:, :PLAIN], weights, "inp") + convolve(inputs[:, PLAIN:], weights, "lag"), weights)


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))
