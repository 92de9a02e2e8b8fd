"""Piano rolls: each note in its place, hits told from mistakes, a long piece shown in part."""

from __future__ import annotations

import numpy as np
import pytest
from figures import EST, EVALUATION, REF, pixels, texts
from matplotlib import path as outlines
from matplotlib.collections import PatchCollection

from s2s_lib import report
from s2s_lib.notes import Note, Performance


def test_piano_roll_shows_every_note_and_the_pedal() -> None:
    figure = report.piano_roll(REF, "a piece")
    (ax,) = figure.axes
    assert len(ax.patches) == len(REF.notes) + 1
    boxes = [(p.get_x(), p.get_width(), p.get_y() + p.get_height() / 2) for p in ax.patches[:12]]
    np.testing.assert_allclose(boxes, [(n.onset_s, 0.4, n.pitch) for n in REF.notes], rtol=1e-9)
    assert ax.patches[-1].get_x() == pytest.approx(0.1)
    loud = [p.get_alpha() for p in ax.patches[:12]]
    assert loud == sorted(loud)
    assert {"C3", "C4"} <= {label.get_text() for label in ax.get_yticklabels()}
    assert "time (s)" in ax.get_xlabel()


def test_overlay_tells_hits_missed_and_invented_apart_by_colour_and_hatching() -> None:
    figure = report.overlay_roll(REF, EST)
    collections = [c for c in figure.axes[0].collections if isinstance(c, PatchCollection)]
    bars = [sum((path.codes == outlines.Path.MOVETO).sum() for path in c.get_paths()) for c in collections]
    assert bars == [9, 9, 3, 2]
    looks = {(c.get_hatch(), tuple(c.get_facecolor()[0]), tuple(map(tuple, c.get_edgecolor()))) for c in collections}
    assert len(looks) == 4
    assert len({c.get_hatch() for c in (collections[0], *collections[2:])}) == 3
    words = texts(figure)
    for part in ("played and found (9)", "missed (3)", "invented (2)", "sustain pedal"):
        assert part in words


def test_overlay_takes_the_tolerance_from_the_config() -> None:
    strict = EVALUATION.config.evaluation.model_copy(update={"onset_tolerance": 0.005})
    assert "missed (12)" in texts(report.overlay_roll(REF, EST, evaluation=strict))


def test_a_long_piece_is_shown_in_part_and_says_so() -> None:
    long = Performance(tuple(Note(float(i), i + 0.5, 60, 64) for i in range(100)))
    figure = report.piano_roll(long, "long", start_s=30, seconds=10)
    assert "long (excerpt: 30–40 s of 100 s)" in texts(figure)
    assert len(figure.axes[0].patches) == 10
    assert "excerpt" not in texts(report.piano_roll(REF, "short"))


def test_rolls_without_notes() -> None:
    nothing = Performance(())
    assert pixels(report.piano_roll(nothing)).std() > 0
    assert pixels(report.overlay_roll(nothing, nothing)).std() > 0
