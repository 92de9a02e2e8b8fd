"""Scores against golden triples, against mir_eval itself, and in the corner cases."""

from __future__ import annotations

import json
import runpy
import warnings
from dataclasses import replace
from pathlib import Path

import mir_eval
import numpy as np
import pytest

from s2s_lib import metrics
from s2s_lib.config import EvaluationConfig
from s2s_lib.notes import PITCHES, Note, PedalEvent, Performance, as_arrays, extend_by_pedal

GOLDEN_FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((GOLDEN_FOLDER / "metrics.json").read_text(encoding="utf-8"))
EVALUATION = EvaluationConfig()


def performance(notes, spans=()):
    """A Performance from rows of (onset ms, offset ms, pitch, velocity) and pedal spans in ms."""
    pedal = [PedalEvent(t / 1000, value) for down, up in spans for t, value in ((down, 127), (up, 0))]
    return Performance(tuple(sorted(Note(a / 1000, b / 1000, p, v) for a, b, p, v in notes)), tuple(sorted(pedal)))


def random_performance(seed, notes=300, seconds=60.0, jitter=None):
    """Random notes, or those of `jitter` moved about, some of them dropped and some invented."""
    rng = np.random.default_rng(seed)
    if jitter is None:
        onsets = np.sort(rng.uniform(0, seconds, notes))
        lengths = rng.uniform(0.05, 2, notes)
        made = [
            Note(a, a + d, int(rng.integers(21, 109)), int(rng.integers(20, 120)))
            for a, d in zip(onsets, lengths, strict=True)
        ]
        pedal = [PedalEvent(float(t), 127 * (i % 2 == 0)) for i, t in enumerate(np.arange(0.5, seconds, 0.7))]
        return Performance(tuple(sorted(made)), tuple(pedal))
    moved = []
    for note in jitter.notes:
        onset = note.onset_s + rng.normal(0, 0.03)
        length = (note.offset_s - note.onset_s) * rng.uniform(0.7, 1.3)
        velocity = int(np.clip(note.velocity + rng.normal(0, 12), 1, 127))
        if rng.random() < 0.9:
            moved.append(Note(max(onset, 0.0), max(onset, 0.0) + length, note.pitch, velocity))
    return Performance(tuple(sorted(moved + list(random_performance(seed + 1, 20).notes))), jitter.pedal)


REF = random_performance(0)
EST = random_performance(1, jitter=REF)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_golden_triples(case):
    ref = performance(case["ref"], case.get("ref_pedal", ()))
    est = performance(case["est"], case.get("est_pedal", ()))
    got = metrics.score(ref, est, EVALUATION).as_dict()
    for name, expected in case["expected"].items():
        assert got[name] == pytest.approx(expected), name


def test_golden_triples_are_what_their_generator_makes():
    made = runpy.run_path(str(GOLDEN_FOLDER / "make_metrics.py"))
    for case in GOLDEN:
        assert made["expected"](made["CASES"][case["name"]]) == case["expected"]
    assert list(made["CASES"]) == [case["name"] for case in GOLDEN]


def test_note_scores_equal_mir_eval():
    ref_intervals, ref_pitches, ref_velocities = as_arrays(REF.notes)
    est_intervals, est_pitches, est_velocities = as_arrays(EST.notes)
    ref_hz, est_hz = mir_eval.util.midi_to_hz(ref_pitches), mir_eval.util.midi_to_hz(est_pitches)
    got = metrics.score(REF, EST, EVALUATION)

    def prf(counts):
        return counts.precision, counts.recall, counts.f1

    plain = mir_eval.transcription.precision_recall_f1_overlap
    onset = plain(ref_intervals, ref_hz, est_intervals, est_hz, offset_ratio=None)[:3]
    key = plain(ref_intervals, ref_hz, est_intervals, est_hz)[:3]
    velocity = mir_eval.transcription_velocity.precision_recall_f1_overlap(
        ref_intervals, ref_hz, ref_velocities, est_intervals, est_hz, est_velocities
    )[:3]
    pedal = plain(as_arrays(extend_by_pedal(REF))[0], ref_hz, as_arrays(extend_by_pedal(EST))[0], est_hz)[:3]
    assert prf(got.onset) == pytest.approx(onset)
    assert prf(got.onset_offset_key) == pytest.approx(key)
    assert prf(got.onset_offset_pedal) == pytest.approx(pedal)
    assert prf(got.onset_offset_velocity) == pytest.approx(velocity)
    assert 0.1 < velocity[2] < key[2] < onset[2] < 1, "the example must tell the metrics apart"


def test_frame_score_equals_mir_eval():
    got = metrics.frame_counts(REF.notes, EST.notes)
    frames = round(max(n.offset_s for n in (*REF.notes, *EST.notes)) / metrics.scores.FRAME_S) + 1
    times = np.arange(frames) * metrics.scores.FRAME_S

    def frequencies(notes):
        return [
            mir_eval.util.midi_to_hz(np.array(sorted({n.pitch for n in notes if n.onset_s <= t < n.offset_s}), float))
            for t in times
        ]

    expected = mir_eval.multipitch.metrics(times, frequencies(REF.notes), times, frequencies(EST.notes))
    assert (got.precision, got.recall) == pytest.approx(expected[:2])


