"""Which hand plays each note of a performance.

A score is given to every way of sharing the notes between two hands, as a sum over pairs of notes close in time: what
one hand would have to span or jump, how far the hands are apart or crossed; and over single notes and chords: the
register, five fingers to a hand, no hand idle for long. Beam search over the chords in time order finds the best sum,
in time linear in the number of notes. The same quantities, hand positions and crossings, carry the merged-output
hidden Markov models of Nakamura, Ono and Sagayama (ISMIR 2014); here their weights are learnt from composed pieces
(`hand_weights`, made by tests/golden/make_hand_weights.py). What no pair of notes tells, the figure that a note belongs
to, a network adds (`hands_network`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from s2s_lib.notes import PITCHES, Performance, as_arrays
from s2s_lib.score.hand_weights import WEIGHTS
from s2s_lib.score.hands_features import HELD_S
from s2s_lib.score.hands_network import judge_hands

CHORD_S = 0.035  # within which notes count as struck together
MEMORY = 40  # earlier notes that a note is compared with
MEMORIES_S = (0.1, 0.3, 1.0, 4.0)  # time constants with which those count less and less
FREE_CROSSING = 4  # notes of a chord up to which any sharing is tried; in larger ones no hand reaches into the other
SIXTH_KEY = 3.0  # taken off a score for each key beyond five under one hand; composed pieces have none to learn from
# two hands share: of the last notes (of this many, or so many at least), the share from which on one hand plays too
# much, and what is taken off for each further note of a hand that played them all
IDLE_NOTES, LEAST_NOTES, IDLE_SHARE, IDLE = 16, 8, 0.75, 0.4
NETWORK = 0.35  # of the network's log-odds that are added to the sum
BEAM = 24  # sharings kept from one chord to the next
CHUNK = 2000  # chords whose pairs are weighed at once, to bound the memory that a long performance takes


def _over(distances: np.ndarray, start: float) -> np.ndarray:
    """Octaves by which distances in semitones exceed `start`."""
    return np.maximum(distances - start, 0) / 12


# What a pair is judged by. One hand: rows by the distance of two notes, 0-87 semitones. Two hands: rows by how far the
# right hand's note is above the left hand's, -87..87.
_APART, _ABOVE = np.arange(PITCHES, dtype=float), np.arange(1 - PITCHES, PITCHES, dtype=float)
ONE = np.ones_like(_APART)
FEATURES = {
    "same": np.stack([ONE, _APART == 0, _APART == 12, *(_over(_APART, start) for start in (0, 4, 8, 13))], -1),
    "held_same": np.stack([ONE, *(_over(_APART, start) for start in (7, 12, 15))], -1),
    "chord_same": np.stack([ONE, _APART == 12, *(_over(_APART, start) for start in (4, 7, 12, 15))], -1),
    "cross": np.stack(
        [np.ones_like(_ABOVE), _ABOVE < 0, _ABOVE == 0, _over(-_ABOVE, 0), _over(7 - _ABOVE, 0), _over(_ABOVE, 19)], -1
    ),
    "held_cross": np.stack([_ABOVE < 0, _over(-_ABOVE, 0)], -1),
    "chord_cross": np.stack([_ABOVE < 0, _over(-_ABOVE, 0), _over(7 - _ABOVE, 0)], -1),
}


def split_hands(performance: Performance) -> list[str]:
    """The hand, "R" or "L", that plays each of the performance's notes."""
    if not performance.notes:
        return []
    intervals, pitches, velocities = as_arrays(performance.notes)
    bounds = chords(intervals[:, 0])
    odds = NETWORK * judge_hands(intervals, pitches, velocities, bounds)
    bits = np.zeros((1, MEMORY))  # sharings x the hands of the notes last given out, 1 for the right
    scores = np.zeros(1)
    steps: list[tuple[np.ndarray, np.ndarray]] = []  # per chord and sharing: the sharing before, the chord's own hands
    for start, end, links in _linked(intervals, pitches, bounds):
        ways = sharings(pitches[start:end])
        alone = ways @ odds[start:end] + _chord_scores(pitches[start:end], ways)
        totals = scores[:, None] + _given_past(bits, links, ways) + alone
        if start >= LEAST_NOTES:
            totals -= IDLE * _alone(bits[:, -min(start, IDLE_NOTES) :], ways)
        bits, scores, step = _best(totals, bits, ways)
        steps.append(step)
    right, at = [], 0
    for before, hands in reversed(steps):
        right.append(hands[at])
        at = before[at]
    return np.where(np.concatenate(right[::-1]) > 0, "R", "L").tolist()


def chords(onsets_s: np.ndarray) -> np.ndarray:
    """Indices at which the notes struck together begin, of onsets in time order, and behind them their number."""
    starts = [0]
    for i in range(1, len(onsets_s)):
        if onsets_s[i] - onsets_s[starts[-1]] > CHORD_S:
            starts.append(i)
    return np.array([*starts, len(onsets_s)])


def sharings(pitches: np.ndarray) -> np.ndarray:
    """The ways (ways, n) to share the n notes of a chord between the right hand (1) and the left (0)."""
    count = len(pitches)
    if count <= FREE_CROSSING:
        return ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(float)
    rank = np.argsort(np.argsort(pitches, kind="stable"))
    return (rank >= np.arange(count + 1)[:, None]).astype(float)


