"""Scores of sheet music against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import mir_eval
import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.metrics import Notation, notation_scores
from s2s_lib.notes import NotatedNote, Note, Performance, Piece

# two measures in common time at a quarter note a second: onset and duration in quarters, pitch, hand, voice
MELODY = [(q, 1, pitch, "R", 1) for q, pitch in enumerate((72, 74, 76, 77, 79, 81, 83, 84))]
BASS = [(0, 4, 48, "L", 1), (4, 4, 55, "L", 1)]
ROWS = [*MELODY, *BASS]


def piece(rows, time_signature=(4, 4), key="C", quarter_s=1.0, first_s=0.0, ornaments=None):
    """A piece whose rows (onset, duration, pitch, hand, voice) are played on the beat; `first_s` is place 0's time."""
    made = [
        (
            Note(first_s + a * quarter_s, first_s + (a + d) * quarter_s, pitch, 64),
            NotatedNote(a, d, hand, voice, (ornaments or {}).get(pitch)),
        )
        for a, d, pitch, hand, voice in rows
    ]
    made.sort(key=lambda pair: pair[0])
    last = max(a + d for a, d, *_ in rows)
    beats_s = tuple((first_s + quarter_s * np.arange(int(np.ceil(last)) + 1)).tolist())
    notes, notated = zip(*made, strict=True)
    return Piece(Performance(notes), notated, beats_s, time_signature, key, 60 / quarter_s)


def moved(rows, by=0.0, factor=1.0):
    return [(a * factor + by, d * factor, *rest) for a, d, *rest in rows]


def changed(rows, pitch, **new):
    """The rows with one note's `onset`, `duration`, `hand` or `voice` changed, or without it for no change at all."""
    names = ("onset", "duration", "pitch", "hand", "voice")
    return [
        tuple(new.get(name, value) for name, value in zip(names, row, strict=True)) if row[2] == pitch else row
        for row in rows
        if new or row[2] != pitch
    ]


def scores(est, ref=None):
    return notation_scores(Notation.of(ref or piece(ROWS)), Notation.of(est)).flat()


