"""The dashboard of a training and its table: the best epoch marked, everything named as the trackers name it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from figures import HISTORY, pixels, texts

from s2s_lib import report
from s2s_lib.report import Picture
from s2s_lib.report.live import live_figure
from s2s_lib.train import History
from s2s_lib.train.history import label


def test_training_figure_and_table_mark_the_best_epoch() -> None:
    assert "best: epoch 2" in texts(report.training_figure(HISTORY))
    rows = report.training_table(HISTORY).rows
    assert [row[0] for row in rows] == ["1", "2 ★", "3"]
    assert rows[0][-5:] == ("12.0", "1.5", "30.0", "77", None)  # an older training measured no share of the peak


@pytest.mark.parametrize("draw", [report.training_figure, lambda history: live_figure(history, [])])
def test_curves_are_called_as_the_trackers_call_them(draw: Callable[[History], Picture]) -> None:
    known = {label(name) for epoch in HISTORY.epochs for name in epoch}
    for ax in draw(HISTORY).axes:
        if not ax.lines:
            continue  # what was not measured
        if ax.get_legend() is None:
            shown = {ax.get_title(loc="left")[:1].lower() + ax.get_title(loc="left")[1:]}
        else:
            shown = {text.get_text() for text in ax.get_legend().get_texts()} - {"best: epoch 2"}
        assert shown
        assert shown <= known


def test_training_figure_before_the_first_epoch() -> None:
    assert pixels(report.training_figure(History())).std() > 0