@dataclass(frozen=True)
class Past:
    """The notes struck before each of n notes and not together with it, MEMORY of them.

    earlier: (n, MEMORY) their indices; known: (n, MEMORY) false where the performance had not begun; steps:
    (n, MEMORY) semitones from the earlier to the later note; weights: by kind of memory, each (n, MEMORY).
    """

    earlier: np.ndarray
    known: np.ndarray
    steps: np.ndarray
    recent: tuple[np.ndarray, ...]
    held: np.ndarray


def past(intervals: np.ndarray, pitches: np.ndarray, bounds: np.ndarray) -> Past:
    """The past of the notes of the chords that `bounds` parts, out of all notes' intervals (N, 2) and pitches (N,)."""
    notes = slice(bounds[0], bounds[-1])
    earlier = np.repeat(bounds[:-1], np.diff(bounds))[:, None] + np.arange(-MEMORY, 0)
    known = earlier >= 0
    earlier = np.maximum(earlier, 0)
    onsets_s = intervals[notes, :1]
    ago_s = onsets_s - intervals[earlier, 0]
    recent = tuple(np.where(known, np.exp(-ago_s / memory_s), 0.0) for memory_s in MEMORIES_S)
    held = np.where(known & (intervals[earlier, 1] > onsets_s + HELD_S), 1.0, 0.0)
    return Past(earlier, known, (pitches[notes, None] - pitches[earlier]).astype(int), recent, held)


def register(pitches: np.ndarray) -> np.ndarray:
    """What speaks for the right hand in each note's height: (n, 4)."""
    return np.stack([np.ones_like(pitches), (pitches - 60) / 12, _over(pitches, 72), _over(48 - pitches, 0)], -1)


Links = tuple[np.ndarray, np.ndarray, np.ndarray]  # each (n, MEMORY): scores of a note with the notes before it


def _linked(intervals: np.ndarray, pitches: np.ndarray, bounds: np.ndarray) -> Iterator[tuple[int, int, Links]]:
    """Start and end of each chord, and its notes' scores with the notes before."""
    for first in range(0, len(bounds) - 1, CHUNK):
        inside = bounds[first : first + CHUNK + 1]
        links = _link(past(intervals, pitches, inside))
        for start, end in zip(inside[:-1].tolist(), inside[1:].tolist(), strict=True):
            rows = slice(start - inside[0], end - inside[0])
            yield start, end, (links[0][rows], links[1][rows], links[2][rows])


def _link(before: Past) -> Links:
    """Scores of both notes in one hand, of the later one in the right, and of the later one in the left."""
    apart, above = np.abs(before.steps), before.steps + PITCHES - 1
    below = 2 * (PITCHES - 1) - above
    one = before.held * _table("held_same")[apart]
    later_right, later_left = (before.held * _table("held_cross")[x] for x in (above, below))
    for recent, same, cross in zip(before.recent, WEIGHTS["same"], WEIGHTS["cross"], strict=True):
        one += recent * (FEATURES["same"] @ same)[apart]
        table = FEATURES["cross"] @ cross
        later_right += recent * table[above]
        later_left += recent * table[below]
    return one, later_right, later_left


def _table(name: str) -> np.ndarray:
    return FEATURES[name] @ WEIGHTS[name]


def _given_past(bits: np.ndarray, links: Links, ways: np.ndarray) -> np.ndarray:
    """Scores (sharings, ways) of a chord's ways with the notes before it."""
    one, later_right, later_left = links
    right = bits @ (one - later_right).T + later_right.sum(1)  # sharings x notes
    left = one.sum(1) - bits @ (one - later_left).T
    return left.sum(1)[:, None] + (right - left) @ ways.T


def _alone(bits: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Notes (sharings, ways) of a chord for a hand that has played too much of the last ones, 0-1 each."""
    share = bits.mean(1, keepdims=True)
    right, left = (np.maximum(part - IDLE_SHARE, 0) / (1 - IDLE_SHARE) for part in (share, 1 - share))
    return right * ways.sum(1) + left * (1 - ways).sum(1)


def _chord_scores(pitches: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Scores (ways,) of the notes of a chord by themselves."""
    keys = np.stack([ways.sum(1), (1 - ways).sum(1)])
    scores = ways @ (register(pitches) @ WEIGHTS["register"]) - SIXTH_KEY * np.maximum(keys - 5, 0).sum(0)
    first, second = np.triu_indices(len(pitches), 1)
    if len(first):
        steps = (pitches[first] - pitches[second]).astype(int)
        one = ways[:, first] == ways[:, second]
        above = np.where(ways[:, first] > ways[:, second], steps, -steps) + PITCHES - 1
        scores += np.where(one, _table("chord_same")[np.abs(steps)], _table("chord_cross")[above]).sum(1)
    return scores


def _best(
    totals: np.ndarray, bits: np.ndarray, ways: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The best of the grown sharings; of those that agree on all remembered notes the best one only."""
    flat = totals.ravel()
    order = np.argsort(-flat, kind="stable")[: 2 * BEAM]
    before, way = np.divmod(order, len(ways))
    grown = np.concatenate([bits[before], ways[way]], 1)[:, -MEMORY:]
    _, distinct = np.unique(grown @ 2.0 ** np.arange(MEMORY), return_index=True)
    kept = np.sort(distinct)[:BEAM]
    return grown[kept], flat[order[kept]], (before[kept], ways[way[kept]])
