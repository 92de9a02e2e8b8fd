"""Onsets to places on the page: chords gathered, and every beat given a subdivision.

A dynamic programme over the beats picks, for both hands together, the subdivision of each beat and by how much its
bar line or beat was found too early or too late. It trades fit (squared deviations in time) against complexity
(-log of how usual places, subdivisions and changes of subdivision are), as Cemgil, Desain and Kappen do ("Rhythm
quantization for transcription", Computer Music Journal 24(2), 2000), with the two hands' places weighed together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from s2s_lib.score.clusters import Cluster
from s2s_lib.score.timing import Timing

SHIFTS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])  # by which a beat may be off, in steps
STEP_S, STEP_SHARE = 0.022, 0.05  # of these shifts, in seconds and at most this share of the median beat
SHIFT_COST = 0.3  # of a squared step
SPREAD_S = 0.014  # standard deviation of an onset, and as a share of the beat; what fits the piece best is taken:
SPREAD_SHARES = (0.024, 0.075)
SHORTEST_BEAT_S = 0.02  # so that beats too near each other divide nothing by zero
FURTHEST = 18.0  # cost of an onset at any distance beyond
COLLAPSED = 9.0  # two onsets of one hand in one place, once they are clearly successive:
ONE_S, SUCCESSIVE_S = 0.035, 0.09  # up to the first not at all, from the second on altogether,
RELEASED_S, RELEASED = 0.01, 0.6  # and to this share if the key is up by then
TORN = 2.2  # onsets of two hands played together, in two places
JOINED = 1.5  # onsets of two hands played one after the other, in one place
TOGETHER_S, APART_S, FAR_S = 0.03, 0.07, 0.4  # up to the first; between the other two
CHANGED, TURNED = 0.6, 1.8  # to a finer or coarser subdivision; from straight to threes or back
FINER_THAN_WISHED = 3.0  # a division below the smallest value wished for
PLAIN = (0.0, 0.6, 4.5, 9.9, 13.5)  # cost of a place by the level of the division that reaches it: whole, half, ..
TUPLET = (0.0, 4.3, 7.2, 11.7, 16.2)  # the same where a beat is divided against its metre
REPEATED = 0.6  # power of a count: as many places of one level in a beat cost less than each by itself
CHAINS = {False: (1, 2, 4, 8, 16), True: (1, 3, 6, 12, 24)}  # the divisions of a beat by level; by threes or not


@dataclass(frozen=True)
class Division:
    """A beat in equal parts: how many, the level of each of its places (parts + 1,), what levels and itself cost."""

    parts: int
    levels: np.ndarray
    costs: tuple[float, ...]
    cost: float

    def cost_of(self, places: np.ndarray) -> np.ndarray:
        """Cost (..) of onsets at these places (.., onsets), in parts of the beat."""
        levels = self.levels[places]
        counts = (np.count_nonzero(levels == level, axis=-1) for level in range(1, self.levels.max() + 1))
        return self.cost + sum(cost * count**REPEATED for cost, count in zip(self.costs[1:], counts, strict=False))


def find_places(clusters: list[Cluster], timing: Timing, smallest: Fraction) -> list[Fraction]:
    """The place on the page, in quarter notes, of each cluster; clusters are sorted by time.

    `smallest` is the smallest note value as a fraction of a whole note. Smaller ones are used only where a beat has
    more successive onsets than `smallest` and its triplets have room for.
    """
    beat = timing.beat_quarters
    raw = timing.quarters(np.array([cluster.first_s for cluster in clusters])) / float(beat)
    first, last = int(np.floor(raw.min())), int(np.floor(raw.max())) + 1
    bounds_s = timing.seconds(np.arange(first, last + 1) * float(beat))
    divisions = divisions_of(beat, smallest)
    by_beat: list[dict[str, list[int]]] = [{"R": [], "L": []} for _ in range(last - first)]
    for i, cluster in enumerate(clusters):
        by_beat[int(np.floor(raw[i])) - first][cluster.hand].append(i)
    step_s = min(STEP_S, STEP_SHARE * float(np.median(np.diff(bounds_s))))
    parts = [division.parts for division in divisions]
    paths = [
        _best_path(parts, _emissions(clusters, by_beat, bounds_s, divisions, step_s, share)) for share in SPREAD_SHARES
    ]
    _, grids, offsets = min(paths, key=lambda path: path[0])
    places: list[Fraction] = [Fraction(0)] * len(clusters)
    for k, hands in enumerate(by_beat):
        start_s = bounds_s[k] + step_s * SHIFTS[offsets[k]]
        length_s = max(bounds_s[k + 1] + step_s * SHIFTS[offsets[k + 1]] - start_s, SHORTEST_BEAT_S)
        for hand, grid in zip("RL", grids[k], strict=True):
            division = divisions[grid]
            own = hands[hand]
            part, _ = _nearest([clusters[i] for i in own], np.array(start_s), np.array(length_s), division)
            for i, p in zip(own, part.tolist(), strict=True):
                places[i] = max(Fraction(0), (first + k + Fraction(p, division.parts)) * beat)
    return places


def divisions_of(beat: Fraction, smallest: Fraction) -> list[Division]:
    """The divisions that a beat of so many quarter notes may have."""
    compound = beat.numerator == 3
    found = []
    for threes in (False, True):
        for level, parts in enumerate(CHAINS[threes]):
            against = level > 0 and threes != compound
            if (against and compound) or (threes and level == 0):
                continue
            written = beat / parts / 4 * (Fraction(3, 2) if against else 1)
            if written * 2 >= smallest:
                costs = TUPLET if against else PLAIN
                levels = np.array([_level(i, parts, CHAINS[threes]) for i in range(parts + 1)])
                found.append(Division(parts, levels, costs, 0.0 if written >= smallest else FINER_THAN_WISHED))
    return found


def _level(place: int, parts: int, chain: tuple[int, ...]) -> int:
    """The level of the coarsest division that has this place of a finer one."""
    return next(level for level, coarse in enumerate(chain) if place * coarse % parts == 0)


def _emissions(
    clusters: list[Cluster], by_beat: list[dict[str, list[int]]], bounds_s: np.ndarray, divisions: list[Division],
    step_s: float, share: float,
) -> Iterator[np.ndarray]:  # fmt: skip
    """The costs of each beat, as `_beat_costs` gives them."""
    for k, hands in enumerate(by_beat):
        starts = bounds_s[k] + step_s * SHIFTS[:, None]
        ends = bounds_s[k + 1] + step_s * SHIFTS[None, :]
        yield _beat_costs(clusters, hands, starts, ends, divisions, share)


def _beat_costs(
    clusters: list[Cluster], hands: dict[str, list[int]], starts: np.ndarray, ends: np.ndarray,
    divisions: list[Division], share: float,
) -> np.ndarray:  # fmt: skip
    """Costs of a beat: (shift at its start, shift at its end, right hand's subdivision, left hand's)."""
    lengths = np.maximum(ends - starts, SHORTEST_BEAT_S)
    spread = np.hypot(SPREAD_S, share * lengths)
    costs, placed = {}, {}
    for hand in "RL":
        cost = np.zeros((*lengths.shape, len(divisions)))
        places = np.zeros((*lengths.shape, len(divisions), len(hands[hand])))
        if hands[hand]:
            successive = np.array([_successive(clusters[i], clusters[j]) for i, j in pairwise(hands[hand])])
            for g, division in enumerate(divisions):
                part, off = _nearest([clusters[i] for i in hands[hand]], starts, lengths, division)
                cost[..., g] = np.minimum((off / spread[..., None]) ** 2 / 2, FURTHEST).sum(-1)
                cost[..., g] += len(hands[hand]) * np.log(spread / SPREAD_S)
                cost[..., g] += division.cost_of(part)
                cost[..., g] += COLLAPSED * ((np.diff(part, axis=-1) == 0) * successive).sum(-1)
                places[..., g, :] = part / division.parts
        costs[hand], placed[hand] = cost, places
    total = costs["R"][..., :, None] + costs["L"][..., None, :]
    for i, right in enumerate(hands["R"]):
        for j, left in enumerate(hands["L"]):
            apart = _apart(clusters[right], clusters[left])
            if TOGETHER_S <= apart <= APART_S or apart > FAR_S:
                continue
            same = np.isclose(placed["R"][..., :, None, i], placed["L"][..., None, :, j])
            total += TORN * ~same if apart < TOGETHER_S else JOINED * same
    return total


def _nearest(
    clusters: list[Cluster], starts: np.ndarray, lengths: np.ndarray, division: Division
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest place of each cluster in a division of the beat, and how far off it is in seconds.

    Both are (.., clusters) for beats that begin at `starts` (..) and last `lengths` (..).
    """
    parts, levels = division.parts, division.levels
    first = np.array([cluster.first_s for cluster in clusters])
    last = np.array([cluster.last_s for cluster in clusters])
    from_start = (first - starts[..., None], last - starts[..., None])
    part = np.clip(np.rint(from_start[0] / lengths[..., None] * parts), 0, parts)
    late = np.clip(np.rint(from_start[1] / lengths[..., None] * parts), 0, parts)
    off = [p * lengths[..., None] / parts for p in (part, late)]
    off = [np.maximum(from_start[0] - o, 0) + np.maximum(o - from_start[1], 0) for o in off]
    later = (off[1] < off[0]) | ((off[1] == off[0]) & (levels[late.astype(int)] < levels[part.astype(int)]))
    return np.where(later, late, part).astype(int), np.where(later, off[1], off[0])


