"""Figures and tables of an evaluation, also where nothing was found, and the plots that the config asks for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from figures import EMPTY, EVALUATION, pixels, texts

from s2s_lib import report
from s2s_lib.config import Config


@pytest.mark.parametrize(
    "name", ["dashboard", "confusion_matrix", "metrics_over_time", "note_bands_figure", "mistakes_figure"]
)
def test_plots_of_an_evaluation_without_a_single_hit(name: str) -> None:
    figure = getattr(report, name)(EMPTY)
    assert pixels(figure).std() > 0
    assert "nan" not in texts(figure).lower()


def test_dashboard_has_both_offset_conventions() -> None:
    figure = report.dashboard(EVALUATION)
    assert len(figure.axes) == 4
    words = texts(figure)
    for part in ("key release", "pedal-extended", "ms", "test split (1 piece)", "midi (1 piece)"):
        assert part in words
    assert not re.search(r"with pedal|\(pedal\)|\(key\)", words), "one name for each convention"
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    expected = [
        getattr(sample.scores, name).f1
        for sample in EVALUATION.samples
        for name in ("onset", "onset_offset_key", "onset_offset_pedal", "onset_offset_velocity", "frame")
    ]
    assert heights == pytest.approx(expected)


def test_confusion_figure_counts_octave_errors() -> None:
    words = texts(report.confusion_matrix(EVALUATION))
    assert "wrong key: octave above" in words
    assert "missed" in words
    assert "Errors (21 notes right)" in words


def test_tables_say_the_scores() -> None:
    table = report.scores_table(EVALUATION)
    words = table._repr_html_()
    assert f"{EVALUATION.samples[0].scores.onset.f1:.3f}" in words
    assert words.count("<tr>") == 11
    assert "key release" in words
    assert "pedal-extended" in words
    assert "(pedal-extended)" in repr(report.deviations_table(EVALUATION))
    assert "10.0 ms" in report.deviations_table(EVALUATION)._repr_html_()
    assert "None" not in report.deviations_table(EMPTY)._repr_html_() + repr(report.deviations_table(EMPTY))
    assert "do not say on which piano" in report.pianos_table(EVALUATION).caption
    assert [row[0] for row in report.samples_table(EVALUATION).rows] == ["piece_1", "piece_0"]
    assert repr(table).splitlines()[1].split()[:2] == ["source", "score"]


def test_save_plots_writes_what_the_config_asks_for(tmp_path: Path) -> None:
    def config(**visualizations: Any) -> Config:
        return Config.resolve(
            {"evaluation": {"visualizations": visualizations}, "output": {"output_dir": str(tmp_path)}}
        )

    everything = report.save_plots(EVALUATION, config())
    assert [path.name for path in everything] == [
        "evaluation_dashboard.png",
        "confusion_matrix.png",
        "metrics_over_time.png",
    ]
    assert all(path.read_bytes()[:4] == b"\x89PNG" and path.parent == config().output.results for path in everything)
    assert [p.name for p in report.save_plots(EVALUATION, config(plot_types=["confusion_matrix"]))] == [
        "confusion_matrix.png"
    ]
    assert [path.name for path in config().output.results.iterdir()] == ["confusion_matrix.png"]
    assert report.save_plots(EVALUATION, config(enabled=False)) == []
    assert list(config().output.results.iterdir()) == []


@pytest.mark.parametrize(
    ("visualizations", "alts"),
    [
        ({}, ["Evaluation dashboard", "Pitch confusion", "Onset precision"]),
        ({"plot_types": ["metrics_over_time", "dashboard", "dashboard"]}, ["Onset precision", "Evaluation dashboard"]),
        ({"plot_types": []}, []),
        ({"enabled": False}, []),
    ],
)
def test_show_plots_shows_what_the_config_asks_for(
    visualizations: dict[str, Any], alts: list[str], shown: list[Any]
) -> None:
    report.show_plots(replace(EVALUATION, config=Config.resolve({"evaluation": {"visualizations": visualizations}})))
    assert [picture.alt.startswith(alt) for picture, alt in zip(shown, alts, strict=True)] == [True] * len(alts)
