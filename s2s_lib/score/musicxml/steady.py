"""What holds for a passage: the course of least cost through bars, where every change costs something."""

from __future__ import annotations

import numpy as np


def steadiest(costs: np.ndarray, change: float) -> list[int]:
    """The state of each bar, from `costs` (bars, states) and the cost of a change of state (Viterbi's algorithm)."""
    if not len(costs):
        return []
    total, before = costs[0].astype(float), []
    for row in costs[1:]:
        best = int(np.argmin(total))
        changed = total[best] + change < total
        before.append(np.where(changed, best, np.arange(len(total))))
        total = np.where(changed, total[best] + change, total) + row
    states = [int(np.argmin(total))]
    for came_from in reversed(before):
        states.append(int(came_from[states[-1]]))
    return states[::-1]


def level_stretches(values: np.ndarray, change: float, shortest: int) -> list[tuple[int, int]]:
    """Stretches (start, end) of bars, each about level: least squared deviation, where each stretch costs `change`.

    None is shorter than `shortest` bars, unless there are fewer in all (optimal partitioning, Jackson et al. 2005).
    """
    count = len(values)
    sums, squares = np.insert(np.cumsum(values), 0, 0.0), np.insert(np.cumsum(values**2), 0, 0.0)
    cost, start_of = np.full(count + 1, np.inf), np.zeros(count + 1, int)
    cost[0] = 0.0
    for end in range(min(shortest, count), count + 1):
        starts = np.arange(max(1, end - shortest + 1))
        lengths = end - starts
        spread = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / lengths
        options = cost[starts] + spread + change
        start_of[end] = int(np.argmin(options))
        cost[end] = options[start_of[end]]
    stretches, end = [], count
    while end:
        stretches.append((int(start_of[end]), end))
        end = int(start_of[end])
    return stretches[::-1]