def _successive(one: Cluster, following: Cluster) -> float:
    """How clearly a cluster follows another of the same hand and is not a part of it, 0 to 1."""
    gap = (following.first_s - one.first_s - ONE_S) / (SUCCESSIVE_S - ONE_S)
    released = one.release_s < following.first_s + RELEASED_S
    return min(max(gap, RELEASED * released, 0.0), 1.0)


def _apart(one: Cluster, other: Cluster) -> float:
    """Seconds between two clusters, 0 where their times overlap."""
    return max(0.0, one.first_s - other.last_s, other.first_s - one.last_s)


def _best_path(parts: list[int], emissions: Iterable[np.ndarray]) -> tuple[float, list[tuple[int, int]], list[int]]:
    """The least cost, and with it the divisions (right, left) of each beat and the shift at each of their bounds."""
    change = np.array([[_change(a, b) for b in parts] for a in parts])
    count = len(parts)
    prior = SHIFT_COST * SHIFTS**2
    best = np.broadcast_to(prior[:, None, None], (len(SHIFTS), count, count)).copy()
    back = []
    for emission in emissions:
        # cheapest way into each pair of subdivisions, the right hand's first: (shift, new right, left), (.., new left)
        right = best[:, :, None, :] + change[None, :, :, None]
        from_right = right.argmin(1)
        right = right.min(1)
        left = right[:, :, :, None] + change[None, None, :, :]
        from_left = left.argmin(2)
        entered = left.min(2)
        through = entered[:, None] + emission  # (start, end, right, left)
        from_shift = through.argmin(0)
        best = through.min(0) + prior[:, None, None]
        back.append((from_shift, from_left, from_right))
    cost = float(best.min())
    shift, right, left = np.unravel_index(best.argmin(), best.shape)
    grids, shifts = [], [int(shift)]
    for from_shift, from_left, from_right in reversed(back):
        grids.append((int(right), int(left)))
        shift = from_shift[shift, right, left]
        new_left = from_left[shift, right, left]
        right = from_right[shift, right, new_left]
        left = new_left
        shifts.append(int(shift))
    return cost, grids[::-1], shifts[::-1]


def _change(before: int, after: int) -> float:
    if before == after:
        return 0.0
    return CHANGED if before % after == 0 or after % before == 0 else TURNED
