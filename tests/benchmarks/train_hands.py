"""Trains the network behind `s2s_lib.score.hands` and writes its weights.

    python tests/benchmarks/train_hands.py

It learns from composed pieces, some of them upside down, some with their hands moved nearer to each other, and from
figures that the hands share, which the composer does not write: broken chords that begin in the left hand and go on in
the right, runs over the keyboard from hand to hand, hands in turn. The shipped network took 9 minutes on two cores with
matrix units; its composer still wrote quarter notes in 6/8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from gated_training import Gated, fit, parser
from plays import Play, compose_all, play_anew
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH
from s2s_lib.score.hands import CHORD_S, chords
from s2s_lib.score.hands_features import FEATURES, features, in_order
from s2s_lib.score.hands_network import WEIGHTS

WINDOW = 320  # notes of a piece that a step sees
BATCH = 32
SHARED, MIRRORED, MOVED = 0.15, 0.25, 0.15  # shares of figures, of pieces upside down, of those with hands moved
NEARER, SCATTER = 2.0, 4.0  # semitones by which hands are moved towards each other, and how evenly
MIRROR = (116, 130)  # sum of a pitch and its mirror image
FIGURE_BARS, STEP_S = (10, 36), (0.07, 0.35)


def moved(rng: np.random.Generator, play: Play) -> Play:
    """The piece with each hand at another height, so that hands come nearer or cross."""
    right, left = np.rint(rng.normal((-NEARER, NEARER), SCATTER))
    return on_keys(replace(play, pitch=play.pitch + np.where(play.left, left, right)))


def mirrored(rng: np.random.Generator, play: Play) -> Play:
    """The piece upside down, with the right hand for the left."""
    return on_keys(replace(play, pitch=rng.integers(*MIRROR) - play.pitch, left=~play.left))


def on_keys(play: Play) -> Play:
    """The notes that the keyboard has, each key struck once at a time."""
    there = (play.pitch >= LOWEST_PITCH) & (play.pitch <= HIGHEST_PITCH)
    order = np.lexsort((play.onset_s, play.pitch))
    twice = (np.diff(play.pitch[order]) == 0) & (np.diff(play.onset_s[order]) < CHORD_S)
    there[order[1:][twice]] = False
    return play.notes(there)


def figures(rng: np.random.Generator) -> Play:
    """One kind of figure from chord to chord, divided between the hands."""
    kind = rng.choice(["broken", "broken", "run", "turns"])
    step_s, now_s = np.exp(rng.uniform(*np.log(STEP_S))), 0.2
    chord = first_chord(rng)
    keys = len(chord)
    lefts = int(rng.integers(1, keys if rng.random() < 0.3 else max(2, keys // 2 + 1)))
    shape = draw_shape(rng, keys, lefts)
    held = rng.random(2) < (0.3, 0.6)  # of the right hand's keys, of the left's
    velocity = rng.uniform(40, 80, 2)
    repeats, sung = int(rng.choice([1, 2, 2, 4])), kind == "broken" and rng.random() < 0.25
    rows: list[tuple[float, float, int, float, bool]] = []
    for _ in range(rng.integers(*FIGURE_BARS)):
        for repeat in range(repeats):
            strokes = stroke_figure(kind, chord, shape, lefts, repeat, even=repeats % 2 == 0)
            span_s = len(strokes) * step_s
            for i, (pitches, left) in enumerate(strokes):
                until_s = span_s if held[int(left)] and kind == "broken" else (i + rng.uniform(0.7, 1.1)) * step_s
                rows += [(now_s + i * step_s, now_s + until_s, pitch, velocity[int(left)], left) for pitch in pitches]
            if sung and repeat == 0:
                tune = min(HIGHEST_PITCH, chord[-1] + int(rng.integers(3, 9)))
                rows.append((now_s, now_s + 0.95 * span_s, tune, velocity[0] + 15, False))
            now_s += span_s * np.exp(rng.normal(0, 0.02))
        chord = led_on(rng, chord)
    onset_s, offset_s, pitch, loud, left = np.array(rows).T
    play = Play(onset_s, np.maximum(offset_s, onset_s + 0.03), pitch, loud, np.full(len(rows), np.nan),
                left > 0, np.arange(0, now_s + 1), 0)  # fmt: skip
    return on_keys(play)


def first_chord(rng: np.random.Generator) -> list[int]:
    """Four to seven keys, wider apart at the bottom."""
    chord = [int(rng.integers(38, 58))]
    for place in range(int(rng.integers(3, 7))):
        chord.append(chord[-1] + int(rng.choice([3, 4, 5, 7] if place else [3, 4, 5, 7, 8, 9, 12])))
    return chord


def draw_shape(rng: np.random.Generator, keys: int, lefts: int) -> list[int]:
    """In which order a broken chord's keys are struck: mostly from the lowest up, then more of the right hand's."""
    length = int(rng.choice([6, 8, 8, 12]))
    if rng.random() < 0.8:
        shape = [*range(keys), *rng.integers(lefts, keys, max(0, length - keys)).tolist()]
    else:
        shape = [*rng.permutation(keys).tolist(), *rng.integers(0, keys, max(0, length - keys)).tolist()]
    return shape[:length]


def stroke_figure(
    kind: str, chord: list[int], shape: list[int], lefts: int, repeat: int, even: bool
) -> list[tuple[list[int], bool]]:
    """The keys struck in turn, and whether by the left hand."""
    if kind == "broken":
        return [([chord[place]], place < lefts) for place in shape]
    if kind == "turns":
        return [(chord[:lefts][:4], True) if i % 2 == repeat % 2 else (chord[lefts:][:4], False)
                for i in range(len(shape))]  # fmt: skip
    up = [pitch + octave for octave in (0, 12) for pitch in chord if pitch + octave <= HIGHEST_PITCH]
    run = [([pitch], i < len(up) // 2) for i, pitch in enumerate(up)]
    return run + run[-2:0:-1] if even else run


def led_on(rng: np.random.Generator, chord: list[int]) -> list[int]:
    """The next chord, each voice by a step or not at all."""
    steps = np.clip(np.array(chord) + rng.choice([-2, -1, 0, 0, 1, 2], len(chord)), 30, 94)
    found = sorted(set(steps.tolist()))
    while len(found) < len(chord):
        found.append(found[-1] + int(rng.integers(3, 6)))
    return found


def window(rng: np.random.Generator, play: Play) -> tuple[np.ndarray, np.ndarray]:
    """Features and right hands of some notes of a performance; what comes before and after is seen too."""
    first = int(rng.integers(0, max(1, len(play.pitch) - WINDOW + 1)))
    near = play.notes(np.arange(max(0, first - WINDOW // 4), min(len(play.pitch), first + WINDOW * 5 // 4)))
    bounds = chords(near.onset_s)
    order = in_order(near.pitch, bounds)
    seen = features(
        np.stack([near.onset_s, near.offset_s], axis=1)[order], near.pitch[order], near.velocity[order], bounds
    )
    start = min(first, WINDOW // 4)
    return seen[start : start + WINDOW], ~near.left[order][start : start + WINDOW]


class Batches(IterableDataset):
    """Endless batches of performances, made in a process of its own while the network learns."""

    def __init__(self, plays: list[Play], seed: int):
        weights = np.sqrt([len(play.pitch) for play in plays])
        self.plays, self.weights, self.seed = plays, weights / weights.sum(), seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        rng = np.random.default_rng((self.seed, 1))
        while True:
            inputs = np.zeros((BATCH, WINDOW, FEATURES), np.float32)
            right = np.full((BATCH, WINDOW), np.nan, np.float32)
            for row in range(BATCH):
                seen, hands = window(rng, self.play(rng))
                inputs[row, : len(seen)], right[row, : len(hands)] = seen, hands
            yield {"features": torch.from_numpy(inputs), "right": torch.from_numpy(right)}

    def play(self, rng: np.random.Generator) -> Play:
        if rng.random() < SHARED:
            return play_anew(rng, figures(rng))
        play = self.plays[rng.choice(len(self.plays), p=self.weights)]
        if rng.random() < MIRRORED:
            play = mirrored(rng, play)
        if rng.random() < MOVED:
            play = moved(rng, play)
        return play_anew(rng, play)


class Network(Gated):
    """What `s2s_lib.score.hands_network` runs, under the same names."""

    def __init__(self, channels: int, blocks: int):
        super().__init__(channels, blocks, 1)
        self.inp = nn.Conv1d(FEATURES, channels, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.run_gated(self.inp(x.transpose(1, 2)))  # (batch, notes, FEATURES) -> (batch, notes, 1)


def losses(outputs: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropy, the mean over the notes that are there."""
    there = ~truth["right"].isnan()
    return {"hand": F.binary_cross_entropy_with_logits(outputs[..., 0][there], truth["right"][there])}


def main() -> None:
    """Composes, trains, writes the weights."""
    options = parser(__doc__.splitlines()[0], WEIGHTS)
    options.set_defaults(steps=3000, pieces=6000, blocks=7)
    options = options.parse_args()
    torch.manual_seed(options.seed)
    plays = compose_all(options.seed, options.pieces)
    batches = Batches(plays, options.seed)
    fit(Network(options.channels, options.blocks), batches, losses, {"hand": 1.0}, options)


if __name__ == "__main__":
    main()