CASES = {
    "half as many beats": (
        piece(moved(ROWS, factor=0.5), quarter_s=2.0),
        # 4 of 8 beats, 1 of 2 downbeats; the first two notes alone stand where they should, none is as long
        {"beat_f1": 2 / 3, "downbeat_f1": 2 / 3, "metre": 1, "onset": 0.2, "duration": 0, "rhythm": 0, "hand": 1,
         "mv2h.value": 1, "mv2h.voice": 1},
    ),
    "three beats to the bar": (
        piece(ROWS, (3, 4)),
        # downbeats at 0, 3, 6 against 0, 4; metre: 7 beats and 14 half beats shared, 1 bar against 2
        {"beat_f1": 1, "downbeat_f1": 0.4, "metre": 0, "bar_length": 0, "onset": 0.4, "duration": 1, "rhythm": 0.4,
         "mv2h.meter": 42 / 45},
    ),
    "twice as many bars": (
        piece(ROWS, (2, 4)),
        {"beat_f1": 1, "downbeat_f1": 2 / 3, "metre": 0, "bar_length": 0, "onset": 0.6},
    ),
    "a pickup that is none": (
        piece(moved(ROWS, by=1), first_s=-1.0),
        {"beat_f1": 1, "downbeat_f1": 0, "metre": 1, "onset": 0, "duration": 1, "mv2h.meter": 42 / 44},
    ),
    "a note missed and one invented": (
        piece([*changed(ROWS, 77), (3, 1, 66, "R", 1)]),
        {"hand": 0.9, "onset": 0.9, "rhythm": 0.9, "mv2h.multi_pitch": 0.9},
    ),
    "a note in the other hand": (
        piece(changed(ROWS, 77, hand="L")),
        # right are C-D, D-E, G-A, A-B, B-C and the bass's; wrong are E-G and F-G3; missed are E-F and F-G
        {"hand": 0.9, "voice": 0.9, "rhythm": 1, "mv2h.voice": 0.75, "mv2h.value": 1, "mv2h.multi_pitch": 1},
    ),
    "a note in the lower voice": (piece(changed(ROWS, 84, voice=2)), {"hand": 1, "voice": 0.9}),
    "a note half as long": (
        piece(changed(ROWS, 72, duration=0.5)),
        {"onset": 1, "duration": 0.9, "rhythm": 0.9, "mv2h.voice": 1, "mv2h.value": 0.95},
    ),
    "a chord of two lengths": (
        piece([*ROWS, (0, 2, 60, "R", 1)]),
        # the invented note is not looked at, so the melody leads to itself alone
        {"mv2h.multi_pitch": 20 / 21, "mv2h.voice": 1, "hand": 1},
    ),
    "a note not printed": (piece(ROWS, ornaments={77: "trilled"}), {"onset": 0.9, "mv2h.multi_pitch": 18 / 19}),
    "relative key": (piece(ROWS, key="Am"), {"key_signature": 1, "key_weighted": 0.3, "mv2h.harmony": 0.3}),
    "key a fifth too high": (piece(ROWS, key="G"), {"key_signature": 0, "key_weighted": 0.5, "mv2h.harmony": 0.5}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_golden_triples(name):
    est, expected = CASES[name]
    got = scores(est)
    assert {key: got[key] for key in expected} == pytest.approx(expected)
    parts = [got[f"mv2h.{part}"] for part in ("multi_pitch", "voice", "meter", "value", "harmony")]
    assert got["mv2h.mean"] == pytest.approx(np.mean(parts))


@pytest.mark.parametrize("complexity", ["simple", "complex"])
def test_a_piece_agrees_with_itself(complexity):
    whole = compose(np.random.default_rng(3), DatasetConfig(complexity=complexity, max_notes=300))
    got = scores(whole, whole)
    assert got.pop("notes") == sum(note.ornament != "trilled" for note in whole.notated)
    assert got == pytest.approx(dict.fromkeys(got, 1.0))


def test_three_eighths_of_a_compound_metre_are_one_beat():
    ref, est = piece(ROWS, (3, 4)), piece(ROWS, (6, 8))
    got = scores(est, ref)
    # every third beat of the reference is found, and half the estimate's beats lie between two
    assert got["beat_f1"] == pytest.approx(2 * 3 / (8 + 5))
    assert (got["metre"], got["bar_length"]) == (0, 1)


def test_beats_are_scored_as_mir_eval_does():
    rng = np.random.default_rng(0)
    ref = piece(ROWS)
    beats_s = tuple((np.array(ref.beats_s) + rng.normal(0, 0.07, len(ref.beats_s))).tolist())
    got = scores(replace(ref, beats_s=beats_s))["beat_f1"]
    heard = [(t, e) for t, e in zip(ref.beats_s, beats_s, strict=True) if t <= 7]
    expected = mir_eval.beat.f_measure(*map(np.array, zip(*heard, strict=True)))
    assert 0 < got < 1
    assert got == pytest.approx(expected)


def test_grace_notes_are_right_where_they_stand_and_have_no_length():
    rows = [*ROWS, (4, 0, 78, "R", 1)]
    ref = piece(rows, ornaments={78: "grace"})
    assert scores(ref, ref)["rhythm"] == 1
    written_out = piece([*ROWS, (3.75, 0.25, 78, "R", 1)])
    late = replace(written_out, performance=ref.performance, notated=_in_order_of(ref, written_out))
    got = scores(late, ref)
    assert (got["onset"], got["duration"]) == (pytest.approx(10 / 11), pytest.approx(10 / 11))
    assert got["mv2h.multi_pitch"] == 1


def _in_order_of(ref, est):
    """The notated notes of `est` for the played notes of `ref`, by pitch."""
    by_pitch = {note.pitch: notated for note, notated in zip(est.performance.notes, est.notated, strict=True)}
    return tuple(by_pitch[note.pitch] for note in ref.performance.notes)


def test_notes_that_the_true_score_lacks_are_left_out():
    ref = Notation.of(piece(ROWS))
    silent = tuple(None if note.pitch == 77 else notated for note, notated in zip(ref.notes, ref.notated, strict=True))
    got = notation_scores(replace(ref, notated=silent), ref)
    assert got.notes == 9
    assert got.mv2h.multi_pitch == got.mv2h.voice == got.rhythm == 1


def test_measures_of_their_own_length():
    regular = Notation.of(piece(ROWS))
    irregular = replace(regular, downbeats=np.array([0.0, 5.0]))
    assert [irregular.in_measure(place) for place in (0.0, 4.0, 5.0, 7.0)] == [0, 4, 0, 2]
    upbeat = replace(regular, downbeats=np.array([1.0, 5.0]))
    assert upbeat.in_measure(0.5) == 3.5


def test_nothing_heard():
    whole = Notation.of(piece(ROWS))
    nothing = replace(whole, notes=(), notated=())
    got = notation_scores(whole, nothing)
    assert (got.hand, got.rhythm, got.mv2h.multi_pitch, got.mv2h.voice, got.mv2h.value) == (0, 0, 0, 0, 0)
