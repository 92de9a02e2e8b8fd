"""The grid: what is encoded and decoded again is the same music, finer than a frame."""

from __future__ import annotations

import numpy as np
import pytest
from small import TUNE

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import Note, PedalEvent, Performance
from s2s_lib.targets import Grid, decode, encode

FRAME_S = 0.02


def test_literal_values() -> None:
    played = Performance((Note(0.05, 0.09, 60, 127),), (PedalEvent(0.03, 127), PedalEvent(0.06, 0)))
    grid = encode(played, 0.0, 6, FRAME_S)
    column = 60 - 21
    assert grid.onset[:, column] == pytest.approx([0, 1 / 3, 1, 1 / 3, 0, 0])
    assert grid.shift[1:4, column] == pytest.approx([1, 0, -1], abs=1e-6)
    assert grid.velocity[1:4, column] == pytest.approx([1, 1, 1])
    assert grid.held[:, column] == pytest.approx([0, 0, 0.5, 1, 0.5, 0], abs=1e-6)
    assert grid.pedal == pytest.approx([0, 0.5, 1, 0, 0, 0], abs=1e-6)
    assert grid.onset.sum() == pytest.approx(5 / 3)


def test_a_window_sees_only_its_own_time() -> None:
    grid = encode(TUNE, 0.69, 10, FRAME_S)
    assert np.flatnonzero(grid.onset.any(axis=0)).tolist() == [64 - 21]
    assert grid.held[:, 48 - 21].min() == 1
    assert encode(TUNE, 5.0, 10, FRAME_S).held.max() == 0
    assert encode(TUNE, -1.0, 10, FRAME_S).onset.max() == 0
    assert encode(TUNE, 5.0, 10, FRAME_S).pedal.max() == 0


@pytest.mark.parametrize("start_s", [0.0, -0.1237])
def test_round_trip(start_s: float) -> None:
    frames = 200
    back = decode(encode(TUNE, start_s, frames, FRAME_S), start_s, FRAME_S, 0.4, 0.5)
    assert [(n.pitch, n.velocity) for n in back.notes] == [(n.pitch, n.velocity) for n in TUNE.notes]
    assert np.allclose([n.onset_s for n in back.notes], [n.onset_s for n in TUNE.notes], atol=1e-4)
    assert np.allclose([n.offset_s for n in back.notes], [n.offset_s for n in TUNE.notes], atol=FRAME_S / 2)
    assert [p.value for p in back.pedal] == [127, 0]
    assert np.allclose([p.time_s for p in back.pedal], [0.5, 1.65], atol=FRAME_S)


@pytest.mark.parametrize("complexity", ["simple", "medium", "complex"])
def test_composed_music_survives_the_grid(complexity: str) -> None:
    """All but the few notes struck twice within two frames come back, onsets to 1 ms."""
    kept = total = 0
    for seed in range(8):
        piece = compose(np.random.default_rng(seed), DatasetConfig(complexity=complexity, max_notes=300))
        frames = int(piece.performance.end_s / FRAME_S) + 5
        back = decode(encode(piece.performance, 0.0, frames, FRAME_S), 0.0, FRAME_S, 0.4, 0.5)
        found = {(n.pitch, round(n.onset_s, 2)) for n in back.notes}
        found |= {(n.pitch, round(n.onset_s + 0.001, 2)) for n in back.notes}
        found |= {(n.pitch, round(n.onset_s - 0.001, 2)) for n in back.notes}
        total += len(piece.performance.notes)
        kept += sum((n.pitch, round(n.onset_s, 2)) in found for n in piece.performance.notes)
    assert kept >= 0.99 * total


def test_a_repeated_note_ends_where_it_is_struck_again() -> None:
    played = Performance((Note(0.1, 0.3, 60, 80), Note(0.3, 0.5, 60, 80)))
    back = decode(encode(played, 0.0, 40, FRAME_S), 0.0, FRAME_S, 0.4, 0.5)
    assert len(back.notes) == 2
    assert back.notes[0].offset_s == pytest.approx(0.3, abs=1e-4)


def test_thresholds_count() -> None:
    grid = Grid.empty(20)
    grid.onset[5, 30] = 0.5
    grid.held[5:10, 30] = 0.6
    assert len(decode(grid, 0.0, FRAME_S, 0.5, 0.4).notes) == 1
    assert decode(grid, 0.0, FRAME_S, 0.51, 0.4).notes == ()
    longer, shorter = (decode(grid, 0.0, FRAME_S, 0.5, threshold).notes[0].offset_s for threshold in (0.1, 0.55))
    assert shorter < longer
