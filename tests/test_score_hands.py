"""Hands: composed pieces as their score has them, and what two hands can and cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import Note, Performance
from s2s_lib.score import hands
from s2s_lib.score.hands import split_hands

REACH = 14  # semitones between the outer fingers of a hand, about a tenth


def played(*notes: tuple[float, int]) -> Performance:
    return Performance(tuple(sorted(Note(onset_s, onset_s + 0.2, pitch, 64) for onset_s, pitch in notes)))


@pytest.mark.parametrize(("level", "share"), [("simple", 0.97), ("medium", 0.97), ("complex", 0.97)])
def test_composed_pieces_are_shared_as_written(level: str, share: float) -> None:
    dataset = DatasetConfig(complexity=level, max_notes=3000, min_duration=15.0)
    right = []
    for seed in range(6):
        piece = compose(np.random.default_rng([11, seed]), dataset)
        found = split_hands(piece.performance)
        right += [hand == notated.hand for hand, notated in zip(found, piece.notated, strict=True)]
    assert np.mean(right) >= share


@pytest.mark.parametrize(
    ("performance", "expected"),
    [
        (Performance(()), ""),
        (played(*((i / 4, 72 + i) for i in range(8))), "R" * 8),
        (played(*((i / 4, 40 - i) for i in range(8))), "L" * 8),
        (played((0, 41), (0, 48), (0, 53), (0, 72), (0, 77), (0, 81)), "LLLRRR"),
        (played(*((i / 8, 36 + 12 * (i % 2)) for i in range(8)), *((i / 4, 76) for i in range(4))), None),
    ],
    ids=["no notes", "treble", "bass", "two chords", "murky bass under a tune"],
)
def test_simple_textures(performance: Performance, expected: str | None) -> None:
    registers = "".join("R" if note.pitch > 60 else "L" for note in performance.notes)
    assert "".join(split_hands(performance)) == (registers if expected is None else expected)


def test_left_hand_crosses_over_the_right() -> None:
    """A steady figure in the right hand, which the left leaps over from the bass."""
    figure = [(i / 8, pitch) for i, pitch in enumerate((60, 64, 67, 64) * 8)]
    crossing = [(i / 2, 43 if i % 2 == 0 else 84) for i in range(8)]
    performance = played(*figure, *crossing)
    found = dict(zip(performance.notes, split_hands(performance), strict=True))
    assert {found[note] for note in performance.notes if note.pitch == 43} == {"L"}
    assert len({found[note] for note in performance.notes if 60 <= note.pitch <= 67}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_hand_reaches_no_further_than_a_tenth_where_two_can_share(seed: int) -> None:
    """Two random chords within a hand's reach each, far enough apart for both to be possible."""
    rng = np.random.default_rng(seed)
    notes = []
    for i in range(12):
        low, high = rng.integers(36, 48), rng.integers(64, 76)
        notes += [(i * 0.6, int(low + step)) for step in rng.choice(REACH, 3, replace=False)]
        notes += [(i * 0.6, int(high + step)) for step in rng.choice(REACH, 3, replace=False)]
    performance = played(*notes)
    struck: dict[tuple[float, str], list[int]] = {}
    for note, hand in zip(performance.notes, split_hands(performance), strict=True):
        struck.setdefault((note.onset_s, hand), []).append(note.pitch)
    assert max(max(pitches) - min(pitches) for pitches in struck.values()) <= REACH
    assert max(len(pitches) for pitches in struck.values()) <= 5


def test_pieces_of_a_long_performance_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = compose(np.random.default_rng(3), DatasetConfig(complexity="complex", max_notes=400))
    whole = split_hands(piece.performance)
    monkeypatch.setattr(hands, "CHUNK", 3)
    assert split_hands(piece.performance) == whole


def test_the_network_knows_figures_that_no_pair_of_notes_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chords of the left hand and the right in turn, close together, as in toccatas."""
    strokes = [("L", (48, 55, 60)), ("R", (64, 67, 72))] * 40
    written = [(i * 0.15, pitch + i // 16, hand) for i, (hand, chord) in enumerate(strokes) for pitch in chord]
    performance = played(*((onset_s, pitch) for onset_s, pitch, _ in written))

    def share() -> float:
        found = split_hands(performance)
        return float(np.mean([hand == true for hand, (*_, true) in zip(found, written, strict=True)]))

    assert share() == 1.0
    monkeypatch.setattr(hands, "NETWORK", 0.0)
    assert share() < 0.9


@pytest.mark.parametrize(("lowest", "hand"), [(72, "R"), (42, "L")])
def test_a_tune_alone_stays_in_one_hand(lowest: int, hand: str) -> None:
    tune = [lowest + step for step in (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2)]
    assert set(split_hands(played(*((i / 4, pitch) for i, pitch in enumerate(tune * 5))))) == {hand}


def test_a_note_alone_and_a_chord_alone_have_hands() -> None:
    assert split_hands(played((0.0, 84))) == ["R"]
    assert split_hands(played((0.0, 31))) == ["L"]
    assert split_hands(played(*((0.0, pitch) for pitch in (36, 48, 72, 76, 79)))) == ["L", "L", "R", "R", "R"]


def test_no_hand_plays_a_wide_figure_alone() -> None:
    """Broken chords about middle C, short keys under a pedal: nothing but habit says that both hands play."""
    figure = (60, 64, 67, 72, 76, 67, 72, 76)
    notes = played(*((i / 4, pitch) for i, pitch in enumerate(figure * 8)))
    assert set(split_hands(notes)) == {"L", "R"}
