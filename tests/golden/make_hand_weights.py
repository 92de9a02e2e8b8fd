"""Learns s2s_lib/score/hand_weights.py from composed pieces: PYTHONPATH=. python tests/golden/make_hand_weights.py

The weights are those of a log-linear model, fitted by maximum pseudo-likelihood (Besag 1975): every note's hand is told
by logistic regression from the hands of all others. The penalty is strong on purpose, as composed music is simpler
than what the weights are for. It takes half a minute.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import PITCHES, Piece, as_arrays
from s2s_lib.score import hands
from s2s_lib.score.hands import FEATURES, MEMORIES_S

PIECES = 60  # of each level
PENALTY = 0.01
NAMES = ("same", "held_same", "cross", "held_cross", "chord_same", "chord_cross", "register")
WIDTHS = {**{name: table.shape[1] for name, table in FEATURES.items()}, "register": 4}
COPIES = {"same": len(MEMORIES_S), "cross": len(MEMORIES_S)}


def blocks() -> dict[tuple[str, int], slice]:
    """Where the weights of each name and memory lie in the vector of all."""
    places, start = {}, 0
    for name in NAMES:
        for copy in range(COPIES.get(name, 1)):
            places[name, copy] = slice(start, start + WIDTHS[name])
            start += WIDTHS[name]
    return places


PLACES = blocks()
TOTAL = max(place.stop for place in PLACES.values())


def rows(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """For each note the features with it in the right hand less those with it in the left, and whether it is right."""
    intervals, pitches, _ = as_arrays(piece.performance.notes)
    right = np.array([note.hand == "R" for note in piece.notated], float)
    bounds = hands.chords(intervals[:, 0])
    table = np.zeros((len(pitches), TOTAL))
    before = hands.past(intervals, pitches, bounds)
    for memory, recent in enumerate(before.recent):
        pairs(table, before, right, recent, ("same", memory), ("cross", memory))
    pairs(table, before, right, before.held, ("held_same", 0), ("held_cross", 0))
    for start, end in pairwise(bounds.tolist()):
        for i in range(start, end):
            together(table[i], pitches[start:end], right[start:end], i - start)
    return table, right


def pairs(
    table: np.ndarray, before: hands.Past, right: np.ndarray, weight: np.ndarray, same: tuple, cross: tuple
) -> None:
    """Adds what the pairs with earlier notes say, to both notes of a pair."""
    one = FEATURES[same[0]][np.abs(before.steps)]
    above = FEATURES[cross[0]][before.steps + PITCHES - 1]
    below = FEATURES[cross[0]][PITCHES - 1 - before.steps]
    weight = np.where(before.known, weight, 0.0)[..., None]
    earlier, later = right[before.earlier][..., None], right[:, None, None]
    table[:, PLACES[same]] += (weight * one * (2 * earlier - 1)).sum(1)
    table[:, PLACES[cross]] += (weight * ((1 - earlier) * above - earlier * below)).sum(1)
    np.add.at(table[:, PLACES[same]], before.earlier, weight * one * (2 * later - 1))
    np.add.at(table[:, PLACES[cross]], before.earlier, weight * ((1 - later) * below - later * above))


def together(row: np.ndarray, pitches: np.ndarray, right: np.ndarray, i: int) -> None:
    """Adds what the notes struck together with note `i` of a chord say, and its register."""
    for j in range(len(pitches)):
        if j != i:
            step, side = int(pitches[i] - pitches[j]), 2 * right[j] - 1
            row[PLACES["chord_same", 0]] += side * FEATURES["chord_same"][abs(step)]
            row[PLACES["chord_cross", 0]] -= side * FEATURES["chord_cross"][PITCHES - 1 - int(side) * step]
    row[PLACES["register", 0]] = hands.register(pitches)[i]


def fit(table: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weights of the penalised logistic regression, by Newton's method."""
    signed = table * (2 * right - 1)[:, None]
    scale = np.sqrt((signed**2).mean(0)) + 1e-6
    signed, weights = signed / scale, np.zeros(TOTAL)
    for _ in range(30):
        wrong = 1 / (1 + np.exp(np.clip(signed @ weights, -30, 30)))
        slope = PENALTY * weights - (signed * wrong[:, None]).mean(0)
        bend = (signed * (wrong * (1 - wrong))[:, None]).T @ signed / len(signed) + PENALTY * np.eye(TOTAL)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-5:
            break
    return weights / scale


def literal(weights: np.ndarray) -> str:
    lines = ['"""Weights of `hands`, learnt from composed pieces by tests/golden/make_hand_weights.py."""', ""]
    lines += ["from __future__ import annotations", "", "import numpy as np", "", "WEIGHTS = {"]
    for name in NAMES:
        copies = [[round(x, 3) for x in weights[PLACES[name, c]].tolist()] for c in range(COPIES.get(name, 1))]
        if name in COPIES:
            lines += [f'    "{name}": np.array([', *(f"        {row}," for row in copies), "    ]),"]
        else:
            lines.append(f'    "{name}": np.array({copies[0]}),')
    return "\n".join([*lines, "}  # fmt: skip", ""])


def main() -> None:
    limits = {"min_notes": 10, "max_notes": 3000, "min_duration": 20.0, "max_duration": 30.0}
    found = [
        rows(compose(np.random.default_rng([5, i]), DatasetConfig(complexity=level, **limits)))
        for level in ("simple", "medium", "complex")
        for i in range(PIECES)
    ]
    weights = fit(np.concatenate([table for table, _ in found]), np.concatenate([right for _, right in found]))
    Path(hands.__file__).with_name("hand_weights.py").write_text(literal(weights))


if __name__ == "__main__":
    main()
