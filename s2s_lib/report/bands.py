"""Which notes are found and which are not: scores by what the notes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s2s_lib import metrics
from s2s_lib.metrics import DURATION, NOTE_RATE, PITCH, POLYPHONY, VELOCITY
from s2s_lib.report.style import BLUE, GREY, ORANGE, VERMILION, Picture, nothing, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.evaluate import Evaluation

LONGEST_NAME = 16  # letters of a piano's name under its marks
LOOKS = {"f1": ("F1", "o", BLUE), "precision": ("precision", "^", ORANGE), "recall": ("recall", "v", VERMILION)}


def note_bands_figure(evaluation: Evaluation) -> Picture:
    """Onset F1, precision and recall by pitch, velocity, duration, polyphony, note rate and piano."""
    pieces = [(sample.ref, sample.est, sample.pairs) for sample in evaluation.samples]
    groups = {
        f"by {bands.name}": (bands.unit, bands.labels, metrics.by_band(bands, pieces))
        for bands in (PITCH, VELOCITY, DURATION, POLYPHONY, NOTE_RATE)
    }
    pianos = {name: [s.scores.onset for s in samples] for name, samples in evaluation.by_piano().items()}
    totals = [sum(found, metrics.Counts(0, 0, 0)) for found in pianos.values()]
    groups["by piano"] = ("soundfont", tuple(map(_short, pianos)), totals)
    picture = Picture(12, 7, f"Onset F1, precision and recall {', '.join(groups)}")
    axes = picture.subplots(2, 3, sharey=True).ravel()
    for ax, (title, group) in zip(axes, groups.items(), strict=True):
        _marks(ax, title, *group)
    shown = [value for _, _, counts in groups.values() for count in counts for _, value in _ratios(count)]
    axes[0].set_ylim(max(0.0, np.floor(10 * min(shown, default=0) - 0.5) / 10), 1.02)
    named = axes[0].get_legend_handles_labels()
    picture.legend(*named, fontsize=9, loc="outside upper left", ncols=3)  # over no mark
    return picture


def _marks(ax: Axes, title: str, unit: str, labels: tuple[str, ...], counts: list[metrics.Counts]) -> None:
    """F1, precision and recall of each band, joined by a line; under it its name and the number of notes played."""
    plain(ax, title, f"{unit} (below: notes played)", "onset score")
    ax.grid(visible=False, axis="x")
    if not labels:
        nothing(ax, "no piano is named")
    for place, count in enumerate(counts):
        found = [value for _, value in _ratios(count)]
        ax.vlines(place, min(found, default=0), max(found, default=0), color=GREY, linewidth=1)
    for name, (label, marker, color) in LOOKS.items():
        known = [(place, value) for place, c in enumerate(counts) for part, value in _ratios(c) if part == name]
        size = 10 if name == "f1" else 7
        ax.plot(*zip(*known, strict=True) if known else ((), ()), marker, color=color, markersize=size, label=label)
    ax.set_xticks(range(len(labels)), [f"{a}\n{c.ref}" for a, c in zip(labels, counts, strict=True)], fontsize=8)
    ax.set_xlim(-0.6, max(1, len(labels)) - 0.4)


def _ratios(count: metrics.Counts) -> list[tuple[str, float]]:
    """Those of F1, precision and recall that mean something: a band may be without played or without written notes."""
    known = {"f1": count.ref + count.est, "precision": count.est, "recall": count.ref}
    return [(name, getattr(count, name)) for name, notes in known.items() if notes]


def _short(name: str) -> str:
    """A piano's name without its file's ending, cut where it is long."""
    stem = name.rpartition(".")[0] or name
    return stem if len(stem) <= LONGEST_NAME else stem[: LONGEST_NAME - 1] + "…"
