"""The grid: what is encoded and decoded again is the same music, finer than a frame."""

from __future__ import annotations

import numpy as np
import pytest
from small import TUNE

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import Note, PedalEvent, Performance, extend_by_pedal
from s2s_lib.targets import Decoder, Grid, Thresholds, decode, encode

FRAME_S = 0.02


def test_literal_values() -> None:
    played = Performance((Note(0.05, 0.09, 60, 127),), (PedalEvent(0.03, 127), PedalEvent(0.105, 0)))
    grid = encode(played, 0.0, 6, FRAME_S)
    column = 60 - 21
    assert grid.onset[:, column] == pytest.approx([0, 1 / 3, 1, 1 / 3, 0, 0])
    assert grid.shift[1:4, column] == pytest.approx([1, 0, -1], abs=1e-6)
    assert grid.velocity[1:4, column] == pytest.approx([1, 1, 1])
    assert grid.held[:, column] == pytest.approx([0, 0, 0.5, 1, 0.5, 0], abs=1e-6)
    assert grid.sounding[:, column] == pytest.approx([0, 0, 0.5, 1, 1, 0.25], abs=1e-6)
    assert grid.pedal == pytest.approx([0, 0.5, 1, 1, 1, 0.25], abs=1e-6)
    assert grid.onset.sum() == pytest.approx(5 / 3)


def test_a_window_sees_only_its_own_time() -> None:
    grid = encode(TUNE, 0.69, 10, FRAME_S)
    assert np.flatnonzero(grid.onset.any(axis=0)).tolist() == [64 - 21]
    assert grid.held[:, 48 - 21].min() == 1
    assert grid.sounding[:, 60 - 21].min() == 1, "rings on, by the pedal, until it is struck again"
    assert encode(TUNE, 5.0, 10, FRAME_S).held.max() == 0
    assert encode(TUNE, -1.0, 10, FRAME_S).onset.max() == 0
    assert encode(TUNE, 5.0, 10, FRAME_S).pedal.max() == 0


@pytest.mark.parametrize("start_s", [0.0, -0.1237])
def test_round_trip(start_s: float) -> None:
    frames = 200
    back = decode(encode(TUNE, start_s, frames, FRAME_S), start_s, FRAME_S, Thresholds(0.4, 0.5, 0.5))
    assert [(n.pitch, n.velocity) for n in back.notes] == [(n.pitch, n.velocity) for n in TUNE.notes]
    assert np.allclose([n.onset_s for n in back.notes], [n.onset_s for n in TUNE.notes], atol=1e-4)
    assert np.allclose([n.offset_s for n in back.notes], [n.offset_s for n in TUNE.notes], atol=FRAME_S / 2)
    ends = [n.offset_s for n in extend_by_pedal(TUNE)]
    assert ends[0] > TUNE.notes[0].offset_s + 0.4
    assert [(n.onset_s, n.pitch, n.velocity) for n in back.extended] == [
        (n.onset_s, n.pitch, n.velocity) for n in back.notes
    ]
    assert np.allclose([n.offset_s for n in back.extended], ends, atol=FRAME_S / 2)
    assert [p.value for p in back.pedal] == [127, 0]
    assert np.allclose([p.time_s for p in back.pedal], [0.5, 1.65], atol=FRAME_S / 2)


@pytest.mark.parametrize("complexity", ["simple", "medium", "complex"])
def test_composed_music_survives_the_grid(complexity: str) -> None:
    """All but the few notes struck twice within two frames come back, onsets to 1 ms."""
    kept = total = 0
    for seed in range(8):
        piece = compose(np.random.default_rng(seed), DatasetConfig(complexity=complexity, max_notes=300))
        frames = int(piece.performance.end_s / FRAME_S) + 5
        back = decode(encode(piece.performance, 0.0, frames, FRAME_S), 0.0, FRAME_S, Thresholds(0.4, 0.5, 0.5))
        found = {(n.pitch, round(n.onset_s, 2)) for n in back.notes}
        found |= {(n.pitch, round(n.onset_s + 0.001, 2)) for n in back.notes}
        found |= {(n.pitch, round(n.onset_s - 0.001, 2)) for n in back.notes}
        total += len(piece.performance.notes)
        kept += sum((n.pitch, round(n.onset_s, 2)) in found for n in piece.performance.notes)
    assert kept >= 0.99 * total


