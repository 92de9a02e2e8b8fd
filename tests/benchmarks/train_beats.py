"""Trains a network behind `s2s_lib.score.beats` on composed pieces and writes its weights.

    python tests/benchmarks/train_beats.py [--network 1] [--steps 9000] [--start s2s_lib/score/beats.npz]

The shipped file holds two networks, made by earlier drafts of this script, so they are not reproduced to the bit:

- network 0, 32 channels and 7 blocks: six runs of 950 to 3,000 steps, each from the weights of the one before, the
  first with all metres equally often (`--even 1`), without `respeed`
- network 1, 64 channels and 8 blocks, 12,000 pieces: 9,000 steps (`--even 0.5`), where `respeed` only spread the
  tempos, then 4,500 from there (`--even 0 --rate 2e-3`) as it is now; 41 and 19 minutes on two cores with matrix units
  beside other work

Pieces are composed once and played anew each time they are met: other tempo curves, pauses, loudness, touch and
registers; notes missed, notes too many, a hand alone, a start in the middle. So the network bears what a transcription
of a recording looks like.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.devices import bf16_pays
from s2s_lib.files import atomic_path
from s2s_lib.metre import bar_quarters, beat_quarters
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Piece, as_arrays
from s2s_lib.score.beats_features import FEATURES, PLAIN, features
from s2s_lib.score.beats_network import METRE_SHARES, METRES, OUTPUTS, WEIGHTS
from s2s_lib.score.beats_path import LENGTHS_S
from s2s_lib.score.onsets import Onsets, gather

WINDOW = 256  # onsets of a piece that a step sees
BATCH = 32
GROUP = 100  # pieces that a process composes at a time
DECAY = 1e-2
LOSSES = {"beat": 2.0, "downbeat": 1.0, "length": 0.5, "metre": 0.3}
COMPLEXITIES, COMPLEXITY_SHARES = ("simple", "medium", "complex"), (0.3, 0.4, 0.3)
ON_BEAT_S = 0.12  # a note further from its beat, as in a slow roll, does not mark it
USUAL_S, TOWARDS_USUAL = 0.62, (0.2, 0.7)  # a felt beat; by what share, as logarithms, pieces are brought there
RESPEED = 0.13  # standard deviation of the logarithm of their speed, beside that
FASTEST_S, SLOWEST_S = 0.28, 2.2  # beats within which they stay
GAP_S = 20.0  # between the pieces of a batch, for whose features one call is made


@dataclass(frozen=True)
class Play:
    """Notes of a performance as (notes,) columns, and its quarter notes' times; `place` is nan where no beat is."""

    onset_s: np.ndarray
    offset_s: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    place: np.ndarray
    left: np.ndarray
    quarters_s: np.ndarray
    metre: int

    def notes(self, chosen: np.ndarray) -> Play:
        """The notes of these indices or of this mask, in order of their onsets."""
        rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        rows = rows[np.argsort(self.onset_s[rows], kind="stable")]
        return Play(*(column[rows] for column in self.columns()), self.quarters_s, self.metre)

    def columns(self) -> list[np.ndarray]:
        return [self.onset_s, self.offset_s, self.pitch, self.velocity, self.place, self.left]


def compose_play(rng: np.random.Generator) -> Play:
    """A composed piece of half a minute to two."""
    level = str(rng.choice(COMPLEXITIES, p=COMPLEXITY_SHARES))
    limits = {"min_notes": 20, "max_notes": 2500, "min_duration": 25, "max_duration": 120}
    return of_piece(compose(rng, DatasetConfig(complexity=level, **limits)))


def compose_plays(seed: tuple[int, int], count: int) -> list[Play]:
    rng = np.random.default_rng(seed)
    return [compose_play(rng) for _ in range(count)]


def of_piece(piece: Piece) -> Play:
    intervals, pitch, velocity = as_arrays(piece.performance.notes)
    place = [np.nan if note.ornament else note.onset_beat for note in piece.notated]
    left = np.array([note.hand == "L" for note in piece.notated])
    quarters_s = np.array(piece.beats_s)
    return Play(
        *intervals.T, pitch, velocity, np.array(place), left, quarters_s, METRES.index(piece.time_signature)
    )  # fmt: skip


def respeed(rng: np.random.Generator, play: Play) -> Play:
    """The whole piece faster or slower, most often towards the pulse that is felt most readily."""
    beat_s = float(beat_quarters(METRES[play.metre])) * float(np.median(np.diff(play.quarters_s)))
    if rng.random() < 0.4 or not FASTEST_S < beat_s < SLOWEST_S:
        return play
    factor = np.exp(rng.normal(0, RESPEED)) * (USUAL_S / beat_s) ** rng.uniform(*TOWARDS_USUAL)
    factor = np.clip(factor, FASTEST_S / beat_s, SLOWEST_S / beat_s)
    times = {name: getattr(play, name) * factor for name in ("onset_s", "offset_s", "quarters_s")}
    return replace(play, **times)


def play_anew(rng: np.random.Generator, play: Play) -> Play:
    """The same music played otherwise; a fifth of the time as it was, but for where it starts."""
    clean = rng.random() < 0.2
    if not clean:
        play = _stray(rng, _bend(rng, play))
        keep = rng.random(len(play.onset_s)) > rng.choice([0, 0.03, 0.08, 0.15])
        keep &= _hands_alone(rng, play)
        play = play.notes(keep) if keep.sum() >= 20 else play
    if rng.random() < 0.6:
        late = play.onset_s >= rng.uniform(0, play.onset_s.max() * 0.5)
        play = play.notes(late) if late.sum() >= 20 else play
    return play.notes(np.ones(len(play.onset_s), bool)) if clean else _touch(rng, _ghosts(rng, play))


def _bend(rng: np.random.Generator, play: Play) -> Play:
    """Tempo that wanders over one, three and ten seconds, with pauses."""
    amount = rng.choice([0, 0.03, 0.06, 0.1, 0.14])
    grid = np.arange(-1, max(play.offset_s.max(), play.quarters_s[-1]) + 3, 0.25)
    span_s, slowness = grid[-1] - grid[0], np.zeros(len(grid))
    for scale_s in (1.0, 3.0, 10.0):
        count = int(span_s / scale_s) + 3
        knots = grid[0] + (np.arange(count) + rng.uniform(-1, 0)) * scale_s
        slowness += 0.6 * amount * np.interp(grid, knots, rng.standard_normal(count))
    for _ in range(rng.poisson(span_s / 60 * rng.choice([0, 2, 4])) if amount else 0):
        start_s = rng.uniform(0, grid[-1])
        slowness[(grid > start_s) & (grid < start_s + rng.uniform(0.3, 1))] += rng.uniform(0.3, 1.2)
    bent = np.concatenate([[0], np.cumsum(np.exp(slowness[:-1]) * 0.25)])
    onset_s, offset_s, quarters_s = (np.interp(x, grid, bent) for x in (play.onset_s, play.offset_s, play.quarters_s))
    return replace(play, onset_s=onset_s, offset_s=offset_s, quarters_s=quarters_s)


def _stray(rng: np.random.Generator, play: Play) -> Play:
    """Onsets off their places, the left hand early or late."""
    off_s = rng.normal(0, rng.choice([0, 0.004, 0.008, 0.015]), len(play.onset_s))
    off_s += play.left * rng.normal(0, rng.choice([0, 0.005, 0.015]))
    return replace(play, onset_s=play.onset_s + off_s)


def _hands_alone(rng: np.random.Generator, play: Play) -> np.ndarray:
    """Which notes are left where a hand rests for some seconds, or for good."""
    keep = np.ones(len(play.onset_s), bool)
    for _ in range(rng.integers(1, 4) if rng.random() < 0.3 else 0):
        start_s = rng.uniform(0, play.onset_s.max())
        resting = play.left if rng.random() < 0.5 else ~play.left
        keep &= ~((play.onset_s > start_s) & (play.onset_s < start_s + rng.uniform(3, 15)) & resting)
    return keep & ~play.left if rng.random() < 0.045 else keep


def _ghosts(rng: np.random.Generator, play: Play) -> Play:
    """Notes too many: octaves, fifths and repetitions that a transcription makes up; and a bass doubled in octaves."""
    count = len(play.onset_s)
    made_up = rng.integers(0, count, int(count * rng.choice([0.01, 0.03, 0.06])) if rng.random() < 0.5 else 0)
    play = _joined(play, _displaced(rng, play.notes(made_up)))
    if rng.random() < 0.15:
        low = play.notes(play.left & (play.pitch > LOWEST_PITCH + 12) & (rng.random(len(play.onset_s)) < 0.8))
        play = _joined(play, replace(low, pitch=low.pitch - 12))
    return play


def _joined(play: Play, more: Play) -> Play:
    columns = (np.concatenate(pair) for pair in zip(play.columns(), more.columns(), strict=True))
    return Play(*columns, play.quarters_s, play.metre)


def _displaced(rng: np.random.Generator, play: Play) -> Play:
    """The notes softer, at pitches and times that mean nothing."""
    count = len(play.onset_s)
    moved_s = np.where(rng.random(count) < 0.6, rng.normal(0, 0.02, count), rng.uniform(0, 0.5, count))
    return replace(
        play, onset_s=play.onset_s + moved_s, offset_s=play.offset_s + moved_s,
        pitch=play.pitch + rng.choice([-12, 12, 7, 5, 19, 24], count),
        velocity=play.velocity * rng.uniform(0.3, 0.9, count), place=np.full(count, np.nan),
    )  # fmt: skip


