"""Trains a network behind `s2s_lib.score.beats` on composed pieces and writes its weights.

    python tests/benchmarks/train_beats.py [--network 1] [--steps 9000] [--start s2s_lib/score/beats.npz]

The shipped file holds two networks, made by earlier drafts of this script and a composer that still wrote quarter notes
in 6/8, so they are not reproduced to the bit:

- network 0, 32 channels and 7 blocks: six runs of 950 to 3,000 steps, each from the weights of the one before, the
  first with all metres equally often (`--even 1`), without `respeed`
- network 1, 64 channels and 8 blocks, 12,000 pieces: 9,000 steps (`--even 0.5`), where `respeed` only spread the
  tempos, then 4,500 from there (`--even 0 --rate 2e-3`) as it is now; 41 and 19 minutes on two cores with matrix units
  beside other work
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from gated_training import Gated, fit, parser
from plays import Play, compose_all, play_anew
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from s2s_lib.metre import bar_quarters, beat_quarters
from s2s_lib.score.beats_features import FEATURES, PLAIN, features
from s2s_lib.score.beats_network import METRE_SHARES, METRES, OUTPUTS, WEIGHTS
from s2s_lib.score.beats_path import LENGTHS_S
from s2s_lib.score.onsets import Onsets, gather

WINDOW = 256  # onsets of a piece that a step sees
BATCH = 32
LOSSES = {"beat": 2.0, "downbeat": 1.0, "length": 0.5, "metre": 0.3}
ON_BEAT_S = 0.12  # a note further from its beat, as in a slow roll, does not mark it
USUAL_S, TOWARDS_USUAL = 0.62, (0.2, 0.7)  # a felt beat; by what share, as logarithms, pieces are brought there
RESPEED = 0.13  # standard deviation of the logarithm of their speed, beside that
FASTEST_S, SLOWEST_S = 0.28, 2.2  # beats within which they stay
GAP_S = 20.0  # between the pieces of a batch, for whose features one call is made


def respeed(rng: np.random.Generator, play: Play) -> Play:
    """The whole piece faster or slower, most often towards the pulse that is felt most readily."""
    beat_s = float(beat_quarters(METRES[play.metre])) * float(np.median(np.diff(play.quarters_s)))
    if rng.random() < 0.4 or not FASTEST_S < beat_s < SLOWEST_S:
        return play
    factor = np.exp(rng.normal(0, RESPEED)) * (USUAL_S / beat_s) ** rng.uniform(*TOWARDS_USUAL)
    factor = np.clip(factor, FASTEST_S / beat_s, SLOWEST_S / beat_s)
    times = {name: getattr(play, name) * factor for name in ("onset_s", "offset_s", "quarters_s")}
    return replace(play, **times)


def targets(onsets: Onsets, play: Play) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per onset: whether a beat is on it, a downbeat, and the logarithm of the beats' length there, in seconds."""
    beat = float(beat_quarters(METRES[play.metre]))
    size = int(bar_quarters(METRES[play.metre]) / beat_quarters(METRES[play.metre]))
    count = int((len(play.quarters_s) - 1) / beat) + 1
    beats_s = np.interp(np.arange(count) * beat, np.arange(len(play.quarters_s)), play.quarters_s)
    number = play.place / beat
    notes = np.flatnonzero((np.abs(number - np.rint(number)) < 1e-3) & (np.rint(number) < count))
    number, at = np.rint(number[notes]).astype(int), onsets.of_note[notes]
    near = np.abs(onsets.times_s[at] - beats_s[number]) < ON_BEAT_S
    number, at = number[near], at[near]
    beats, downbeats = np.zeros(len(onsets.times_s)), np.zeros(len(onsets.times_s))
    beats[at], downbeats[at[number % size == 0]] = 1, 1
    lengths = np.log(np.diff(beats_s, append=2 * beats_s[-1] - beats_s[-2]))
    smooth = np.convolve(np.pad(lengths, 1, "edge"), np.ones(3) / 3, "valid")
    return beats, downbeats, np.interp(onsets.times_s, beats_s, smooth)


