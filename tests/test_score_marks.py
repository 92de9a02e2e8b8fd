"""Marks on the page: dynamics, hairpins, tempo, pedal, clefs, octave lines, rolled chords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from scores import Row, melody, piece_of, read_back, wanted

from s2s_lib.notes import PedalEvent, Performance, Piece
from s2s_lib.score.musicxml import musicxml


def bars_of(piece: Piece) -> list[ElementTree.Element]:
    return ElementTree.fromstring(musicxml(piece, "Title")).findall("part/measure")


def places(bars: list[ElementTree.Element], tag: str) -> list[tuple[float, ElementTree.Element]]:
    """Where in the score, in bars from its beginning, each direction of a kind stands."""
    found = []
    for number, bar in enumerate(bars):
        at = 0
        for element in bar:
            offset = int(element.findtext("offset", "0"))
            found += [(number + (at + offset) / 192, mark) for mark in element.iter(tag)]
            if element.find("chord") is None:
                length = int(element.findtext("duration", "0"))
                at += -length if element.tag == "backup" else length
    return found


def played(piece: Piece, velocity: Callable[[int], float], pedal: tuple[PedalEvent, ...] = ()) -> Piece:
    """The piece with velocities by the number of the note."""
    notes = tuple(replace(note, velocity=round(velocity(i))) for i, note in enumerate(piece.performance.notes))
    return replace(piece, performance=Performance(notes, pedal))


def test_marks_come_by_the_passage() -> None:
    """Eight loud fast bars, then eight soft slow ones with pedal; velocities waver by 6 all along."""
    piece = piece_of(melody(*[1.0] * 64))
    beats_s = tuple(np.cumsum([0.0, *[0.5] * 32, *[0.8] * 34]))
    notes = tuple(
        replace(note, onset_s=beats_s[i], offset_s=beats_s[i + 1]) for i, note in enumerate(piece.performance.notes)
    )
    pedal = (PedalEvent(beats_s[40] + 0.05, 127), PedalEvent(beats_s[44] + 0.02, 0), PedalEvent(beats_s[44] + 0.2, 90),
             PedalEvent(beats_s[46], 0))  # fmt: skip
    piece = replace(piece, performance=Performance(notes), beats_s=beats_s)
    bars = bars_of(played(piece, lambda i: (98 if i < 32 else 46) + 6 * (-1) ** i, pedal))
    assert [(i, e[0].tag) for i, e in places(bars, "dynamics")] == [(0, "f"), (8, "p")]
    assert [(i, round(float(e.get("tempo")))) for i, e in places(bars, "sound")] == [(0, 120), (8, 75)]
    assert [(i, e.get("type")) for i, e in places(bars, "pedal")] == [
        (10, "start"), (11, "stop"), (11, "start"), (11.5, "stop")
    ]  # fmt: skip
    assert places(bars, "wedge") == []


@pytest.mark.parametrize(
    ("velocity", "dynamics", "hairpins"),
    [
        (lambda i: 49 + 47 * np.clip((i - 32) / 16, 0, 1), ["p", "f"], [(8, "crescendo"), (12, "stop")]),
        (lambda i: 96 - 47 * np.clip((i - 32) / 8, 0, 1), ["f", "p"], [(8, "diminuendo"), (10, "stop")]),
        (lambda i: 49 + 47 * (i >= 32), ["p", "f"], []),
        (lambda i: 64 + 7 * np.sin(i / 5), ["mp"], []),
    ],
    ids=["louder", "softer", "at once", "swells"],
)
def test_hairpins_lead_from_one_dynamic_to_the_next(
    velocity: Callable[[int], float], dynamics: list[str], hairpins: list[tuple[int, str]]
) -> None:
    """Single notes stray by some velocities."""
    off = np.random.default_rng(0).normal(0, 3, 80)
    bars = bars_of(played(piece_of(melody(*[1.0] * 80)), lambda i: velocity(i) + off[i]))
    assert [mark[0].tag for _, mark in places(bars, "dynamics")] == dynamics
    found = places(bars, "wedge")
    assert [mark.get("type") for _, mark in found] == [kind for _, kind in hairpins]
    assert [place for place, _ in found] == pytest.approx([place for place, _ in hairpins], abs=0.75)
    if hairpins:
        assert places(bars, "dynamics")[1][0] == found[1][0]


def test_a_staff_far_out_changes_its_clef_or_octave() -> None:
    low, high = melody(*[1.0] * 16, pitch=45), melody(*[1.0] * 16, pitch=98)
    low = [(hand, voice, at + 16, *rest) for hand, voice, at, *rest in low]
    bars = bars_of(
        piece_of([*melody(*[1.0] * 16), *low, *((hand, voice, at + 32, *rest) for hand, voice, at, *rest in high)])
    )
    clefs = [(i, c.findtext("sign")) for i, bar in enumerate(bars) for c in bar.iter("clef") if c.get("number") == "1"]
    assert clefs == [(0, "G"), (4, "F"), (8, "G")]
    assert [(i, e.get("type")) for i, e in places(bars, "octave-shift")] == [(8, "down"), (12, "stop")]


@pytest.mark.parametrize(
    ("hand", "pitches", "line"),
    [
        ("R", [72] * 4 + [84, 88, 91, 93, 96, 98, 100, 98, 96, 93, 91, 88] + [72] * 4, (1.25, 3.75)),
        ("R", [72] * 8 + [96] + [72] * 8, None),
        ("R", [72, 88] * 8, None),
        ("L", [48] * 4 + [23, 22, 21, 22, 23, 21, 22, 24] + [48] * 4, (1.0, 3.0)),
        ("L", [36, 31, 28, 26] * 4, None),
    ],
    ids=["a high run", "one high note", "leaps", "the lowest keys", "a low bass"],
)
def test_octave_lines_spare_towers_of_ledger_lines(
    hand: str, pitches: list[int], line: tuple[float, float] | None
) -> None:
    rows = [(hand, 1, float(i), 1.0, pitch, None) for i, pitch in enumerate(pitches)]
    piece = piece_of(rows)
    found = [(place, mark.get("type")) for place, mark in places(bars_of(piece), "octave-shift")]
    if line is None:
        assert found == []
    else:
        assert [kind for _, kind in found] == ["down" if hand == "R" else "up", "stop"]
        assert [place for place, _ in found] == pytest.approx(line, abs=0.5)
    assert read_back(musicxml(piece, "Title")) == wanted(piece)


def test_no_octave_line_begins_or_ends_within_a_tie() -> None:
    rows: list[Row] = [*melody(1, 1, 1, 2, pitch=72), *melody(*[0.5] * 16, start=5, pitch=99)]
    rows[3] = ("R", 1, 3.0, 2.0, 99, None)  # tied across the bar line
    found = [(place, mark.get("type")) for place, mark in places(bars_of(piece_of(rows)), "octave-shift")]
    assert found == [(0.75, "down"), (3.25, "stop")]


@pytest.mark.parametrize(("gap_s", "rolled"), [(0.05, 3), (-0.05, 0), (0.012, 0)])
def test_rolled_chords_have_their_sign(gap_s: float, rolled: int) -> None:
    """The sign stands at the chord's beginning alone, and not where it is tied over the bar line."""
    piece = piece_of([*melody(4, 4), *(("L", 1, 0.0, 6.0, pitch, None) for pitch in (48, 52, 55))])
    notes = tuple(
        replace(note, onset_s=note.onset_s + 0.2 + gap_s * (72, 48, 52, 55).index(note.pitch), offset_s=4.5)
        for note in piece.performance.notes
    )
    bars = bars_of(replace(piece, performance=Performance(notes)))
    assert len(places(bars, "arpeggiate")) == rolled
