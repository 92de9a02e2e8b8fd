"""Places, note values and voices: made rhythms, composed pieces with their truth, and music that fits badly."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.metre import beat_quarters
from s2s_lib.notes import NotatedNote, Note, Performance, Piece
from s2s_lib.score.quantize import quantize
from s2s_lib.score.timing import Timing

QUARTER_S = 0.6
RHYTHMS = {
    "quarters": (1, 1, 1, 1),
    "eighths": (0.5, 0.5, 1, 0.5, 0.5, 1),
    "dotted": (1.5, 0.5, 0.75, 0.25, 1),
    "sixteenths": (0.25, 0.25, 0.25, 0.25, 0.5, 0.25, 0.25, 1, 1),
    "triplets": (1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1, 1),
    "syncopated": (0.5, 1, 0.5, 1, 1),
    "double dotted": (0.875, 0.125, 0.875, 0.125, 1, 1),
}


def timing(quarters: int = 16, signature: tuple[int, int] = (4, 4)) -> Timing:
    return Timing(np.arange(quarters + 1) * QUARTER_S, 0, signature)


def played(notes: list[tuple[float, float, int]], rng: np.random.Generator | None = None) -> Performance:
    """Notes of (place, held quarters, pitch), 6 ms of unsteadiness where there is a generator."""
    off = 0.006 * rng.standard_normal(len(notes)) if rng else np.zeros(len(notes))
    shifted = [
        Note(max(0.0, place * QUARTER_S + o), (place + held) * QUARTER_S + o, pitch, 64)
        for (place, held, pitch), o in zip(notes, off, strict=True)
    ]
    return Performance(tuple(sorted(shifted)))


def right_hand(performance: Performance, **changes) -> tuple[NotatedNote, ...]:
    count = len(performance.notes)
    given = {"timing": timing(), "hands": ["R"] * count, "ornaments": [None] * count} | changes
    return quantize(performance, **given)


def true_timing(piece: Piece, rng: np.random.Generator | None = None) -> Timing:
    beats = np.array(piece.beats_s)
    step = float(beat_quarters(piece.time_signature))
    beats_s = np.interp(np.arange(0, len(beats) - 1 + 1e-9, step), np.arange(len(beats)), beats)
    off = np.clip(0.02 * rng.standard_normal(len(beats_s)), -0.05, 0.05) if rng else 0.0
    return Timing(np.maximum.accumulate(beats_s + off), 0, piece.time_signature)


def overlapping(written: tuple[NotatedNote, ...]) -> int:
    """How many notes of a hand's voice begin before another has ended, or share its place but not its length."""
    voices: dict[tuple, dict[float, set[float]]] = defaultdict(lambda: defaultdict(set))
    for note in written:
        if note.ornament is None:
            voices[note.hand, note.voice][round(note.onset_beat, 6)].add(round(note.duration_beats, 6))
    wrong = 0
    for places in voices.values():
        starts = sorted(places)
        wrong += sum(len(lengths) > 1 for lengths in places.values())
        wrong += sum(a + max(places[a]) > b + 1e-4 for a, b in pairwise(starts))
    return wrong


@pytest.mark.parametrize("articulation", [0.4, 0.95])
@pytest.mark.parametrize("name", RHYTHMS)
def test_made_rhythm(name, articulation):
    values = RHYTHMS[name] * (2 if sum(RHYTHMS[name]) == 4 else 1)
    places = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    notes = [(p, articulation * v, 60 + i % 5) for i, (p, v) in enumerate(zip(places, values, strict=True))]
    written = right_hand(played(notes, np.random.default_rng(0)))
    assert [note.onset_beat for note in written] == pytest.approx(places.tolist())
    assert [note.duration_beats for note in written] == pytest.approx(list(values))
    assert {note.voice for note in written} == {1}