def test_a_repeated_note_ends_where_it_is_struck_again() -> None:
    played = Performance((Note(0.1, 0.3, 60, 80), Note(0.3, 0.5, 60, 80)))
    back = decode(encode(played, 0.0, 40, FRAME_S), 0.0, FRAME_S, Thresholds(0.4, 0.5, 0.5))
    assert len(back.notes) == 2
    assert back.notes[0].offset_s == pytest.approx(0.3, abs=1e-4)


def test_thresholds_count() -> None:
    grid = Grid.empty(20)
    grid.onset[5, 30] = 0.5
    grid.held[5:10, 30] = 0.6
    assert len(decode(grid, 0.0, FRAME_S, Thresholds(0.5, 0.4, 0.4)).notes) == 1
    assert decode(grid, 0.0, FRAME_S, Thresholds(0.51, 0.4, 0.4)).notes == ()
    tried = (Thresholds(0.5, held) for held in (0.1, 0.55))
    longer, shorter = (decode(grid, 0.0, FRAME_S, thresholds).notes[0].offset_s for thresholds in tried)
    assert shorter < longer


def test_a_note_never_ends_before_its_key_is_released() -> None:
    grid = Grid.empty(20)
    grid.onset[5, 30] = 0.9
    grid.held[5:12, 30] = 1
    grid.sounding[5:8, 30] = 1
    back = decode(grid, 0.0, FRAME_S, Thresholds(0.5, 0.5, 0.5))
    assert back.notes[0].offset_s == pytest.approx(0.24)
    assert back.extended == back.notes


def random_grid(seed: int, frames: int) -> Grid:
    """Probabilities such as no music gives: plateaus, notes on every other frame, ends at every border."""
    rng = np.random.default_rng(seed)
    maps = {name: rng.random((frames, 88), np.float32).round(1) for name in ("onset", "velocity", "held", "sounding")}
    maps["onset"] *= rng.random((frames, 88)) < 0.2
    for name in ("held", "sounding"):  # stays for a while
        maps[name] = np.maximum(maps[name], (rng.random((1 + frames // 9, 88)) < 0.6).repeat(9, axis=0)[:frames])
    shift = rng.normal(0, 1, (frames, 88)).astype(np.float32)
    return Grid(**maps, shift=shift, pedal=rng.random(frames, np.float32))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_grid_in_blocks_gives_what_it_gives_whole(size: int) -> None:
    grid = random_grid(size, 150)
    decoder = Decoder(-0.1, FRAME_S, Thresholds(0.5, 0.4, 0.4))
    for start in range(0, 150, size):
        decoder.add(Grid(**{name: values[start : start + size] for name, values in vars(grid).items()}))
    whole = decode(grid, -0.1, FRAME_S, Thresholds(0.5, 0.4, 0.4))
    assert len(whole.notes) > 300
    assert decoder.finish() == whole


def test_notes_of_a_grid_are_those_found_one_by_one() -> None:
    """Against the definition, frame by frame: local maxima, and the first frame below the threshold or the next."""
    grid = random_grid(0, 120)
    found = []
    for key in range(88):
        onset, below = [0.0, *grid.onset[:, key], 0.0], grid.held[:, key] < 0.4
        struck = [k for k in range(120) if onset[k + 1] >= 0.5 and onset[k] <= onset[k + 1] > onset[k + 2]]
        times = [k + 0.5 + float(np.clip(grid.shift[k, key], -1.5, 1.5)) for k in struck]
        for k, time, until, at in zip(struck, times, [*struck[1:], 119], [*times[1:], 120.5], strict=True):
            low = [i for i in range(k + 1, until + 1) if below[i]]
            earliest = min(at, low[0] - 0.5) if low else min(at, 119.5)
            latest = max(min(at, low[0] + 0.5) if low else at, time + 0.5)
            found.append((max(0.0, time * FRAME_S), key + 21, earliest * FRAME_S, latest * FRAME_S))
    notes = decode(grid, 0.0, FRAME_S, Thresholds(0.5, 0.4, 0.4)).notes
    assert len(notes) == len(found)
    for note, (onset_s, pitch, earliest_s, latest_s) in zip(
        sorted(notes, key=lambda n: (n.pitch, n.onset_s)), sorted(found, key=lambda f: (f[1], f[0])), strict=True
    ):
        assert (note.pitch, note.onset_s) == (pitch, pytest.approx(onset_s))
        assert earliest_s - 1e-9 <= note.offset_s <= latest_s + 1e-9


def test_an_empty_grid_is_an_empty_performance() -> None:
    assert decode(Grid.empty(0), 0.0, FRAME_S, Thresholds(0.5, 0.4, 0.4)) == Performance((), (), ())
