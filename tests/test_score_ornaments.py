"""Ornaments: those that are, and what only looks like them."""

from __future__ import annotations

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import Note, Performance
from s2s_lib.score.ornaments import find_ornaments

TUNE = [(0.5, 67, 0.4), (1.0, 69, 0.4), (1.5, 71, 0.4), (2.0, 72, 0.8)]


def played(*notes: tuple[float, int, float], velocity: int = 64) -> Performance:
    """Notes of onset in seconds, pitch and key-down time."""
    return Performance(tuple(sorted(Note(onset, onset + length, pitch, velocity) for onset, pitch, length in notes)))


def alternation(first: int, second: int, count: int, gap_s: float) -> list[tuple[float, int, float]]:
    return [(1.0 + i * gap_s, second if i % 2 else first, gap_s) for i in range(count)]


def named(performance: Performance, beats_s: tuple[float, ...] = ()) -> dict[float, str]:
    """The ornaments found, by the place of their notes in time."""
    found = zip(performance.notes, find_ornaments(performance, beats_s), strict=True)
    return {round(note.onset_s, 3): name for note, name in found if name}


@pytest.mark.parametrize(
    ("graces", "tune"),
    [
        ([(1.94, 74, 0.05)], TUNE),
        ([(1.94, 71, 0.05)], TUNE[:2] + TUNE[3:]),
        ([(1.88, 72, 0.05), (1.94, 71, 0.05)], TUNE[:2] + TUNE[3:]),
    ],
    ids=["from above", "from below", "a mordent's two"],
)
def test_grace_notes(graces: list[tuple[float, int, float]], tune: list[tuple[float, int, float]]) -> None:
    assert named(played(*tune, *graces)) == {onset_s: "grace" for onset_s, _, _ in graces}


@pytest.mark.parametrize(
    ("neighbour", "beats_s", "names"),
    [
        (71, (1.0, 1.89, 3.0), ["mordent", "trilled", "trilled"]),
        (74, (1.0, 1.89, 3.0), ["inverted-mordent", "trilled", "trilled"]),
        (71, (1.0, 2.0, 3.0), ["grace", "grace"]),
        (71, (0.7, 1.7, 2.7), ["grace", "grace"]),
    ],
    ids=["mordent", "from above", "before the beat", "off the beat"],
)
def test_two_grace_notes_upon_a_beat_are_a_mordent(
    neighbour: int, beats_s: tuple[float, ...], names: list[str]
) -> None:
    performance = played(*TUNE[:2], TUNE[3], (1.88, 72, 0.05), (1.94, neighbour, 0.05))
    assert list(named(performance, beats_s).values()) == names


@pytest.mark.parametrize(("first", "second"), [(72, 74), (74, 72), (71, 72)])
def test_trill(first: int, second: int) -> None:
    """The lower key's first note carries the sign, whichever comes first; the accompaniment is left alone."""
    performance = played(*alternation(first, second, 9, 0.08), (1.0, 48, 0.4), (1.3, 52, 0.4))
    found = find_ornaments(performance)
    upper_first = first > second
    signs = [name for note, name in zip(performance.notes, found, strict=True) if note.pitch >= 60]
    assert signs == ["trilled"] * upper_first + ["trill"] + ["trilled"] * (8 - upper_first)
    assert [name for note, name in zip(performance.notes, found, strict=True) if note.pitch < 60] == [None, None]


@pytest.mark.parametrize(
    "notes",
    [
        [],
        TUNE,
        [(1.0 + i * 0.06, 60 + i, 0.06) for i in range(16)],
        [(1.0 + i * 0.05, pitch, 1.0) for i, pitch in enumerate((60, 62, 65, 69))],
        [(1.0, 60, 0.5), (1.05, 62, 0.5)],
        alternation(72, 74, 12, 0.15),
        alternation(72, 74, 4, 0.08),
        alternation(60, 67, 12, 0.08),
        [(1.0 + i * 0.06, pitch, 0.06) for i, pitch in enumerate((60, 64, 62, 64) * 5)],
        [(1.0 + i * 0.25 + late, pitch, 0.05) for i in range(6) for late, pitch in ((0.0, 60 + i), (0.02, 62 + i))],
    ],
    ids=["nothing", "a tune", "a run", "a broken chord", "a second", "sixteenths", "a turn's worth", "a tremolo",
         "a figure of three", "staccato seconds"],
)  # fmt: skip
def test_no_ornaments(notes: list[tuple[float, int, float]]) -> None:
    assert named(played(*notes)) == {}


@pytest.mark.parametrize(("level", "most"), [("simple", 0.0), ("medium", 0.01), ("complex", 0.01)])
def test_few_notes_of_composed_pieces_are_taken_for_ornaments(level: str, most: float) -> None:
    limits = {"max_notes": 3000, "min_duration": 15.0}
    found = []
    for seed in range(30):
        piece = compose(np.random.default_rng([9, seed]), DatasetConfig(complexity=level, **limits))
        if not {"trill", "grace", "mordent", "turn"} & set(piece.tags):
            found += find_ornaments(piece.performance)
    assert len(found) > 1000
    assert np.mean([name is not None for name in found]) <= most


def test_trills_of_composed_pieces_are_found() -> None:
    pieces = [
        compose(np.random.default_rng([9, seed]), DatasetConfig(complexity="complex", max_notes=3000))
        for seed in range(60)
    ]
    trilled = ["trill" in find_ornaments(piece.performance) for piece in pieces if "trill" in piece.tags]
    assert np.mean(trilled) >= 0.5
