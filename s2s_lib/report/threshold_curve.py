"""What another onset threshold would have given: precision against recall, all thresholds at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s2s_lib import metrics
from s2s_lib.report.style import BLUE, GREY, ORANGE, VERMILION, Picture, nothing, plain
from s2s_lib.targets import MAX_VELOCITY
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.evaluate import Evaluation

THRESHOLDS = (np.arange(1, MAX_VELOCITY + 1) - 0.5) / MAX_VELOCITY  # the steps in which candidates are told apart
MARKED = (0.1, 0.3, 0.5, 0.7, 0.9)
AROUND = 4  # times the best F1's distance from 1 that the curve shows
MARGIN = 0.02  # beside the threshold in force
HIGHEST_START = 0.9  # of its axes, also where a threshold makes no mistake


def threshold_figure(evaluation: Evaluation) -> Picture:
    """Onset precision over recall, and both with F1 over the threshold, all pieces' notes counted together.

    Only pieces whose probabilities the evaluation kept have a part in it; nothing is heard again.
    """
    kept = [sample for sample in evaluation.samples if sample.probabilities is not None]
    picture = Picture(11, 4.2, "Onset precision over recall, and precision, recall and F1 over the onset threshold")
    left, right = picture.subplots(1, 2)
    plain(
        left,
        "Precision over recall",
        "recall: share of the played notes found",
        "precision: share of the written right",
    )
    title = f"Over the threshold, {len(kept)} of {counted(len(evaluation.samples), 'piece')}"
    plain(right, title, "onset threshold: probability from which a note is written", "onset score")
    right.set(xlim=(0, 1), ylim=(0, 1.02))
    if not kept:
        for ax in (left, right):
            nothing(ax, "no probabilities were kept")
        return picture
    curve = onset_curve(evaluation)
    own = kept[0].probabilities.thresholds.onset
    best = int(np.argmax([counts.f1 for counts in curve]))
    here = curve[int(np.abs(THRESHOLDS - own).argmin())]
    _precision_recall(left, curve, here, own)
    around = 1 - AROUND * (1 - curve[best].f1)
    beside = min(here.precision, here.recall) - MARGIN
    least = max(0.0, np.floor(10 * min(HIGHEST_START, around, beside)) / 10)
    left.set(xlim=(least, 1.01), ylim=(least, 1.01))
    for name, look in (("precision", (ORANGE, "--")), ("recall", (VERMILION, ":")), ("f1", (BLUE, "-"))):
        values = [getattr(counts, name) if counts.est else np.nan for counts in curve]
        right.plot(THRESHOLDS, values, color=look[0], linestyle=look[1], label=name.replace("f1", "F1"))
    right.axvline(own, color=GREY, linewidth=1)
    right.annotate(f" in force: {own:.2f}", (own, 0.5), color=GREY, fontsize=8)
    right.plot(THRESHOLDS[best], curve[best].f1, "o", color=BLUE, fillstyle="none", markersize=10)
    right.legend(
        fontsize=8, frameon=False, loc="lower left", title=f"best F1 {curve[best].f1:.3f} at {THRESHOLDS[best]:.2f}",
        title_fontsize=8,
    )  # fmt: skip
    return picture


def onset_curve(evaluation: Evaluation) -> list[metrics.Counts]:
    """Onset counts at each of `THRESHOLDS`, those of all pieces whose probabilities were kept added."""
    total = [metrics.Counts(0, 0, 0)] * len(THRESHOLDS)
    for sample in evaluation.samples:
        if sample.probabilities is not None:
            notes, sure = sample.probabilities.candidates()
            found = metrics.over_thresholds(sample.ref.notes, notes, sure, evaluation.config.evaluation)
            total = [counts + found.at(threshold) for counts, threshold in zip(total, THRESHOLDS, strict=True)]
    return total


def _precision_recall(ax: Axes, curve: list[metrics.Counts], here: metrics.Counts, own: float) -> None:
    """The curve where anything was written, some thresholds named on it, the one in force marked."""
    ax.plot([c.recall for c in curve if c.est], [c.precision for c in curve if c.est], color=BLUE)
    for threshold in MARKED:
        counts = curve[int(np.abs(THRESHOLDS - threshold).argmin())]
        if counts.est:
            ax.plot(counts.recall, counts.precision, "o", color=BLUE, markersize=4)
            ax.annotate(f"{threshold:g}", (counts.recall, counts.precision), xytext=(-4, -12),
                        textcoords="offset points", fontsize=8, ha="right")  # fmt: skip
    label = f"threshold in force, {own:.2f}"
    ax.plot(here.recall, here.precision, "*", color=VERMILION, markersize=14, label=label)
    ax.legend(fontsize=8, frameon=False, loc="lower left", title="numbers: thresholds", title_fontsize=8)
