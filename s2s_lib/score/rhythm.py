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
SPREAD_SHARES = (0.016, 0.04, 0.075)
SHORTEST_BEAT_S = 0.02  # so that beats too near each other divide nothing by zero
FURTHEST = 18.0  # cost of an onset at any distance beyond
AT_BOUND = 0.03  # of a beat: an onset this near to its beginning or end lies there, whatever its division
COLLAPSED = 9.0  # two onsets of one hand in one place, once they are clearly successive:
ONE_S, SUCCESSIVE_S = 0.035, 0.09  # up to the first not at all, from the second on altogether,
RELEASED_S, RELEASED = 0.01, 0.6  # and to this share if the key is up by then
TORN = 2.2  # onsets of two hands played together, in two places
JOINED = 1.5  # onsets of two hands played one after the other, in one place
TOGETHER_S, APART_S, FAR_S = 0.03, 0.07, 0.4  # up to the first; between the other two
CHANGED, TURNED = 0.6, 1.8  # to a finer or coarser subdivision; from straight to threes or back
USUAL_SMALLEST = Fraction(1, 16)  # of a whole note; half of it is dear:
FINER_THAN_USUAL = 1.5
PLAIN = (0.0, 0.6, 4.5, 9.9, 13.5)  # cost of a place by the level of the division that reaches it: whole, half, ..
TUPLET = (0.0, 4.3, 7.2, 11.7, 16.2)  # the same where a beat is divided against its metre
DOTTED = 0.3  # share of its cost that the last place of a division has where it stands alone, as after two dots
REPEATED = 0.6  # power of a count: as many places of one level in a beat cost less than each by itself
DOTTED_PARTS = (8, 16)  # divisions for which that holds
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
        levels, finest = self.levels[places], self.levels.max()
        counts = [np.count_nonzero(levels == level, axis=-1) for level in range(1, finest + 1)]
        total = self.cost + sum(cost * count**REPEATED for cost, count in zip(self.costs[1:], counts, strict=False))
        if self.parts not in DOTTED_PARTS:
            return total
        dotted = (counts[-1] == 1) & (places == self.parts - 1).any(axis=-1)
        return total - (1 - DOTTED) * self.costs[finest] * dotted


@dataclass(frozen=True)
class _Beat:
    """A beat's clusters by hand, as indices, and those of the beats beside it that lie on its beginning or end."""

    own: dict[str, list[int]]
    at_start: dict[str, int | None]
    at_end: dict[str, int | None]