def _touch(rng: np.random.Generator, play: Play) -> Play:
    """Other loudness, key-down times and key."""
    count = len(play.onset_s)
    if rng.random() < 0.1:
        velocity = np.full(count, 64.0)
    else:
        noise = rng.normal(0, 12) + rng.normal(0, rng.choice([0, 5, 12]), count)
        velocity = np.clip(rng.uniform(0.5, 1.3) * (play.velocity - 60) + 60 + noise, 5, 127)
    length_s = np.maximum(play.offset_s - play.onset_s, 0.03)
    length_s = length_s * np.exp(rng.normal(0, 0.2) + rng.normal(0, rng.choice([0, 0.2, 0.5]), count))
    pitch = np.clip(play.pitch + rng.integers(-6, 7), LOWEST_PITCH, HIGHEST_PITCH)
    changed = replace(play, offset_s=play.onset_s + length_s, pitch=pitch, velocity=velocity)
    return changed.notes(np.ones(count, bool))


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


class Network(nn.Module):
    """What `s2s_lib.score.beats_network` runs, under the same names."""

    def __init__(self, channels: int, blocks: int):
        super().__init__()
        self.inp, self.lag = nn.Conv1d(PLAIN, channels, 5, padding=2), nn.Conv1d(FEATURES - PLAIN, channels, 1)
        dilated = (nn.Conv1d(channels, 2 * channels, 5, padding=2 * 2**i, dilation=2**i) for i in range(blocks))
        self.blocks, self.mix = nn.ModuleList(dilated), nn.ModuleList(nn.Conv1d(channels, channels, 1)
                                                                      for _ in range(blocks))  # fmt: skip
        self.head, self.drop = nn.Conv1d(channels, OUTPUTS, 1), nn.Dropout1d(0.15)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (batch, features, onsets)
        hidden = F.elu(self.inp(x[:, :PLAIN]) + self.lag(x[:, PLAIN:]))
        for block, mix in zip(self.blocks, self.mix, strict=True):
            signal, gate = block(hidden).chunk(2, dim=1)
            hidden = hidden + self.drop(mix(torch.tanh(signal) * torch.sigmoid(gate)))
        return self.head(hidden).transpose(1, 2)  # (batch, onsets, OUTPUTS)


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
    """Composes, trains, writes the weights as float16."""
    options = parse()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    network = Network(options.channels, options.blocks)
    if options.start:
        network.load_state_dict({name: torch.from_numpy(x) for name, x in read(options.start, options.network).items()})
    groups = Parallel(-1)(delayed(compose_plays)((options.seed, i), GROUP) for i in range(options.pieces // GROUP))
    plays = [play for group in groups for play in group]
    batches = DataLoader(Batches(plays, options.even, options.seed), batch_size=None, num_workers=1, prefetch_factor=6)
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=options.steps, pct_start=0.1)
    recent, start = [], time.perf_counter()
    for step, truth in zip(range(1, options.steps + 1), batches, strict=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_pays(torch.device("cpu"))):
            outputs = network(truth["features"])
        each = losses(outputs.float(), truth)
        optimizer.zero_grad()
        sum(LOSSES[name] * loss for name, loss in each.items()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent.append([loss.item() for loss in each.values()])
        if step % 50 == 0 or step == options.steps:
            named = zip(each, np.mean(recent[-50:], axis=0), strict=True)
            means = ", ".join(f"{name} {mean:.3f}" for name, mean in named)
            print(f"step {step}: {means}; {time.perf_counter() - start:.0f} s", flush=True)
            write(options.out, options.network, network)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--pieces", type=int, default=12_000, help=f"by {GROUP}s")
    parser.add_argument("--network", type=int, default=0, help="number of the network in the file")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--even", type=float, default=0.0, help="0: metres as in the repertoire, 1: all equally often")
    parser.add_argument("--start", type=Path, help="file of weights to go on from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="file that gets the network, others stay in it")
    return parser.parse_args()


def read(path: Path, network: int) -> dict[str, np.ndarray]:
    """The weights of one network of a file."""
    with np.load(path, allow_pickle=False) as file:
        mine = [name for name in file.files if name.startswith(f"{network}.")]
        return {name.partition(".")[2]: file[name].astype(np.float32) for name in mine}


def write(path: Path, number: int, network: Network) -> None:
    """Puts a network into a file, beside those of other numbers."""
    kept = {}
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files if not name.startswith(f"{number}.")}
    mine = {f"{number}.{name}": value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    together = kept | mine
    with atomic_path(path) as unfinished:
        np.savez(unfinished, **{name: together[name] for name in sorted(together, key=lambda n: int(n.split(".")[0]))})


if __name__ == "__main__":
    main()
