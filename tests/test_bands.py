"""Scores by what notes are, at every threshold, and the figures made of them."""

from __future__ import annotations

import numpy as np
import pytest
from test_metrics import EST, EVALUATION, REF

from s2s_lib import metrics
from s2s_lib.metrics.bands import key_times, note_rate, polyphony
from s2s_lib.notes import Note, PedalEvent, Performance

EVERY_BAND = (metrics.PITCH, metrics.VELOCITY, metrics.DURATION, metrics.POLYPHONY, metrics.NOTE_RATE)


def test_polyphony_and_note_rate_are_those_of_what_was_played() -> None:
    ref = Performance((Note(0.0, 2.0, 60, 10), Note(0.4, 0.6, 62, 30), Note(1.5, 1.6, 64, 90)))
    est = Performance((Note(0.41, 0.5, 62, 30), Note(3.0, 3.1, 70, 30)))
    assert polyphony(ref, ref).tolist() == [1, 2, 2]
    assert polyphony(ref, est).tolist() == [2, 0]
    assert note_rate(ref, ref).tolist() == [2, 2, 1]
    assert note_rate(ref, est).tolist() == [2, 0]


def test_durations_are_those_of_the_keys() -> None:
    held = Performance((Note(0.0, 0.25, 60, 10),), (PedalEvent(0.1, 127), PedalEvent(3.0, 0)))
    assert key_times(held, held).tolist() == [0.25]


def test_bands_count_found_notes_where_they_were_played() -> None:
    ref = Performance((Note(0.0, 1.0, 60, 10), Note(0.0, 1.0, 62, 30), Note(1.0, 2.0, 64, 90)))
    est = Performance((Note(0.0, 1.0, 60, 50), Note(1.0, 2.0, 65, 25)))
    piece = (ref, est, metrics.match(ref.notes, est.notes, EVALUATION))
    counts = metrics.by_band(metrics.VELOCITY, [piece, piece])
    assert [(c.matched, c.ref, c.est) for c in counts] == [(2, 2, 2), (0, 2, 2), (0, 0, 0), (0, 2, 0)]


@pytest.mark.parametrize("bands", EVERY_BAND, ids=lambda bands: bands.name)
def test_every_note_is_in_one_band(bands: metrics.Bands) -> None:
    pairs = metrics.match(REF.notes, EST.notes, EVALUATION)
    counts = metrics.by_band(bands, [(REF, EST, pairs)])
    assert len(bands.edges) == len(bands.labels) + 1
    sums = [sum(getattr(count, name) for count in counts) for name in ("matched", "ref", "est")]
    assert sums == [len(pairs), len(REF.notes), len(EST.notes)]


def test_registers_end_at_the_keyboards_ends() -> None:
    every = Performance(tuple(Note(0.1 * p, 0.1 * p + 0.05, p, p) for p in range(21, 109)))
    counts = metrics.by_band(metrics.PITCH, [(every, every, np.stack([np.arange(88)] * 2, axis=1))])
    assert [count.ref for count in counts] == [15, 12, 12, 12, 12, 25]


def crowded(seed: int, notes: int) -> tuple[Note, ...]:
    """Notes of three keys in two seconds, so close that many could be matched with several."""
    rng = np.random.default_rng(seed)
    return tuple(sorted(Note(a, a + 0.01, int(rng.integers(60, 63)), 64) for a in rng.uniform(0, 2, notes)))


@pytest.mark.parametrize(
    ("ref", "est"), [(REF.notes, EST.notes), (crowded(0, 90), crowded(1, 110)), (REF.notes, ()), ((), EST.notes)]
)
def test_threshold_counts_are_a_match_at_every_threshold(ref: tuple[Note, ...], est: tuple[Note, ...]) -> None:
    confidences = np.random.default_rng(2).integers(1, 20, len(est)) / 20
    counts = metrics.over_thresholds(ref, est, confidences, EVALUATION)
    for threshold in (0.0, 0.05, 0.3, 0.31, 0.5, 0.95, 1.0):
        kept = [note for note, sure in zip(est, confidences, strict=True) if sure >= threshold]
        matched = len(metrics.match(ref, kept, EVALUATION))
        assert counts.at(threshold) == metrics.Counts(matched, len(ref), len(kept))