def find_places(clusters: list[Cluster], timing: Timing, smallest: Fraction | None) -> list[Fraction]:
    """The place on the page, in quarter notes, of each cluster; clusters are sorted by time.

    Under a `smallest` note value, a fraction of a whole note, an onset that would need a shorter one shares the place
    before it: the rhythm is read as it is without, and then made plainer.
    """
    beat = timing.beat_quarters
    raw = timing.quarters(np.array([cluster.first_s for cluster in clusters])) / float(beat)
    first, last = int(np.floor(raw.min())), int(np.floor(raw.max())) + 1
    bounds_s = timing.seconds(np.arange(first, last + 1) * float(beat))
    divisions = divisions_of(beat, min(smallest or USUAL_SMALLEST, USUAL_SMALLEST))
    beats = _by_beat(clusters, raw - first, last - first)
    step_s = min(STEP_S, STEP_SHARE * float(np.median(np.diff(bounds_s))))
    parts = [division.parts for division in divisions]
    paths = [
        _best_path(parts, _emissions(clusters, beats, bounds_s, divisions, step_s, share)) for share in SPREAD_SHARES
    ]
    _, grids, offsets = min(paths, key=lambda path: path[0])
    places: list[Fraction] = [Fraction(0)] * len(clusters)
    for k, one in enumerate(beats):
        start_s = bounds_s[k] + step_s * SHIFTS[offsets[k]]
        length_s = max(bounds_s[k + 1] + step_s * SHIFTS[offsets[k + 1]] - start_s, SHORTEST_BEAT_S)
        for hand, grid in zip("RL", grids[k], strict=True):
            division = divisions[grid]
            own = one.own[hand]
            parts_kept = parts_of(beat, division.parts, smallest) if smallest else division.parts
            part, _ = _nearest([clusters[i] for i in own], np.array(start_s), np.array(length_s), division)
            for i, p in zip(own, part.tolist(), strict=True):
                place = Fraction(p * parts_kept // division.parts, parts_kept)
                places[i] = max(Fraction(0), (first + k + place) * beat)
    return places


def _by_beat(clusters: list[Cluster], raw: np.ndarray, count: int) -> list[_Beat]:
    """The clusters, which lie at `raw` (n,) in beats, in their beats."""
    own: list[dict[str, list[int]]] = [{"R": [], "L": []} for _ in range(count)]
    for i, (cluster, place) in enumerate(zip(clusters, raw.tolist(), strict=True)):
        own[int(place)][cluster.hand].append(i)

    def at(bound: int, beat: int, end: int) -> dict[str, int | None]:
        there = own[beat] if 0 <= beat < count else {"R": [], "L": []}
        outer = {hand: indices[end] if indices else None for hand, indices in there.items()}
        return {hand: i if i is not None and abs(raw[i] - bound) < AT_BOUND else None for hand, i in outer.items()}

    return [_Beat(hands, at(k, k - 1, -1), at(k + 1, k + 1, 0)) for k, hands in enumerate(own)]


def divisions_of(beat: Fraction, usual: Fraction) -> list[Division]:
    """The divisions that a beat of so many quarter notes may have: into notes of half of `usual` and longer."""
    compound = beat.numerator == 3
    found = []
    for threes in (False, True):
        for level, parts in enumerate(CHAINS[threes]):
            against = level > 0 and threes != compound
            if (against and compound) or (threes and level == 0):
                continue
            written = _written(beat, parts)
            if written * 2 >= usual:
                costs = TUPLET if against else PLAIN
                levels = np.array([_level(i, parts, CHAINS[threes]) for i in range(parts + 1)])
                found.append(Division(parts, levels, costs, 0.0 if written >= usual else FINER_THAN_USUAL))
    return found


def parts_of(beat: Fraction, parts: int, smallest: Fraction) -> int:
    """How many of so many equal parts of a beat are left where none may be written shorter than `smallest`.

    Triplets are written as the notes they are three of. The beat itself is always left.
    """
    coarser = (fewer for fewer in CHAINS[parts % 3 == 0] if fewer <= parts)
    return max(fewer for fewer in coarser if fewer == 1 or _written(beat, fewer) >= smallest)


def plain_step(beat: Fraction, smallest: Fraction) -> Fraction:
    """The finest part of a beat that is not against its metre, in quarter notes."""
    return beat / parts_of(beat, CHAINS[beat.numerator == 3][-1], smallest)


def _written(beat: Fraction, parts: int) -> Fraction:
    """The note value, as a fraction of a whole note, of one of so many parts of a beat."""
    triplet = parts % 3 == 0 and beat.numerator != 3
    return beat / parts / 4 * (Fraction(3, 2) if triplet else 1)


def _level(place: int, parts: int, chain: tuple[int, ...]) -> int:
    """The level of the coarsest division that has this place of a finer one."""
    return next(level for level, coarse in enumerate(chain) if place * coarse % parts == 0)


def _emissions(
    clusters: list[Cluster], beats: list[_Beat], bounds_s: np.ndarray, divisions: list[Division], step_s: float,
    share: float,
) -> Iterator[np.ndarray]:  # fmt: skip
    """The costs of each beat, as `_beat_costs` gives them."""
    for k, beat in enumerate(beats):
        starts = bounds_s[k] + step_s * SHIFTS[:, None]
        ends = bounds_s[k + 1] + step_s * SHIFTS[None, :]
        yield _beat_costs(clusters, beat, starts, ends, divisions, share)


def _beat_costs(
    clusters: list[Cluster], beat: _Beat, starts: np.ndarray, ends: np.ndarray, divisions: list[Division], share: float,
) -> np.ndarray:  # fmt: skip
    """Costs of a beat: (shift at its start, shift at its end, right hand's subdivision, left hand's)."""
    lengths = np.maximum(ends - starts, SHORTEST_BEAT_S)
    spread = np.hypot(SPREAD_S, share * lengths)
    costs, placed = {}, {}
    for hand in "RL":
        cost = np.zeros((*lengths.shape, len(divisions)))
        own = [clusters[i] for i in beat.own[hand]]
        places = np.zeros((*lengths.shape, len(divisions), len(own)))
        if own:
            successive = np.array([_successive(one, following) for one, following in pairwise(own)])
            for g, division in enumerate(divisions):
                part, off = _nearest(own, starts, lengths, division)
                cost[..., g] = np.minimum((off / spread[..., None]) ** 2 / 2, FURTHEST).sum(-1)
                cost[..., g] += len(own) * np.log(spread / SPREAD_S)
                cost[..., g] += division.cost_of(part)
                collapsed = ((np.diff(part, axis=-1) == 0) * successive).sum(-1)
                if (before := beat.at_start[hand]) is not None:
                    collapsed += (part[..., 0] == 0) * _successive(clusters[before], own[0])
                if (after := beat.at_end[hand]) is not None:
                    collapsed += (part[..., -1] == division.parts) * _successive(own[-1], clusters[after])
                cost[..., g] += COLLAPSED * collapsed
                places[..., g, :] = part / division.parts
        costs[hand], placed[hand] = cost, places
    total = costs["R"][..., :, None] + costs["L"][..., None, :]
    for i, right in enumerate(beat.own["R"]):
        for j, left in enumerate(beat.own["L"]):
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
