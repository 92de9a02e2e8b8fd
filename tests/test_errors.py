"""Each kind of mistake in a case made by hand, and that none is counted twice or forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from test_metrics import EST, EVALUATION, REF, performance

from s2s_lib import metrics
from s2s_lib.metrics import KINDS, Mistake, mistakes, tally, worst_windows

PEDAL = [(0, 5000)]
# notes are (onset ms, offset ms, pitch, velocity); played, transcribed, the pedal of both, what is found
CASES = {
    "nothing wrong": ([(0, 500, 60, 80)], [(20, 520, 60, 80)], (), {}),
    "missed": ([(0, 500, 60, 80), (2000, 2500, 61, 40)], [(0, 500, 60, 80)], (), {"missed_other": 61}),
    "soft": ([(0, 500, 60, 80), (2000, 2500, 61, 39)], [(0, 500, 60, 80)], (), {"missed_soft": 61}),
    "in a chord": (
        [(0, 500, 60, 80), (10, 500, 64, 20), (35, 500, 67, 80)],
        [(0, 500, 60, 80), (35, 500, 67, 80)],
        (),
        {"missed_chord": 64},
    ),
    "two keys are no chord": ([(0, 500, 60, 80), (10, 500, 64, 80)], [(0, 500, 60, 80)], (), {"missed_other": 64}),
    "struck again": ([(0, 400, 60, 80), (900, 1400, 60, 20)], [(0, 400, 60, 80)], (), {"missed_repeated": 60}),
    "held over a strike": (
        [(0, 1900, 60, 80), (2000, 2500, 60, 80)],
        [(0, 2100, 60, 80)],
        (),
        {"missed_repeated": 60},
    ),
    "struck again later": ([(0, 400, 60, 80), (1100, 1500, 60, 80)], [(0, 400, 60, 80)], (), {"missed_other": 60}),
    "late": ([(1000, 1500, 60, 80)], [(1080, 1500, 60, 80)], (), {"missed_mistimed": 60, "invented_mistimed": 60}),
    "too late": ([(1000, 1500, 60, 80)], [(1300, 1500, 60, 80)], (), {"missed_other": 60, "invented_doubled": 60}),
    "doubled": ([(0, 900, 60, 80)], [(0, 890, 60, 80), (400, 890, 60, 80)], (), {"invented_doubled": 60}),
    "doubled in the pedal": (
        [(0, 900, 60, 80)],
        [(0, 900, 60, 80), (3000, 3010, 60, 80)],
        [(0, 3500)],
        {"invented_doubled": 60},
    ),
    "struck after its end": ([(0, 300, 60, 80)], [(0, 300, 60, 80), (900, 950, 60, 80)], (), {"invented_other": 60}),
    "near": ([(0, 900, 60, 80)], [(30, 900, 62, 80)], (), {"missed_other": 60, "invented_near": 62}),
    "not near": ([(0, 900, 60, 80)], [(30, 900, 63, 80)], (), {"missed_other": 60, "invented_other": 63}),
    "octave": ([(0, 900, 60, 80)], [(0, 900, 60, 80), (300, 900, 84, 80)], (), {"invented_octave": 84}),
    "fifth": ([(0, 900, 60, 80)], [(0, 900, 60, 80), (0, 900, 79, 80)], (), {"invented_fifth": 79}),
    "no partial": ([(0, 900, 60, 80)], [(0, 900, 60, 80), (0, 900, 67, 80)], (), {"invented_other": 67}),
    "no longer sounding": ([(0, 900, 60, 80)], [(0, 900, 60, 80), (950, 990, 72, 80)], (), {"invented_other": 72}),
    "struck too long ago": ([(0, 4000, 60, 80)], [(0, 4000, 60, 80), (1500, 1600, 72, 80)], (), {"invented_other": 72}),
    "early release": ([(0, 1000, 60, 80)], [(0, 700, 60, 80)], (), {"release_early": 60, "sound_early": 60}),
    "late release": ([(0, 1000, 60, 80)], [(0, 1300, 60, 80)], (), {"release_late": 60, "sound_late": 60}),
    "late release in the pedal": ([(0, 1000, 60, 80)], [(0, 1300, 60, 80)], PEDAL, {"release_late": 60}),
    "within a fifth of the length": ([(0, 1000, 60, 80)], [(0, 1190, 60, 80)], (), {}),
    "loudness": (
        [(1000 * i, 1000 * i + 500, 60 + i, 20 + 6 * i) for i in range(14)],
        [(1000 * i, 1000 * i + 500, 60 + i, 10 + 5 * i + 15 * (i == 7)) for i in range(14)],
        (),
        {"velocity": 67},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_kind(name: str) -> None:
    ref, est, pedal, expected = CASES[name]
    found = mistakes(performance(ref, pedal), performance(est, pedal), EVALUATION)
    got: dict[str, set[int]] = {}
    for mistake in found:
        got.setdefault(mistake.kind, set()).add(mistake.note.pitch)
    assert got == {kind: {key} for kind, key in expected.items()}


def test_every_kind_has_a_case() -> None:
    assert set(KINDS) == {kind for *_, expected in CASES.values() for kind in expected}


def test_kinds_add_up_to_the_scores_errors() -> None:
    found, scores = mistakes(REF, EST, EVALUATION), metrics.score(REF, EST, EVALUATION)
    groups = {group: sum(KINDS[m.kind].group == group for m in found) for group in ("missed", "invented")}
    assert groups == {
        "missed": scores.onset.ref - scores.onset.matched,
        "invented": scores.onset.est - scores.onset.matched,
    }
    counts = tally(found)
    assert list(counts) == list(KINDS)
    for convention, kind in (("key", "release"), ("pedal", "sound")):
        right = scores.onset.matched - counts[f"{kind}_early"] - counts[f"{kind}_late"]
        assert right == pytest.approx(getattr(scores, f"onset_offset_{convention}").matched, abs=2)
    assert len({(m.note, m.kind) for m in found}) == len(found)


def test_mistakes_say_when_and_beside_what() -> None:
    ref = performance([(0, 900, 60, 80), (2000, 2500, 65, 80)])
    est = performance([(0, 300, 60, 80), (10, 900, 72, 70), (2090, 2500, 65, 80)])
    found = mistakes(ref, est, EVALUATION)
    assert found == sorted(found)
    at = {mistake.kind: mistake for mistake in found}
    assert at["invented_octave"] == Mistake(0.01, "invented_octave", est.notes[1])
    assert at["invented_octave"].other == ref.notes[0]
    assert (at["release_early"].time_s, at["release_early"].other) == (0.9, est.notes[0])
    assert at["missed_mistimed"].other == at["invented_mistimed"].note == est.notes[2]


@pytest.mark.parametrize(("ref", "est"), [((), ()), ([(0, 500, 60, 80)], ()), ((), [(0, 500, 60, 80)])])
def test_empty_sides(ref: list, est: list) -> None:
    found = mistakes(performance(ref), performance(est), EVALUATION)
    assert [mistake.kind for mistake in found] == ["missed_other"] * len(ref) + ["invented_other"] * len(est)


def test_worst_windows_are_the_fullest_and_do_not_overlap() -> None:
    times = [np.array([1.0, 9.0, 9.5, 10.0, 10.1]), np.array([0.2, 0.3, 20.0]), np.zeros(0)]
    assert worst_windows(times, 4.0, 3) == [(0, 8.5, 4), (1, 0.0, 2), (0, 0.5, 1)]
    assert worst_windows(times, 4.0, 1, lead_s=0.0) == [(0, 9.0, 4)]
    assert worst_windows([np.zeros(0)], 4.0, 3) == []