def test_a_perfect_transcription_scores_one_everywhere():
    scores = metrics.score(REF, REF, EVALUATION)
    for name in metrics.COUNTED:
        counts = getattr(scores, name)
        assert (counts.precision, counts.recall, counts.f1) == (1, 1, 1), name
    assert scores.note_accuracy == 1
    assert scores.velocity_error == 0
    for name in metrics.DEVIATIONS:
        assert set(vars(getattr(scores, name)).values()) == {0}, name


@pytest.mark.parametrize(("milliseconds", "f1"), [(40, 1.0), (-40, 1.0), (50, 1.0), (60, 0.0)])
def test_shift_within_and_beyond_the_tolerance(milliseconds, f1):
    ref = performance([[1000 + 500 * i, 1400 + 500 * i, 60 + i, 64] for i in range(8)])
    scores = metrics.score(ref, ref.shifted(milliseconds / 1000), EVALUATION)
    assert scores.onset.f1 == f1
    if f1:
        assert scores.onset_deviation.mean_s == pytest.approx(milliseconds / 1000)
        assert scores.onset_deviation.p95_absolute_s == pytest.approx(abs(milliseconds) / 1000)
    else:
        assert set(vars(scores.onset_deviation).values()) == {None}


def test_tolerances_come_from_the_config():
    ref = performance([[0, 1000, 60, 64]])
    late = performance([[80, 1300, 60, 64]])
    wide = EvaluationConfig(onset_tolerance=0.1)
    assert metrics.score(ref, late, EVALUATION).onset.matched == 0
    assert metrics.score(ref, late, wide).onset.matched == 1
    assert metrics.score(ref, late, wide).onset_offset_key.matched == 0
    assert metrics.score(ref, late, wide.model_copy(update={"offset_ratio": 0.3})).onset_offset_key.matched == 1
    assert metrics.score(ref, late, wide.model_copy(update={"offset_min_tolerance": 0.3})).onset_offset_key.matched == 1
    loud = performance([[0, 400, 60 + i, v] for i, v in enumerate((20, 60, 100))])
    flat = performance([[0, 400, 60 + i, v] for i, v in enumerate((20, 80, 100))])
    assert metrics.score(loud, flat, EvaluationConfig(velocity_tolerance=0.5)).onset_offset_velocity.matched == 3
    assert metrics.score(loud, flat, EvaluationConfig(velocity_tolerance=0.05)).onset_offset_velocity.matched < 3


def test_deviations_are_signed_and_in_seconds():
    ref = performance([[1000 * i, 1000 * i + 500, 60, 64] for i in range(4)])
    est = performance(
        [[1000 * i + d, 1000 * i + 500 + e, 60, 64] for i, (d, e) in enumerate([(0, -100), (10, 0), (20, 0), (50, 20)])]
    )
    scores = metrics.score(ref, est, EVALUATION)
    assert scores.onset_deviation.mean_s == pytest.approx(0.02)
    assert scores.onset_deviation.mean_absolute_s == pytest.approx(0.02)
    assert scores.onset_deviation.median_absolute_s == pytest.approx(0.015)
    assert scores.onset_deviation.p95_absolute_s == pytest.approx(np.percentile([0, 0.01, 0.02, 0.05], 95))
    assert scores.offset_deviation_key.mean_s == pytest.approx(-0.02)
    assert scores.offset_deviation_key.mean_absolute_s == pytest.approx(0.03)


def test_pedal_and_key_conventions_differ_only_in_offsets():
    ref = performance([[0, 200, 60, 64], [0, 200, 64, 64]], [(100, 1000)])
    held = performance([[0, 1000, 60, 64], [0, 1000, 64, 64]])
    scores = metrics.score(ref, held, EVALUATION)
    assert (scores.onset.f1, scores.onset_offset_key.f1, scores.onset_offset_pedal.f1) == (1, 0, 1)
    assert scores.offset_deviation_key.mean_s == pytest.approx(0.8)
    assert scores.offset_deviation_pedal.mean_s == pytest.approx(0)


def test_velocity_is_judged_after_a_linear_fit():
    est = Performance(tuple(replace(n, velocity=round(n.velocity / 2) + 10) for n in REF.notes), REF.pedal)
    scores = metrics.score(REF, est, EVALUATION)
    assert scores.onset_offset_velocity.f1 == 1
    assert scores.velocity_error == pytest.approx(
        np.mean([abs(a.velocity - b.velocity) for a, b in zip(REF.notes, est.notes, strict=True)])
    )
    rng = np.random.default_rng(3)
    noise = Performance(tuple(replace(n, velocity=int(rng.integers(1, 128))) for n in REF.notes), REF.pedal)
    assert metrics.score(REF, noise, EVALUATION).onset_offset_velocity.f1 < 0.5


