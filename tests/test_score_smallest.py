"""The smallest note value that a person asks for, on the page: notes, rests and tied parts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.metre import beat_quarters
from s2s_lib.notes import Piece
from s2s_lib.score import Wishes, musicxml, notate

TYPES = {"whole": 1, "half": 2, "quarter": 4, "eighth": 8, "16th": 16, "32nd": 32, "64th": 64}


@cache
def composed(metre: str, complexity: str) -> Piece:
    dataset = DatasetConfig(
        complexity=complexity, time_signatures=[metre], min_notes=60, max_notes=200, min_duration=10, max_duration=20
    )
    return compose(np.random.default_rng([7, len(complexity)]), dataset)


def written(text: str) -> Iterator[Fraction]:
    """The note type of every note and rest, as a fraction of a whole note, but of grace notes and bars' rests."""
    for note in ElementTree.fromstring(text).iter("note"):
        if note.find("grace") is None and note.find("type") is not None:
            yield Fraction(1, TYPES[note.findtext("type")])


@pytest.mark.parametrize("smallest", ["1/4", "1/8", "1/16"])
@pytest.mark.parametrize(("metre", "complexity"), [("4/4", "complex"), ("3/4", "medium"), ("6/8", "complex")])
def test_nothing_on_the_page_is_shorter(metre: str, complexity: str, smallest: str) -> None:
    piece = composed(metre, complexity)
    numerator, denominator = map(int, metre.split("/"))
    wishes = Wishes(piece.tempo_bpm, (numerator, denominator), smallest=Fraction(smallest))
    score = notate(piece.performance, wishes)
    values = list(written(musicxml(score, "Plain")))
    assert min(values) >= Fraction(smallest)
    shortest = min(note.duration_beats for note in score.notated if note.duration_beats)
    triplet = Fraction(2, 3) if beat_quarters(score.time_signature).numerator == 1 else 1
    assert shortest >= float(Fraction(smallest) * 4 * triplet) - 1e-6
    assert len(score.notated) == len(piece.performance.notes)


def test_a_beat_shorter_than_it_is_left_whole() -> None:
    score = notate(composed("3/4", "medium").performance, Wishes(time_signature=(3, 8), smallest=Fraction(1, 4)))
    assert min(written(musicxml(score, "Plain"))) == Fraction(1, 8)


def test_without_it_the_fastest_notes_are_kept() -> None:
    finest = {
        smallest: min(written(musicxml(notate(composed("4/4", "complex").performance, Wishes(smallest=smallest)), "")))
        for smallest in (None, Fraction(1, 32), Fraction(1, 8))
    }
    assert finest == {None: Fraction(1, 32), Fraction(1, 32): Fraction(1, 32), Fraction(1, 8): Fraction(1, 8)}
