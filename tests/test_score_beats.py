"""Beats, bar lines and metre against composed pieces, whose truth is known, and against small made-up performances."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import mir_eval
import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.metre import beat_quarters
from s2s_lib.notes import Note, Performance, Piece
from s2s_lib.score import beats
from s2s_lib.score.beats import find_beats
from s2s_lib.score.beats_network import METRES
from s2s_lib.score.beats_path import LENGTHS_S
from s2s_lib.score.onsets import Onsets


@cache
def composed(seed: int, metre: str = "4/4", complexity: str = "simple") -> Piece:
    """A piece of half a minute at a middling tempo."""
    dataset = DatasetConfig(
        complexity=complexity, min_notes=50, max_notes=800, min_duration=25, max_duration=40, time_signatures=[metre],
        min_tempo=70, max_tempo=130,
    )  # fmt: skip
    return compose(np.random.default_rng(seed), dataset)


def true_beats(piece: Piece) -> np.ndarray:
    """Felt beats of a composed piece up to its last onset, in seconds."""
    quarters = np.arange(len(piece.beats_s))
    places = np.arange(0, quarters[-1] + 1e-6, float(beat_quarters(piece.time_signature)))
    beats_s = np.interp(places, quarters, piece.beats_s)
    return beats_s[beats_s <= piece.performance.notes[-1].onset_s + 0.05]


def vamp(beats_s: np.ndarray, bar: int, pickup: int = 0) -> Performance:
    """A bass note on each downbeat, a chord on each other beat, eighth notes above; the beats before are a pickup."""
    notes = []
    for i, (start, end) in enumerate(pairwise(beats_s.tolist())):
        place = (i - pickup) % bar
        low = (36 + 5 * ((i - pickup) // bar % 2),) if place == 0 else (52, 55, 60)
        notes += [Note(start, end, pitch, 80 if place == 0 else 55) for pitch in low]
        notes += [Note(start, end, 72 + i % 5, 70), Note((start + end) / 2, end, 74 + i % 5, 50)]
    return Performance(tuple(sorted(notes)))


def f1(truth_s: np.ndarray, found_s: np.ndarray) -> float:
    return mir_eval.beat.f_measure(truth_s, found_s)


@pytest.mark.parametrize("metre", ["2/4", "3/4", "4/4", "6/8"])
def test_beats_of_composed_pieces(metre: str) -> None:
    pieces = [composed(seed, metre) for seed in range(4)]
    wanted = pieces[0].time_signature
    scores = [f1(true_beats(p), find_beats(p.performance, p.tempo_bpm, wanted).beats_s) for p in pieces]
    assert np.mean(scores) > 0.95


def test_nothing_but_the_notes_is_needed() -> None:
    pieces = [composed(seed, metre) for seed, metre in enumerate(("3/4", "4/4", "2/4", "4/4", "3/4", "4/4"))]
    assert np.mean([f1(true_beats(p), find_beats(p.performance).beats_s) for p in pieces]) > 0.9


@pytest.mark.parametrize("bar", [3, 4])
@pytest.mark.parametrize("pickup", [0, 1])
def test_metre_and_pickup(bar: int, pickup: int) -> None:
    beats_s = 0.4 + 0.55 * np.arange(12 * bar + pickup + 1)
    timing = find_beats(vamp(beats_s, bar, pickup))
    assert timing.time_signature == (bar, 4)
    assert timing.first_downbeat == pickup
    np.testing.assert_allclose(timing.beats_s[: len(beats_s) - 1], beats_s[:-1], atol=0.02)


def test_follows_rubato() -> None:
    lengths = 0.55 * np.exp(0.2 * np.sin(np.arange(60) / 4))
    lengths[30] += 0.8  # a fermata
    beats_s = np.cumsum(lengths)
    assert f1(beats_s[:-1], find_beats(vamp(beats_s, 4)).beats_s) > 0.95


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wished_tempo(factor: float) -> None:
    beats_s = 0.4 + 0.6 * np.arange(49)
    timing = find_beats(vamp(beats_s, 4), tempo_bpm=100 * factor)
    assert np.median(np.diff(timing.beats_s)) == pytest.approx(0.6 / factor, rel=0.03)


@pytest.mark.parametrize("metre", [(3, 4), (6, 8), (2, 2), (9, 8), (5, 4)])
def test_wished_metre(metre: tuple[int, int]) -> None:
    timing = find_beats(composed(1).performance, time_signature=metre)
    assert timing.time_signature == metre
    assert 0 <= timing.first_downbeat < timing.beats_per_bar


def test_half_notes_are_the_beats_of_2_2() -> None:
    performance = vamp(0.4 + 0.4 * np.arange(65), 4)
    felt = find_beats(performance, tempo_bpm=150, time_signature=(2, 2))
    assert np.median(np.diff(felt.beats_s)) == pytest.approx(0.8, rel=0.03)
    assert felt.downbeats_s[0] == pytest.approx(0.4, abs=0.02)


def test_missing_and_strange_notes_do_little() -> None:
    piece, rng = composed(2), np.random.default_rng(0)
    kept = [note for note in piece.performance.notes if rng.random() > 0.08]
    strange = [replace(note, pitch=note.pitch + 7, onset_s=note.onset_s + 0.1, offset_s=note.offset_s + 0.1)
               for note in kept[::40]]  # fmt: skip
    found = find_beats(Performance(tuple(sorted(kept + strange))), piece.tempo_bpm)
    assert f1(true_beats(piece), found.beats_s) > 0.9


def test_later_music_has_later_beats() -> None:
    performance = composed(0).performance
    late, here = find_beats(performance.shifted(1000.0)), find_beats(performance)
    np.testing.assert_allclose(late.beats_s, here.beats_s + 1000, atol=1e-6)


def test_beats_go_on_through_silence_and_cover_all_notes() -> None:
    performance = composed(0).performance
    again = performance.shifted(performance.end_s + 45)
    timing = find_beats(Performance(performance.notes + again.notes))
    assert timing.beats_s[0] <= performance.notes[0].onset_s + 0.2
    assert timing.beats_s[-1] >= again.notes[-1].onset_s - 0.1
    assert (np.diff(timing.beats_s) > 0.2).all()
    assert np.diff(timing.beats_s).max() < 3


@pytest.mark.parametrize("onsets_s", [(1.0,), (1.0, 1.01, 1.02, 1.02), (1.0, 1.1), (1.0, 9.0)])
def test_hardly_any_notes(onsets_s: tuple[float, ...]) -> None:
    notes = tuple(Note(onset_s, onset_s + 0.5, 60 + i, 64) for i, onset_s in enumerate(onsets_s))
    timing = find_beats(Performance(notes))
    assert timing.beats_s[0] <= 1.1
    assert timing.beats_s[-1] >= onsets_s[-1] - 0.05
    assert (np.diff(timing.beats_s) > 0).all()


def test_a_stretch_of_busy_notes_keeps_the_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the onsets between the beats look a little like beats for a while, they are not read at double tempo."""
    busy = slice(33, 65, 2)

    def judged(onsets: Onsets) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        count = len(onsets.times_s)
        beat = np.where(np.arange(count) % 2, -3.0, 3.0)
        beat[busy] = 0.5
        even = np.zeros(count), np.full((count, len(LENGTHS_S)), -4.0), np.full((count, len(METRES)), -1.4)
        return beat, *even

    monkeypatch.setattr(beats, "judge", judged)
    played = Performance(tuple(Note(0.3 * i, 0.3 * i + 0.2, 60 + i % 5, 70) for i in range(100)))
    monkeypatch.setattr(beats, "PULSE_S", 0.42)  # so that neither tempo is the likelier one beforehand
    assert np.diff(find_beats(played).beats_s) == pytest.approx(0.6)
    monkeypatch.setattr(beats, "OTHER_PULSE", 0.0)
    assert np.diff(find_beats(played).beats_s).min() == pytest.approx(0.3), "so there is something to hold"


def test_doubtful_bar_lines_go_by_how_music_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(onsets: Onsets) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        count = len(onsets.times_s)
        downbeat = np.where(np.arange(count) % 4 == 2, 0.3, -0.3)
        metre = np.where(np.array(METRES) == (4, 4), -0.1, -9.0).min(axis=1)
        return np.full(count, 3.0), downbeat, np.full((count, len(LENGTHS_S)), -4.0), np.tile(metre, (count, 1))

    monkeypatch.setattr(beats, "judge", judged)
    played = Performance(tuple(Note(0.6 * i, 0.6 * i + 0.5, 60 + i % 5, 70) for i in range(60)))
    assert find_beats(played).first_downbeat == 0
    monkeypatch.setattr(beats, "OPENING", 0.25)
    monkeypatch.setattr(beats, "PICKUP", 0.25)
    assert find_beats(played).first_downbeat == 2, "so there is something to weigh"
