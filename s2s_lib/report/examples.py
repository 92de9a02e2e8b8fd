"""The same validation clips as the model heard them epoch after epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from s2s_lib.report.rolls import overlay_roll
from s2s_lib.report.style import Picture, pitch_axis
from s2s_lib.wording import counted, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.config import Config

ROWS = 4  # epochs of which a clip is shown
LEGEND = ("played and found", "its transcription", "missed", "invented")  # in the order of an overlay's notes


def examples_figure(config: Config) -> Picture | None:
    """Played and heard notes of the same clips after several epochs; None where training kept none."""
    from s2s_lib.train.clips import CLIP_S, Examples, f1

    examples = Examples.load(config.output.run_dir)
    if not examples.names or not examples.heard:
        return None
    epochs = telling(list(examples.heard), ROWS)
    alt = f"Piano rolls of {counted(len(examples.names), 'validation clip')} after epoch {listed([*map(str, epochs)])}"
    picture = Picture(12, 0.6 + 2.1 * len(epochs), alt)
    grid = picture.subplots(len(epochs), len(examples.names), squeeze=False, sharex=True)
    for row, epoch in enumerate(epochs):
        for column, (name, played) in enumerate(zip(examples.names, examples.played, strict=True)):
            ax, heard = grid[row, column], examples.heard[epoch][column]
            overlay_roll(played, heard, "", config.evaluation, ax, seconds=CLIP_S)
            text = f"{name}, epoch {epoch}" if row == 0 else f"epoch {epoch}"
            ax.set_title(f"{text}: onset F1 {f1(played, heard, config.evaluation):.2f}", fontsize=9, loc="left")
            ax.get_legend().remove()
            ax.set_xlabel("" if row < len(epochs) - 1 else ax.get_xlabel())
            ax.set_ylabel("" if column else ax.get_ylabel())
    for axes in grid.T:
        _one_range(axes)
    picture.legend(handles=_handles(grid), loc="outside lower left", ncols=4, fontsize=8, frameon=False)
    return picture


def telling(epochs: Sequence[int], count: int) -> list[int]:
    """At most `count` of these epochs, the first and the last among them, the others by equal ratios between."""
    if len(epochs) <= count:
        return list(epochs)
    wanted = np.geomspace(epochs[0], epochs[-1], count)
    return sorted({min(epochs, key=lambda epoch, at=place: (abs(np.log(epoch / at)), epoch)) for place in wanted})


def _one_range(axes: Sequence[Axes]) -> None:
    """All these rolls show the same keys."""
    low, high = (pick(ax.get_ylim()[end] for ax in axes) for end, pick in ((0, min), (1, max)))
    for ax in axes:
        pitch_axis(ax, round(low), round(high))
        ax.set_ylim(low, high)


def _handles(grid: np.ndarray) -> list[Patch]:
    """One legend for all rolls, each entry from one that has such notes."""
    found: dict[str, Patch] = {}
    for ax in grid.flat:
        for notes, text in zip(ax.collections, LEGEND, strict=False):
            face, edge = notes.get_facecolor(), notes.get_edgecolor()
            if notes.get_paths() and text not in found:
                found[text] = Patch(facecolor=_first(face), edgecolor=_first(edge), hatch=notes.get_hatch(), label=text)
    return [found[text] for text in LEGEND if text in found]


def _first(colours: Any) -> Any:
    return colours[0] if len(colours) else "none"
