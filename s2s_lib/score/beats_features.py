"""What each onset of a performance looks like to the network that tells beats: itself, its neighbours, its echoes."""

from __future__ import annotations

import numpy as np

from s2s_lib.score.onsets import Onsets

SHORTEST_GAP_S, LONGEST_GAP_S = 0.02, 4.0
NEARBY_S = 2.0  # to either side of an onset, for what is loud, low or high there
HARMONY_S = (0.5, 1.0, 2.0)  # stretches before and after an onset whose harmony is compared
BASS_REACH = 16  # onsets within which one as low is looked for
LAGS_S = np.exp(np.linspace(np.log(0.1), np.log(4.0), 44))  # distances of echoes
LAG_REACH = 56  # onsets within which echoes are looked for
ECHOES = 4  # kinds of them
PLAIN = 25  # columns about the onset and its neighbours
FEATURES = PLAIN + 2 * ECHOES * len(LAGS_S)


def features(onsets: Onsets) -> np.ndarray:
    """All that the network sees: (n, FEATURES) float32."""
    return np.concatenate([neighbourhood(onsets), echoes(onsets)], axis=1)


def neighbourhood(onsets: Onsets) -> np.ndarray:
    """Time to the neighbours, size, register, loudness, length, harmonic change: (n, PLAIN) float32, about -3..3."""
    times, size = onsets.times_s, onsets.size
    low, high = onsets.lowest(onsets.pitch), onsets.highest(onsets.pitch)
    loud, total = onsets.highest(onsets.velocity), np.add.reduceat(onsets.velocity, onsets.first[:-1])
    longest, shortest = onsets.highest(onsets.length_s), onsets.lowest(onsets.length_s)
    gap = np.diff(times)
    before, after = _log_gap(np.concatenate([[np.inf], gap])), _log_gap(np.concatenate([gap, [np.inf]]))
    steps_low, steps_high = np.diff(low), np.diff(high)
    since, until = _bass_gaps(low, times)
    columns = [
        before + 1.2, after + 1.2, after - before, np.concatenate([before[:1], before[:-1]]) - before,
        np.log(size), (low - 52) / 12, (high - 70) / 12,
        (low - _around(low, times)) / 12, (high - _around(high, times)) / 12, (loud - _around(loud, times)) / 12,
        (loud - 60) / 25, np.log1p(total / 64) - 0.8,
        _log_length(longest) + 1.2, _log_length(shortest) + 1.2, (_log_length(longest) - after) / 2,
        *(_harmonic_change(onsets, span_s) for span_s in HARMONY_S), since, until,
        np.concatenate([[0], steps_low]) / 12, np.concatenate([steps_low, [0]]) / 12,
        np.concatenate([[0], steps_high]) / 12, np.concatenate([steps_high, [0]]) / 12,
        (onsets.pitch[onsets.first[1:] - 1] - onsets.pitch[onsets.first[:-1]]) / 24,
    ]  # fmt: skip
    return np.clip(np.stack(columns, axis=1), -4, 4).astype(np.float32)


def echoes(onsets: Onsets) -> np.ndarray:
    """How much lies at each lag before and after each onset: (n, 2 * ECHOES * len(LAGS_S)) float32, 0..3.

    Counts onsets, weighs them by loudness and size, by how much of a bass they are, by the pitch classes they share:
    a local autocorrelation, in which beats and bars stand out as lags (after Dixon, JNMR 2001, and the tempograms of
    Grosche and Müller 2011).
    """
    times, n, lags = onsets.times_s, len(onsets.times_s), len(LAGS_S)
    low, loud = onsets.lowest(onsets.pitch), onsets.highest(onsets.velocity)
    bass = 1 / (1 + np.exp((low - _around(low, times) + 3) / 3))
    strong = np.minimum(np.clip(onsets.size, 1, 4) / 2 * np.exp((loud - _around(loud, times)) / 20), 4.0)
    chroma = _chroma(onsets)
    chroma /= np.linalg.norm(chroma, axis=1, keepdims=True)
    table = np.zeros((n, 2, ECHOES, lags), np.float32)
    step = np.log(LAGS_S[1] / LAGS_S[0])
    for reach in range(1, min(LAG_REACH, n - 1) + 1):
        place = (np.log(np.maximum(times[reach:] - times[:-reach], 1e-3)) - np.log(LAGS_S[0])) / step
        earlier = np.flatnonzero((place >= 0) & (place < lags - 1))
        place, later = place[earlier], earlier + reach
        lag = place.astype(int)
        share = place - lag  # a lag between two columns counts in both
        alike = (chroma[earlier] * chroma[later]).sum(axis=1)
        for side, here, there in ((0, later, earlier), (1, earlier, later)):
            for kind, weight in enumerate((1.0, strong[there], bass[there], alike)):
                table[here, side, kind, lag] += weight * (1 - share)  # no onset comes twice in `here`
                table[here, side, kind, lag + 1] += weight * share
    return np.minimum(table.reshape(n, -1), 3.0)


def _log_gap(gap_s: np.ndarray) -> np.ndarray:
    return np.log(np.clip(gap_s, SHORTEST_GAP_S, LONGEST_GAP_S))


def _log_length(length_s: np.ndarray) -> np.ndarray:
    return np.log(np.clip(length_s, 0.03, LONGEST_GAP_S))


def _around(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n,) mean of the values near each onset."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low, high = np.searchsorted(times, times - NEARBY_S), np.searchsorted(times, times + NEARBY_S, side="right")
    return (sums[high] - sums[low]) / (high - low)


def _chroma(onsets: Onsets) -> np.ndarray:
    """(n, 12) how many notes of each pitch class an onset has."""
    chroma = np.zeros((len(onsets.times_s), 12))
    np.add.at(chroma, (onsets.of_note, onsets.pitch.astype(int) % 12), 1.0)
    return chroma


def _harmonic_change(onsets: Onsets, span_s: float) -> np.ndarray:
    """(n,) cosine distance between the pitch classes in the `span_s` before each onset and those from it on."""
    times = onsets.times_s
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(_chroma(onsets), axis=0)])
    here = np.arange(len(times))
    past = sums[here] - sums[np.searchsorted(times, times - span_s)]
    coming = sums[np.searchsorted(times, times + span_s * 0.9)] - sums[here]
    norms = np.sqrt((past**2).sum(axis=1) * (coming**2).sum(axis=1))
    return np.where(norms > 0, 1 - (past * coming).sum(axis=1) / np.maximum(norms, 1e-9), 0.5)


def _bass_gaps(low: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) log seconds since and until an onset with about as low a note: a bass note has long ones."""
    since, until = np.full(len(low), 3.0), np.full(len(low), 3.0)
    for reach in range(min(BASS_REACH, len(low) - 1), 0, -1):
        gap = times[reach:] - times[:-reach]
        since[reach:] = np.where(low[:-reach] <= low[reach:] + 2, gap, since[reach:])
        until[:-reach] = np.where(low[reach:] <= low[:-reach] + 2, gap, until[:-reach])
    return np.log(np.clip(since, 0.05, LONGEST_GAP_S)) + 0.7, np.log(np.clip(until, 0.05, LONGEST_GAP_S)) + 0.7
