"""The networks that say of each onset whether it carries a beat, how long beats are there, and in what metre.

Dilated convolutions over the sequence of onsets, gated as in WaveNet (van den Oord et al. 2016), an architecture that
is known to track beats well in audio (Davies and Böck, EUSIPCO 2019). Several such networks judge together: what one
of them has learnt too well of composed music the others don't share. Trained on composed music alone, by
`tests/benchmarks/train_beats.py`; here they run in NumPy.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import expit

from s2s_lib.metre import TimeSignature
from s2s_lib.score.beats_features import PLAIN, features
from s2s_lib.score.beats_path import LENGTH_STEP, LENGTHS_S
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
    return np.mean([_back(_run(inputs, weights), speed) for weights in _networks()], axis=0)


def _back(outputs: np.ndarray, speed: float) -> np.ndarray:
    """Outputs (n, OUTPUTS) for music played so much faster, as log-probabilities with lengths as the music has them."""
    lengths, metres = np.split(outputs[:, 2:], [len(LENGTHS_S)], axis=1)
    place = np.clip(np.arange(len(LENGTHS_S)) - np.log(speed) / LENGTH_STEP, 0, len(LENGTHS_S) - 1)
    below = np.minimum(place.astype(int), len(LENGTHS_S) - 2)
    lengths, share = _log_softmax(lengths), place - below
    lengths = lengths[:, below] * (1 - share) + lengths[:, below + 1] * share
    return np.concatenate([outputs[:, :2], lengths, _log_softmax(metres)], axis=1)


def _run(inputs: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """A network: (n, FEATURES) -> (n, OUTPUTS)."""
    hidden = _convolve(inputs[:, :PLAIN], weights, "inp") + _convolve(inputs[:, PLAIN:], weights, "lag")
    hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))  # ELU
    block = 0
    while f"blocks.{block}.weight" in weights:
        both = _convolve(hidden, weights, f"blocks.{block}", dilation=2**block)
        signal, gate = np.split(both, 2, axis=1)
        hidden = hidden + _convolve(np.tanh(signal) * expit(gate), weights, f"mix.{block}")
        block += 1
    return _convolve(hidden, weights, "head")


@cache
def _networks() -> tuple[dict[str, np.ndarray], ...]:
    """The networks' weights, by layer; in the file the names begin with the network's number."""
    networks: dict[str, dict[str, np.ndarray]] = {}
    with np.load(WEIGHTS, allow_pickle=False) as file:
        for name in file.files:
            number, _, layer = name.partition(".")
            networks.setdefault(number, {})[layer] = file[name].astype(np.float32)
    return tuple(networks.values())


def _convolve(x: np.ndarray, weights: dict[str, np.ndarray], name: str, dilation: int = 1) -> np.ndarray:
    """(n, in) -> (n, out), zeros beyond the ends; the kernel is (out, in, width) as in PyTorch."""
    kernel = weights[f"{name}.weight"]
    reach = dilation * (kernel.shape[2] // 2)
    padded = np.pad(x, ((reach, reach), (0, 0)))
    taps = (padded[i * dilation : i * dilation + len(x)] @ kernel[:, :, i].T for i in range(kernel.shape[2]))
    return sum(taps, start=weights[f"{name}.bias"])


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))
