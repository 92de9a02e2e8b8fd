"""The error explorer: what moves when a widget moves, what is not made twice, and what a batch shows instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from figures import texts
from small import TUNE

from s2s_lib import metrics, report
from s2s_lib.config import Config, EvaluationConfig
from s2s_lib.evaluate import Evaluation, SampleResult
from s2s_lib.notes import LOWEST_PITCH, Note, Performance
from s2s_lib.report import explorer, players, threshold_curve
from s2s_lib.report.roll_svg import overlay_svg
from s2s_lib.sources import Source
from s2s_lib.targets import Thresholds, decode, encode
from s2s_lib.transcribe import Probabilities

RATE, FRAME_S, SECONDS = 16000, 0.02, 3.0
SURE = {60: 1.0, 48: 0.4, 64: 0.7, 72: 0.2}  # what the model makes of each key of TUNE


def probabilities() -> Probabilities:
    """As if heard by a model that knows every note, but is not sure of all."""
    grid = encode(TUNE, 0.0, round(SECONDS / FRAME_S), FRAME_S)
    for pitch, sure in SURE.items():
        track = grid.onset[:, pitch - LOWEST_PITCH]
        track *= sure / track.max()
    return Probabilities(grid, FRAME_S, Thresholds(0.3, 0.4, 0.4), SECONDS)


def tone(number: int) -> np.ndarray:
    """The sound of a piece, as long as it says."""
    return np.full(round(RATE * (SECONDS + number)), 0.1, np.float32)


def evaluation(*, kept: bool = True, pieces: int = 2) -> Evaluation:
    """Of the same tune several times, each recording a second longer than the one before."""
    settings, known = EvaluationConfig(), probabilities()
    est = known.notes(known.thresholds.onset)
    results = [
        SampleResult(
            source=Source(f"piece_{number}", "midi", TUNE, RATE, lambda n=number: tone(n)),
            est=est, pairs=metrics.match(TUNE.notes, est.notes, settings), duration_s=SECONDS + number,
            scores=metrics.score(TUNE, est, settings), confusion=metrics.confusion(TUNE, est, settings),
            over_time=metrics.over_time(TUNE, est, settings), real_time_factor=1.0,
            probabilities=known if kept else None,
        )
        for number in range(pieces)
    ]  # fmt: skip
    return Evaluation(Config(), Path("model"), "cpu", tuple(results))


@pytest.fixture
def desk() -> Iterator[explorer.Explorer]:
    made = explorer.Explorer(evaluation())
    yield made
    for widget in (made.piece, made.threshold, made.own, made.window, *made.sounds, made.scores, made.roll, made.sound):
        widget.close()


def bars(svg: str) -> dict[str, int]:
    """Number of notes drawn in each group; the drawing must be well-formed."""
    root = ElementTree.fromstring(svg[: svg.index("</svg>") + len("</svg>")])
    return {
        group.get("class").removeprefix("s2s-"): len(group.findall("rect"))
        for group in root.findall("g")
        if group.get("class") != "s2s-pedal"
    }


def test_threshold_moves_notes_and_scores(desk: explorer.Explorer) -> None:
    before = desk.roll.value, desk.scores.value
    assert bars(desk.roll.value) == {"hit": 4, "found": 4, "missed": 1, "invented": 0}
    desk.threshold.value = 0.6
    assert bars(desk.roll.value) == {"hit": 3, "found": 3, "missed": 2, "invented": 0}
    assert "5 notes played, 3 written, 3 of them right" in desk.scores.value
    desk.threshold.value = 0.1
    assert bars(desk.roll.value)["missed"] == 0
    assert "nothing is wrong" in desk.scores.value
    desk.own.click()
    assert (desk.roll.value, desk.scores.value) == before


def test_the_one_in_force_is_the_evaluations_own(desk: explorer.Explorer) -> None:
    assert desk.threshold.value == 0.3
    assert desk.reading.est is desk.sample.est
    assert desk.reading.scores is desk.sample.scores


def test_nothing_is_made_twice(desk: explorer.Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.threshold.value = 0.6
    first = desk.reading
    monkeypatch.setattr(Probabilities, "notes", None)
    desk.threshold.value = 0.3
    desk.threshold.value = 0.6
    desk.window.value = (0.5, 2.0)
    assert desk.reading is first


def test_zoom_shows_what_sounds_then(desk: explorer.Explorer) -> None:
    desk.window.value = (1.7, 2.5)
    assert bars(desk.roll.value) == {"hit": 0, "found": 0, "missed": 1, "invented": 0}
    assert "missed, other" in desk.roll.value


def test_another_piece_starts_at_the_threshold_in_force(desk: explorer.Explorer) -> None:
    desk.threshold.value = 0.9
    desk.window.value = (1.0, 2.0)
    desk.piece.value = 1
    assert desk.threshold.value == 0.3
    assert desk.window.value == (0.0, desk.sample.duration_s)
    assert desk.window.max == desk.sample.duration_s


@pytest.mark.parametrize(("button", "said"), [(0, ": audio"), (1, ": transcription"), (2, "in the left ear")])
def test_sounds_of_the_window(desk: explorer.Explorer, button: int, said: str) -> None:
    desk.window.value = (0.0, 1.5)
    desk.sounds[button].click()
    assert desk.sound.value.count("<audio autoplay") == 1
    assert said in desk.sound.value
    assert "0.0–1.5 s, onset threshold 0.30" in desk.sound.value
    desk.window.value = (4.0, 4.0)  # a second is heard at least
    desk.sounds[button].click()
    assert "3.0–4.0 s" in desk.sound.value
    desk.threshold.value = 0.95  # a transcription with one note, or none, can be heard too
    desk.sounds[button].click()
    desk.piece.value = 1
    assert desk.sound.value == ""


def test_a_piece_without_probabilities_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Heard:
        @classmethod
        def load(cls, folder: Path, device: str) -> Heard:
            calls.append(folder)
            return cls()

        def hear(self, audio: np.ndarray, rate: int, settings: EvaluationConfig) -> Probabilities:
            assert (len(audio), rate, settings.batch_size) == (RATE * SECONDS, RATE, 16)
            return probabilities()

    monkeypatch.setattr("s2s_lib.transcribe.Transcriber", Heard)
    result = evaluation(kept=False)
    readings = explorer.Readings(result)
    for threshold in (0.3, 0.6, 0.1):
        readings.at(result.samples[0], threshold)
    assert calls == [Path("model")]


@pytest.mark.parametrize("kept", [True, False])
def test_a_batch_gets_a_picture(kept: bool, shown: list[Any]) -> None:
    report.error_explorer(evaluation(kept=kept))
    (picture,) = shown
    assert len(picture.axes) == (3 if kept else 1)
    assert ("at onset threshold 0.80: precision 1.00, recall 0.40" in texts(picture)) == kept


def test_candidates_are_the_notes_of_every_threshold() -> None:
    known = probabilities()
    notes, sure = known.candidates()
    for threshold in threshold_curve.THRESHOLDS[1::10]:
        thresholds = replace(known.thresholds, onset=float(threshold))
        expected = decode(known.grid, 0.0, FRAME_S, thresholds).notes
        kept = [note for note, confidence in zip(notes, sure, strict=True) if confidence >= threshold]
        assert [(n.onset_s, n.pitch) for n in kept] == [(n.onset_s, n.pitch) for n in expected]


def test_curve_of_all_pieces() -> None:
    curve = threshold_curve.onset_curve(evaluation())
    counts = {round(float(t), 2): c for t, c in zip(threshold_curve.THRESHOLDS, curve, strict=True)}
    assert [(counts[t].matched, counts[t].est, counts[t].ref) for t in (0.1, 0.3, 0.62)] == [
        (10, 10, 10), (8, 8, 10), (6, 6, 10)
    ]  # fmt: skip


def test_figures_say_when_nothing_was_kept() -> None:
    assert "no probabilities were kept" in texts(report.threshold_figure(evaluation(kept=False)))
    picture = report.threshold_figure(evaluation())
    assert "in force: 0.30" in texts(picture)
    left = picture.axes[0]
    (recall, precision) = next(line.get_xydata()[0] for line in left.lines if line.get_marker() == "*")
    (low, high), sides = left.get_xlim(), left.get_ylim()
    assert sides == (low, high)
    assert low < min(recall, precision) <= max(recall, precision) < high
    assert low <= 0.9, "also where a threshold makes no mistake, as here"


def test_mistakes_figure_and_table_count_alike() -> None:
    result = evaluation()
    words = texts(report.mistakes_figure(result))
    assert "10 notes played: 2 missed (hatched), 0 invented besides (crossed)" in words
    rows = {row[0]: row[2:] for row in report.mistakes_table(result).rows}
    assert rows["missed, other"] == (2, "20.0%")


def test_worst_moments_are_shown_and_heard(shown: list[Any]) -> None:
    report.show_worst_moments(evaluation(), most=1)
    picture, both = shown
    assert "1. piece_0: 1 missed; most of all missed, other (excerpt: 1.2–" in texts(picture)
    assert both.data.count("<audio") == 2
    shown.clear()
    result = evaluation()
    perfect = [replace(s, est=s.ref, pairs=np.stack([np.arange(5)] * 2, axis=1)) for s in result.samples]
    report.show_worst_moments(replace(result, samples=tuple(perfect)))
    assert "no note was missed or invented" in repr(shown[0])


def test_excerpt_begins_at_zero() -> None:
    cut = players.excerpt(TUNE, 0.7, 1.3)
    assert [(n.onset_s, n.pitch) for n in cut.notes] == [(pytest.approx(0.0013), 64), (pytest.approx(0.5), 60)]
    assert cut.pedal[0].time_s == 0
    assert cut.pedal[0].value == 127


def test_roll_escapes_and_bounds_what_it_draws() -> None:
    ref = Performance((Note(0.0, 9.0, 60, 80),))
    svg = overlay_svg(ref, Performance(()), np.zeros((0, 2), int), (2.0, 4.0))
    assert bars(svg) == {"hit": 0, "found": 0, "missed": 1, "invented": 0}
    ((x, width),) = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="[\d.]+"><title>', svg)
    assert (float(x), float(x) + float(width)) == (40, 1000)