@pytest.mark.parametrize(("ref", "est"), [((), REF.notes), (REF.notes, ()), ((), ())])
def test_empty_sides_give_no_warning_and_valid_json(ref, est):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = metrics.score(Performance(tuple(ref)), Performance(tuple(est)), EVALUATION)
        summary = metrics.summarize([scores])
        assert metrics.confusion(Performance(tuple(ref)), Performance(tuple(est)), EVALUATION).matrix.sum() == len(
            ref
        ) + len(est)
    assert all(getattr(scores, name).f1 == 0 for name in metrics.COUNTED)
    assert scores.velocity_error is None
    json.dumps([scores.as_dict(), scores.flat(), summary], allow_nan=False)


def test_confusion_tells_octaves_from_other_intervals():
    ref = performance([[1000 * i, 1000 * i + 400, p, 64] for i, p in enumerate((60, 62, 64, 65, 67, 69, 71))])
    est = performance(
        [[1000 * i + 20, 1000 * i + 400, p, 64] for i, p in enumerate((60, 74, 52, 66, 86, 74))]
        + [[9000, 9400, 50, 64]]
    )
    confusion = metrics.confusion(ref, est, EVALUATION)
    assert confusion.as_dict() == {
        "correct": 1,
        "wrong_pitch": 5,
        "wrong_pitch_intervals": {
            "fifth above": 1,  # 67 heard as 86, a twelfth
            "octave above": 1,
            "octave below": 1,
            "other": 1,  # 69 heard as 74
            "semitone above": 1,
        },
        "missed": 1,
        "invented": 1,
    }
    assert confusion.matrix.shape == (PITCHES + 1, PITCHES + 1)
    assert confusion.matrix[62 - 21, 74 - 21] == 1  # played D4, heard D5
    assert confusion.matrix[71 - 21, PITCHES] == 1
    assert confusion.matrix[PITCHES, 50 - 21] == 1
    assert (confusion + confusion).as_dict()["wrong_pitch_intervals"]["octave below"] == 2


def test_confusion_takes_exact_matches_out_first_then_the_nearest_in_time_then_in_pitch():
    ref = performance([[0, 400, 60, 64], [0, 400, 64, 64], [0, 400, 67, 64]])
    est = performance([[30, 400, 60, 64], [0, 400, 65, 64], [4, 400, 79, 64]])
    matrix = metrics.confusion(ref, est, EVALUATION).matrix
    assert matrix[60 - 21, 60 - 21] == 1
    assert matrix[64 - 21, 65 - 21] == 1
    assert matrix[67 - 21, 79 - 21] == 1


def test_confusion_counts_every_note_once():
    matrix = metrics.confusion(REF, EST, EVALUATION).matrix
    assert matrix[:PITCHES].sum() == len(REF.notes)
    assert matrix[:, :PITCHES].sum() == len(EST.notes)
    assert np.trace(matrix) == metrics.score(REF, EST, EVALUATION).onset.matched


def test_summary_is_the_mean_over_files_and_the_pooled_counts():
    ref = performance([[0, 400, 60, 64]])
    long_ref = performance([[1000 * i, 1000 * i + 400, 60, 64] for i in range(9)])
    one = metrics.score(ref, ref, EVALUATION)
    none = metrics.score(long_ref, Performance(()), EVALUATION)
    summary = metrics.summarize([one, none])
    assert (summary["files"], summary["ref_notes"], summary["est_notes"], summary["matched_notes"]) == (2, 10, 1, 1)
    assert summary["mean"]["onset.f1"] == 0.5
    assert summary["mean"]["onset_deviation.mean_s"] == 0  # the file without matches has none to add
    assert summary["pooled"]["onset"]["recall"] == pytest.approx(0.1)
    assert summary["pooled"]["onset"]["accuracy"] == pytest.approx(0.1)


def test_over_time_puts_notes_into_parts_of_the_piece():
    ref = performance([[1000 * i, 1000 * i + 400, 60, 64] for i in range(11)])
    est = Performance((*(n for n in ref.notes if n.onset_s < 5), Note(9.5, 9.8, 40, 64)))
    bins = metrics.over_time(ref, est, EVALUATION, bins=10)
    assert [c.recall for c in bins] == [1] * 5 + [0] * 5
    assert (bins[9].ref, bins[9].est, bins[9].matched) == (2, 1, 0)
    total = sum(bins, metrics.Counts(0, 0, 0))
    assert total == metrics.score(ref, est, EVALUATION).onset
    assert metrics.over_time(Performance(()), Performance(()), EVALUATION, bins=3) == [metrics.Counts(0, 0, 0)] * 3


def test_a_matched_note_stays_in_its_reference_bin():
    pairs = np.array([[0, 0]])
    counts = metrics.counts_by(np.array([0.99]), np.array([1.01]), pairs, np.array([0.0, 1.0, 2.0]))
    assert counts == [metrics.Counts(1, 1, 1), metrics.Counts(0, 0, 0)]
