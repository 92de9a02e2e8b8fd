"""The network that says of each note which hand plays it.

Dilated convolutions over the sequence of notes (`gated`). It knows figures and textures, which a sum over pairs of
notes cannot tell, but not what hands can reach; so `hands` adds its odds to that sum. Trained on composed music, and on
figures divided between the hands, by `tests/benchmarks/train_hands.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from s2s_lib.score.gated import convolve, read_networks, run_gated
from s2s_lib.score.hands_features import features, in_order

WEIGHTS = Path(__file__).with_name("hands.npz")


def judge_hands(intervals: np.ndarray, pitches: np.ndarray, velocities: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Log-odds (n,) that the right hand plays each of n >= 1 notes, whose chords begin at `bounds`."""
    order = in_order(pitches, bounds)
    inputs = features(intervals[order], pitches[order], velocities[order], bounds)
    networks = read_networks(WEIGHTS).values()
    odds = np.empty(len(order))
    odds[order] = np.mean([run_gated(convolve(inputs, net, "inp"), net)[:, 0] for net in networks], axis=0)
    return odds