@pytest.mark.parametrize(("level", "onsets", "values"), [("simple", 0.99, 0.93), ("medium", 0.92, 0.83)])
@pytest.mark.parametrize("unsteady", [False, True])
def test_composed_music(level, onsets, values, unsteady):
    right = np.zeros(2)
    count = 0
    for seed in range(6):
        wanted = DatasetConfig(complexity=level, min_notes=30, max_notes=200, min_duration=10, max_duration=20)
        piece = compose(np.random.default_rng([11, seed]), wanted)
        beats = true_timing(piece, np.random.default_rng(seed) if unsteady else None)
        hands = [note.hand for note in piece.notated]
        written = quantize(piece.performance, beats, hands, [n.ornament for n in piece.notated], Fraction(1, 32))
        assert overlapping(written) == 0
        assert [note.hand for note in written] == hands
        for true, found in zip(piece.notated, written, strict=True):
            right += (
                abs(true.onset_beat - found.onset_beat) < 1e-3,
                abs(true.duration_beats - found.duration_beats) < 1e-3,
            )
        count += len(written)
    assert right[0] / count >= onsets
    assert right[1] / count >= values


def test_notes_faster_than_16ths_are_kept_apart():
    places = np.arange(0, 4, 0.125)
    performance = played([(p, 0.1, 60 + i % 3) for i, p in enumerate(places)])
    assert [note.onset_beat for note in right_hand(performance)] == pytest.approx(places.tolist())


