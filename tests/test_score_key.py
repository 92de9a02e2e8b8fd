"""Key and spelling: composed pieces, and what harmony books ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.compose.theory import parse_key
from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS, DatasetConfig
from s2s_lib.keys import fifths_of
from s2s_lib.notes import Performance
from s2s_lib.score.key import find_key
from s2s_lib.score.spelling import NATURALS, spell

KEYS = (*MAJOR_KEYS, *MINOR_KEYS)
TOKENS = {"bb": -2, "b": -1, "": 0, "#": 1, "##": 2}


def names(pitches: list[int], key: str) -> list[str]:
    marks = {alteration: mark for mark, alteration in TOKENS.items()}
    return [f"{step}{marks[alteration]}{octave}" for step, alteration, octave in spell(pitches, key)]


def midi(name: str) -> int:
    return NATURALS[name[0]] + TOKENS[name[1:-1]] + 12 * (int(name[-1]) + 1)


@pytest.mark.parametrize("level", ["simple", "medium", "complex"])
def test_key_of_composed_pieces(level: str) -> None:
    pieces = [compose(np.random.default_rng([5, seed]), DatasetConfig(complexity=level)) for seed in range(30)]
    assert np.mean([find_key(piece.performance) == piece.key for piece in pieces]) >= 0.9


def test_a_transposed_piece_is_in_the_transposed_key() -> None:
    piece = compose(np.random.default_rng(8), DatasetConfig(key_signatures=["C"], complexity="medium"))
    for step in range(-5, 7):
        notes = tuple(replace(note, pitch=note.pitch + step) for note in piece.performance.notes)
        assert parse_key(find_key(Performance(notes))).tonic == step % 12


def test_no_notes_have_no_key() -> None:
    with pytest.raises(ValueError, match="without notes"):
        find_key(Performance(()))


@pytest.mark.parametrize(
    ("key", "fifths"), [("C", 0), ("Am", 0), ("F#", 6), ("D#m", 6), ("Db", -5), ("Bbm", -5), ("Gb", -6), ("C#m", 4)]
)
def test_signatures(key: str, fifths: int) -> None:
    assert fifths_of(key) == fifths


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("C", "C4 D4 E4 F4 F#4 G4 G#4 A4 B4 C5"),
        ("C", "C5 B4 Bb4 A4 Ab4 G4 F4 E4 Eb4 D4 C4"),
        ("Am", "A4 B4 C5 D5 E5 F5 G#4 A4 D#5 E5 F5 F#5 G#5 A5"),
        ("Eb", "Eb4 G4 Bb4 Ab4 A4 Bb4 C5 D5 Eb5 Cb5 Bb4"),
        ("C#m", "C#4 E4 G#4 A4 B#4 C#5 D#5 E5 F#5 F##5 G#5"),
        ("F#", "F#4 A#4 C#5 E#5 F#5 D#5 B4 C#5 E#4 F#4"),
        ("Bbm", "Bb3 Db4 F4 Gb4 A4 Bb4 C5 Db5 Eb5 E5 F5"),
        ("Gb", "Gb3 Bb3 Db4 Cb4 Ab3 F4 Gb4"),
    ],
)
def test_spelling(key: str, line: str) -> None:
    expected = line.split()
    assert names([midi(name) for name in expected], key) == expected


def test_a_passage_in_another_key_is_spelled_in_that_key() -> None:
    """A major within C major: its leading note is G#, though no A follows it soon."""
    home, away = "C4 E4 G4 F4 D4 B4 C5 G4".split(), "A4 C#5 E5 G#4 B4 D5 F#4".split()
    expected = home * 4 + away * 6 + home * 4
    until = len(expected) - len(home) * 4 - len(away)  # the last bar before home is anyone's
    assert names([midi(name) for name in expected], "C")[:until] == expected[:until]


@pytest.mark.parametrize("key", KEYS)
def test_every_pitch_is_written_with_two_accidentals_at_most(key: str) -> None:
    pitches = np.random.default_rng(0).integers(21, 109, 400).tolist()
    spelled = spell(pitches, key)
    assert [NATURALS[step] + alteration + 12 * (octave + 1) for step, alteration, octave in spelled] == pitches
    assert all(abs(alteration) <= 2 for _, alteration, _ in spelled)


def test_nothing_to_spell() -> None:
    assert spell([], "C") == []
