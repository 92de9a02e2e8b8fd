"""Composed music beside a reference, such as a folder of human performances: how alike they are, measure by measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from IPython.display import Markdown, display
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from s2s_lib.data import midi_files
from s2s_lib.errors import InputError
from s2s_lib.metrics.music import MEASURES, Measure, distance, floor, pooled
from s2s_lib.notes import Performance, read_midi
from s2s_lib.report.style import GREY, LIGHT, PALETTE, Picture, Table, nothing, pitch_axis, plain, shown
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.config import Config
    from s2s_lib.data import Manifest

Sets = Mapping[str, Sequence[Performance]]
PERCENTILES = (5, 50, 95)
OUTER = (0.5, 99.5)  # percentiles of all values between which an axis lies
LINE_OF_TEXT = 0.09  # of a panel's height
LINES = ("-", "--", ":", "-.")  # the second sign beside colour
MOST_COUNTS = 40  # whole numbers up to here get a bin each
SHORTEST_SHOWN_S = 0.01
MOST_PIECES = 300  # enough for the distributions; reading every MIDI file of a large folder takes minutes


def realism_table(composed: Sets, reference: Sequence[Performance]) -> Table:
    """Each measure's spread in the reference and in every composed set, and the distance between them.

    `composed` names sets of performances, `reference` is what they are compared with; the rows are
    `metrics.music.MEASURES`, the distances `metrics.music.distance`.
    """
    columns = ["measure", "unit", "reference"]
    for name in composed:
        columns += [name, f"{name}: distance"]
    rows = []
    for measure in MEASURES:
        ref_values = pooled(measure, reference)
        row: list[object] = [measure.name, measure.unit, _spread(ref_values)]
        for performances in composed.values():
            values = pooled(measure, performances)
            row += [_spread(values), distance(measure, values, ref_values)]
        rows.append([*row, floor(measure, reference)])
    sets = ", ".join(f"{name} {len(performances)}" for name, performances in composed.items())
    caption = (
        f"Music beside its reference (pieces: {sets}; reference {len(reference)}), as 5 / 50 / 95 % of the values. "
        "Distance: how far values must move on average to become the reference's (Wasserstein-1; times on a log "
        "scale), in standard deviations of the reference; 0 is alike, 1 far apart. Floor: the distance of the "
        "reference to random draws of its own pieces; nothing nearer than that can be told apart."
    )
    return Table([*columns, "floor"], rows, caption, text_columns=2)


def realism_figure(composed: Sets, reference: Sequence[Performance]) -> Picture:
    """The distributions behind `realism_table`, one panel per measure: the reference grey, every set as a line."""
    picture = Picture(
        12, 8.4, f"Twelve distributions of {', '.join(composed)} over {counted(len(reference), 'reference piece')}"
    )
    axes = picture.subplots(3, 4).ravel()
    for ax, measure in zip(axes, MEASURES, strict=True):
        _panel(ax, measure, composed, reference)
    handles = [Patch(facecolor=LIGHT, edgecolor=GREY, label="reference")]
    handles += [Line2D([], [], linewidth=1.6, label=name, **_look(i)) for i, name in enumerate(composed)]
    handles.append(Line2D([], [], linestyle="", label="numbers: distance to the reference, in its standard deviations"))
    picture.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=10)
    return picture


def realism(manifests: dict[str, Manifest], config: Config) -> None:
    """Sets a dataset beside the MIDI files under `dataset.reference_midi`: table and figure, or how to get them.

    At most 300 pieces of the dataset and 300 files of the folder, evenly spread; files without piano notes are left
    out and counted.
    """
    folder = config.dataset.reference_midi
    if folder is None:
        display(Markdown("*No folder is named under `dataset.reference_midi`, so there is nothing to compare with.*"))
        return
    files = _evenly(midi_files(folder, "dataset.reference_midi"))
    reference = [performance for performance in map(_readable, files) if performance]
    sets: dict[str, list[Performance]] = {}
    for sample in _evenly([sample for manifest in manifests.values() for sample in manifest.samples]):
        sets.setdefault(sample.complexity or "MIDI excerpts", []).append(sample.performance())
    display(realism_table(sets, reference))
    if len(reference) < len(files):
        without = counted(len(files) - len(reference), "file")
        display(Markdown(f"Left out, for want of piano notes: {without} of the folder."))
    display(realism_figure(sets, reference))


def _readable(path: Path) -> Performance | None:
    try:
        return read_midi(path)
    except InputError:
        return None


def _evenly(items: Sequence[Any]) -> Sequence[Any]:
    """At most `MOST_PIECES` of them, evenly spread."""
    return items[:: -(-len(items) // MOST_PIECES) or 1]


def _look(number: int) -> dict[str, Any]:
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": LINES[number % len(LINES)]}


def _panel(ax: Axes, measure: Measure, composed: Sets, reference: Sequence[Performance]) -> None:
    """One measure: shares of the values per bin, and the distances written above them."""
    ref_values = pooled(measure, reference)
    sets = {name: pooled(measure, performances) for name, performances in composed.items()}
    everything = np.concatenate([ref_values, *sets.values()])
    plain(ax, measure.name.capitalize(), measure.unit)
    ax.set_yticks([])
    if not len(everything):
        nothing(ax)
        return
    bins = _bins(measure, everything)
    shares = _shares(ref_values, bins)
    ax.stairs(shares, bins, fill=True, color=LIGHT)
    ax.stairs(shares, bins, color=GREY, linewidth=0.8)
    highest = shares.max()
    for number, (name, values) in enumerate(sets.items()):
        shares = _shares(values, bins)
        highest = max(highest, shares.max())
        ax.stairs(shares, bins, linewidth=1.6, baseline=None, **_look(number))
        place = 0.98 - LINE_OF_TEXT * number
        ax.text(0.98, place, f"{name} {shown(distance(measure, values, ref_values))}", transform=ax.transAxes,
                ha="right", va="top", fontsize=8, color=PALETTE[number % len(PALETTE)])  # fmt: skip
    ax.set_ylim(0, highest / max(0.5, 0.95 - LINE_OF_TEXT * len(sets)))  # room for the text
    _scale(ax, measure, bins)


def _shares(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Share of the values in each bin; the outermost bins also hold what lies beyond."""
    return np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] / max(1, len(values))


def _bins(measure: Measure, values: np.ndarray) -> np.ndarray:
    """Edges of the bins: whole numbers one by one, log steps for times, even steps for all else."""
    low, high = np.percentile(values, OUTER)
    if measure.log:
        return np.geomspace(max(low, SHORTEST_SHOWN_S), max(high, 2 * SHORTEST_SHOWN_S, 1.01 * low), 31)
    whole = bool((values == np.round(values)).all())
    if whole and high - low <= MOST_COUNTS:
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    if whole:
        return np.arange(np.floor(low), np.ceil(high) + 3, 3) - 0.5
    return np.linspace(low, max(high, low + 1e-6), 13)


def _scale(ax: Axes, measure: Measure, bins: np.ndarray) -> None:
    """The axis of a panel: keys by name, times on a log scale with plain numbers."""
    ax.set_xlim(bins[0], bins[-1])
    if measure.name == "pitch":
        pitch_axis(ax, int(bins[0] + 0.5), int(bins[-1]), vertical=False)
    elif not measure.log:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=bins[-1] > 2))
    else:
        ax.set_xscale("log")
        ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if bins[0] <= t <= bins[-1]]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()


def _spread(values: np.ndarray) -> str | None:
    if not len(values):
        return None
    return " / ".join(f"{value:.3g}" for value in np.percentile(values, PERCENTILES))