@pytest.mark.parametrize(
    ("places", "smallest", "found"),
    [
        ((0, 1.25, 2, 3), 16, (0, 1.25, 2, 3)),
        ((0, 1.25, 2, 3), 4, (0, 1, 2, 3)),
        ((0, 0.25, 0.5, 0.75, 1, 1.75, 2, 3), 8, (0, 0, 0.5, 0.5, 1, 1.5, 2, 3)),
        ((0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 3), 8, (0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 3)),
        ((0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 3), 4, (0, 0, 0, 1, 1, 1, 2, 3)),
        ([i / 6 for i in range(12)], 8, [i // 2 / 3 for i in range(12)]),
    ],
    ids=["room", "quarters", "16ths", "triplets", "no triplets", "sextuplets"],
)
def test_a_wished_smallest_value_is_never_gone_below(places, smallest, found):
    performance = played([(p, 0.12, 60 + i) for i, p in enumerate(places)])
    written = right_hand(performance, smallest=Fraction(1, smallest))
    assert [note.onset_beat for note in written] == pytest.approx(list(found))
    assert all(note.duration_beats > 4 / smallest * 0.6 for note in written)


def test_held_melody_above_moving_notes():
    notes = [(bar + 0.0, 3.9, 79) for bar in (0, 4)]
    notes += [(0.5 * i, 0.45, 60 + (0, 4, 7, 4)[i % 4]) for i in range(16)]
    performance = played(notes)
    written = right_hand(performance)
    for note, found in zip(performance.notes, written, strict=True):
        assert (found.voice, found.duration_beats) == ((1, 4.0) if note.pitch == 79 else (2, 0.5))


def test_rolled_chord_is_one_chord():
    notes = [(0.1 * i, 3.5, pitch) for i, pitch in enumerate((48, 55, 60, 64))] + [(4 + i, 0.9, 60) for i in range(4)]
    written = right_hand(played(notes))
    assert {(note.onset_beat, note.duration_beats) for note in written[:4]} == {(0.0, 4.0)}


@pytest.mark.parametrize(("touch", "last", "held"), [(0.6, 2, 2.0), (0.3, 1, 0.9)])
def test_a_held_end_lasts_as_long_as_it_is_held(touch, last, held):
    values = (1, 1, 1, 1, last)
    notes = [(float(i), touch if i < 4 else held, 60 + i % 3) for i in range(5)]
    assert [note.duration_beats for note in right_hand(played(notes))] == pytest.approx(list(values))


def test_a_voice_rests_where_the_hands_other_voice_is_struck():
    notes = []
    for half in range(4):  # as in the left hand of Bach's prelude in C major
        notes += [(2 * half, 1.9, 48), (2 * half + 0.25, 1.7, 55)]
    written = right_hand(played(notes))
    assert [note.duration_beats for note in written if note.onset_beat % 2][:-1] == pytest.approx([1.75] * 3)
    assert overlapping(written) == 0


def test_clearly_detached_note_is_followed_by_a_rest():
    notes = [(float(i), 0.95, 60) for i in range(5)] + [(8.0 + i, 0.95, 62) for i in range(4)]
    assert right_hand(played(notes))[4].duration_beats == 1.0


def test_ornaments():
    notes = [(0, 0.9, 60), (0.88, 0.1, 71), (1, 0.9, 72)]
    notes += [(2 + i / 8, 0.1, 74 + 2 * (i % 2)) for i in range(16)] + [(4, 3.9, 72)]
    ornaments = [None, "grace", None, "trill", *["trilled"] * 15, None]
    written = right_hand(played(notes), ornaments=ornaments)
    assert [note.ornament for note in written] == ornaments
    assert (written[1].onset_beat, written[1].duration_beats) == (1.0, 0.0)
    assert (written[3].onset_beat, written[3].duration_beats) == (2.0, 2.0)
    assert {(note.onset_beat, note.duration_beats) for note in written[4:-1]} == {(2.0, 0.0)}


def test_a_trill_from_above_is_no_part_of_the_one_before():
    trills = [(i / 8, 0.1, 74 - 2 * (i % 2)) for i in range(9)]
    notes = [(0, 0.1, 72), (0.1, 0.1, 74), (0.2, 0.3, 72), *((p + 4, h, pitch) for p, h, pitch in trills), (6, 2, 72)]
    ornaments = ["trill", "trilled", "trilled", "trilled", "trill", *["trilled"] * 7, None]
    written = right_hand(played(notes), ornaments=ornaments)
    assert (written[0].ornament, written[0].duration_beats) == ("trill", 1.0)


def test_mordent():
    notes = [(0, 0.1, 72), (0.12, 0.1, 71), (0.24, 1.7, 72), (2, 1.9, 74), (4, 3.9, 72)]
    ornaments = ["mordent", "trilled", "trilled", None, None]
    written = right_hand(played(notes), ornaments=ornaments)
    assert [note.ornament for note in written] == ornaments
    assert [(note.onset_beat, note.duration_beats) for note in written[:3]] == [(0.0, 2.0), (0.0, 0.0), (0.0, 0.0)]


def test_nothing_but_grace_notes():
    written = right_hand(played([(0, 0.1, 60), (1, 0.1, 62)]), ornaments=["grace", "grace"])
    assert [(note.onset_beat, note.duration_beats) for note in written] == [(0.0, 0.0)] * 2


def test_compound_metre():
    beats = Timing(np.arange(9) * 1.5 * QUARTER_S, 0, (6, 8))
    places = np.arange(0, 9, 0.5)
    written = right_hand(played([(p, 0.45, 60) for p in places], np.random.default_rng(1)), timing=beats)
    assert [note.onset_beat for note in written] == pytest.approx(places.tolist())


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_doubtful_beats_and_notes(pace):
    rng = np.random.default_rng(5)
    wanted = DatasetConfig(complexity="complex", min_notes=50, max_notes=300, min_duration=10, max_duration=20)
    piece = compose(rng, wanted)
    kept = [note for note in piece.performance.notes if rng.random() > 0.1]
    kept += [Note(float(t), float(t) + 0.1, int(rng.integers(40, 80)), 30) for t in rng.uniform(0, 8, 20)]
    performance = Performance(tuple(sorted(kept)), piece.performance.pedal)
    true = true_timing(piece)
    beats = Timing(
        np.interp(np.arange(0, len(true.beats_s) - 1, pace), np.arange(len(true.beats_s)), true.beats_s), 0, (4, 4)
    )
    hands = ["R" if note.pitch >= 60 else "L" for note in performance.notes]
    written = quantize(performance, beats, hands, [None] * len(hands))
    assert len(written) == len(kept)
    assert overlapping(written) == 0
    assert all(note.duration_beats > 0 and note.onset_beat >= 0 and note.voice in (1, 2) for note in written)
    off = [
        abs(n.onset_beat - q)
        for n, q in zip(written, beats.quarters([n.onset_s for n in performance.notes]), strict=True)
    ]
    assert np.median(off) < 0.1
