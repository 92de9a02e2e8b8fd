"""The key of a performance."""

from __future__ import annotations

import numpy as np

from s2s_lib.compose.theory import Key, parse_key
from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS
from s2s_lib.notes import Performance, as_arrays

# Shares of the pitch classes from the tonic up (Albrecht and Shanahan, "The Use of Large Corpora to Train a New Type
# of Key-Finding Algorithm", Music Perception 31(1), 2013).
MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
LONGEST_S = 1.0  # for which a held note counts
CLOSING_S = 0.3  # before the last onset, from which notes make up the last chord
CLOSING = 3.0  # times the last chord counts: pieces end on their tonic


def find_key(performance: Performance) -> str:
    """The key, such as "Eb" or "C#m", whose profile the durations of the performance's pitch classes follow best.

    Best is the highest correlation (Krumhansl 1990). Of enharmonic keys the one with the fewer accidentals is named.
    ValueError without notes.
    """
    if not performance.notes:
        raise ValueError("a performance without notes has no key")
    intervals, pitches, _ = as_arrays(performance.notes)
    lengths_s = np.minimum(intervals[:, 1] - intervals[:, 0], LONGEST_S)
    lengths_s[intervals[:, 0] >= intervals[-1, 0] - CLOSING_S] *= CLOSING
    heard = np.bincount(pitches.astype(int) % 12, lengths_s, 12)
    names = (*MAJOR_KEYS, *MINOR_KEYS)
    profiles = np.stack([_profile(parse_key(name)) for name in names])
    return names[int(np.argmax(np.corrcoef(heard, profiles)[0, 1:]))]


def _profile(key: Key) -> np.ndarray:
    """Shares of the pitch classes from C up in music of the given key: (12,)."""
    return np.roll(MINOR_PROFILE if key.minor else MAJOR_PROFILE, key.tonic)