def batch(rng: np.random.Generator, plays: list[Play]) -> dict[str, Tensor]:
    """Features and targets of a window of each play, zeros where one is shorter."""
    played, offset_s = [], 0.0
    for play in plays:
        play = play_anew(rng, play)
        first = rng.integers(0, max(1, len(play.onset_s) - 6 * WINDOW))
        play = play.notes(np.arange(first, min(len(play.onset_s), first + 6 * WINDOW)))
        shift_s = offset_s - play.onset_s[0]
        columns = [play.onset_s + shift_s, play.offset_s + shift_s, *play.columns()[2:]]
        played.append(Play(*columns, play.quarters_s + shift_s, play.metre))
        offset_s = played[-1].onset_s[-1] + GAP_S
    found = [gather(play.onset_s, play.offset_s - play.onset_s, play.pitch, play.velocity) for play in played]
    notes = np.cumsum([0] + [len(play.onset_s) for play in played])
    bounds = np.concatenate([onsets.first[:-1] + start for onsets, start in zip(found, notes, strict=False)])
    columns = (np.concatenate([getattr(onsets, name) for onsets in found])
               for name in ("onset_s", "length_s", "pitch", "velocity"))  # fmt: skip
    times_s = np.concatenate([onsets.times_s for onsets in found])
    seen = features(Onsets(times_s, np.append(bounds, notes[-1]), *columns))
    table = np.zeros((len(plays), WINDOW, FEATURES + 4), np.float32)
    start = 0
    for row, (onsets, play) in enumerate(zip(found, played, strict=True)):
        here = len(onsets.times_s)
        truth = np.stack([*targets(onsets, play), np.ones(here)], axis=1)
        first = rng.integers(0, max(1, here - WINDOW + 1))
        whole = np.concatenate([seen[start : start + here], truth], axis=1)[first : first + WINDOW]
        table[row, : len(whole)] = whole
        start += here
    metre = torch.tensor([play.metre for play in plays])
    names = ("beat", "downbeat", "length", "there")
    truths = {name: torch.from_numpy(table[:, :, FEATURES + i]) for i, name in enumerate(names)}
    return {"features": torch.from_numpy(table[:, :, :FEATURES]), "metre": metre, **truths}


class Network(Gated):
    """What `s2s_lib.score.beats_network` runs, under the same names."""

    def __init__(self, channels: int, blocks: int):
        super().__init__(channels, blocks, OUTPUTS)
        self.inp, self.lag = nn.Conv1d(PLAIN, channels, 5, padding=2), nn.Conv1d(FEATURES - PLAIN, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (batch, features, onsets)
        return self.run_gated(self.inp(x[:, :PLAIN]) + self.lag(x[:, PLAIN:]))  # (batch, onsets, OUTPUTS)


def losses(outputs: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropies, means over the onsets that are there; of downbeats over beats."""
    there, beat = truth["there"], truth["beat"]
    lengths, metres = outputs[..., 2 : 2 + len(LENGTHS_S)], outputs[..., 2 + len(LENGTHS_S) :]
    logs = torch.tensor(np.log(LENGTHS_S), dtype=torch.float32)
    about = torch.softmax(-0.5 * ((truth["length"][..., None] - logs) / 0.06) ** 2, dim=-1)
    metre = truth["metre"][:, None].expand(-1, outputs.shape[1])

    def mean(each: Tensor, over: Tensor) -> Tensor:
        return (each * over).sum() / over.sum()

    binary = F.binary_cross_entropy_with_logits
    return {
        "beat": mean(binary(outputs[..., 0], beat, reduction="none"), there),
        "downbeat": mean(binary(outputs[..., 1], truth["downbeat"], reduction="none"), there * beat),
        "length": mean(-(about * F.log_softmax(lengths, dim=-1)).sum(dim=-1), there),
        "metre": mean(F.cross_entropy(metres.transpose(1, 2), metre, reduction="none"), there),
    }


class Batches(IterableDataset):
    """Endless batches of composed pieces, made in a process of its own while the network learns."""

    def __init__(self, plays: list[Play], even: float, seed: int):
        counts = np.bincount([play.metre for play in plays], minlength=len(METRES))
        shares = (1 - even) * np.array(METRE_SHARES) + even / len(METRES)
        weights = np.array([shares[play.metre] / counts[play.metre] for play in plays])
        self.plays, self.weights, self.seed = plays, weights / weights.sum(), seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        rng = np.random.default_rng((self.seed, 1))
        while True:
            chosen = rng.choice(len(self.plays), BATCH, p=self.weights)
            yield batch(rng, [respeed(rng, self.plays[i]) for i in chosen])


def main() -> None:
    """Composes, trains, writes the weights."""
    options = parse()
    torch.manual_seed(options.seed)
    plays = compose_all(options.seed, options.pieces)
    batches = Batches(plays, options.even, options.seed)
    fit(Network(options.channels, options.blocks), batches, losses, LOSSES, options)


def parse() -> argparse.Namespace:
    options = parser(__doc__.splitlines()[0], WEIGHTS)
    options.add_argument("--even", type=float, default=0.0, help="0: metres as in the repertoire, 1: all equally often")
    return options.parse_args()


if __name__ == "__main__":
    main()
