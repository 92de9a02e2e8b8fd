"""What holds for every figure and table: labelled, small, the same bytes each time, safe to put into a page."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from figures import EST, EVALUATION, HISTORY, REF, pixels
from PIL import Image

from s2s_lib import report
from s2s_lib.report.style import pitch_name

FIGURES: dict[str, Callable[[], Any]] = {
    "piano_roll": lambda: report.piano_roll(REF, "a piece"),
    "overlay_roll": lambda: report.overlay_roll(REF, EST, "a piece"),
    "training": lambda: report.training_figure(HISTORY),
    "dashboard": lambda: report.dashboard(EVALUATION),
    "note_bands": lambda: report.note_bands_figure(EVALUATION),
    "mistakes": lambda: report.mistakes_figure(EVALUATION),
    "threshold": lambda: report.threshold_figure(EVALUATION),
    "confusion": lambda: report.confusion_matrix(EVALUATION),
    "over_time": lambda: report.metrics_over_time(EVALUATION),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_labelled_picture_that_leaks_nothing(name: str) -> None:
    figure = FIGURES[name]()
    image = pixels(figure)
    assert image.shape[1] > 800
    assert len(np.unique(image[:, :, 0])) > 20, "blank"
    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert all(ax.get_title(loc="left") or ax.get_title() for ax in axes)
    assert all(ax.get_xlabel() or ax.get_ylabel() for ax in axes)
    png, metadata = figure._repr_png_()
    assert png[:4] == b"\x89PNG"
    assert len(metadata["alt"]) > 10
    assert len(png) < 200_000
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert report.dashboard(EVALUATION).png() == report.dashboard(EVALUATION).png()


def test_pictures_are_packed_without_a_visible_change() -> None:
    picture = report.Picture(6, 4, "A “field” of colours")
    picture.set_layout_engine("none")  # which would move things from one drawing to the next
    ax = picture.subplots()
    ax.imshow(np.random.default_rng(1).random((40, 60)), cmap="magma")
    ax.plot(range(60), np.linspace(0, 39, 60), color="white", label="a line")
    ax.legend()
    drawn, packed = io.BytesIO(), Image.open(io.BytesIO(picture.png()))
    picture.savefig(drawn, format="png")
    change = np.abs(np.asarray(Image.open(drawn).convert("RGB"), float) - np.asarray(packed.convert("RGB"), float))
    assert change.mean() < 1
    assert np.quantile(change, 0.99) < 8
    assert len(picture.png()) < 0.6 * len(drawn.getvalue())
    assert packed.text["Description"] == picture.alt


def test_tables_escape_html() -> None:
    hostile = report.Table(["<a>"], [["<script>"]], "<b>")
    assert not {"<a>", "<script>", "<b>"} & set(re.findall(r"<\w+>", hostile._repr_html_()))


def test_pitch_names() -> None:
    assert [pitch_name(p) for p in (21, 60, 61, 108)] == ["A0", "C4", "C♯4", "C8"]


def test_reports_need_neither_torch_nor_pyplot(python: Any) -> None:
    done = python("import sys, s2s_lib.report; print({'torch', 'matplotlib.pyplot'} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr
