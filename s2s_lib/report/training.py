"""How training went: curves, a table of the epochs, and what was kept in the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from s2s_lib.report.style import GREEN, GREY, ORANGE, PALETTE, VERMILION, Picture, Table, nothing, plain
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.offset_learning import OffsetLearning
    from s2s_lib.train import History
    from s2s_lib.tuning import Tuning

MARKERS = "osv^Dx"
COLUMNS = (
    "train_loss", "val_loss", "val_onset_f1", "learning_rate", "grad_norm", "steps", "seconds", "waited_seconds",
    "audio_seconds_per_second", "loader_audio_seconds_per_second", "peak_share",
)  # fmt: skip
DIGITS = {
    "train_loss": ".4f", "val_loss": ".4f", "val_onset_f1": ".3f", "learning_rate": ".2e", "grad_norm": ".2f",
    "seconds": ".1f", "waited_seconds": ".1f", "audio_seconds_per_second": ".1f",
    "loader_audio_seconds_per_second": ".0f", "peak_share": ".1%",
}  # fmt: skip


def training_figure(history: History, logs: Path | None = None) -> Picture:
    """Loss over steps and time, F1, parts of the loss, learning rate, gradient norm, speed, share of the peak, waiting.

    `logs` is the run's folder of logs, in which training left the loss of the latest batches.
    """
    epochs = history.epochs
    picture = Picture(12, 8.2, _alt(history))
    axes = picture.subplots(3, 3).ravel()
    steps = _steps(logs)
    loss_panel(axes[0], history, steps)
    _over_time(axes[1], history, steps)
    f1_panel(axes[2], history)
    parts = [name for name in (epochs[-1] if epochs else {}) if _is_part(name)]
    _curves(axes[3], epochs, parts, "loss (logarithmic)", title="Validation loss by part")
    _logarithmic(axes[3])  # a shift in time and an onset are losses of different size
    if parts:
        axes[3].set_ylim(axes[3].get_ylim()[0] / 8, None)  # room for the legend
        axes[3].legend(fontsize=7, frameon=False, ncols=2, loc="lower center", columnspacing=1)
    _curves(axes[4], epochs, ["learning_rate"], "size of a step", GREEN)
    axes[4].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    _curves(axes[5], epochs, ["grad_norm"], "mean before clipping", ORANGE)
    speeds = ["audio_seconds_per_second", "loader_audio_seconds_per_second"]
    _curves(axes[6], epochs, speeds, "s of audio per s, logarithmic", title="Speed")
    _logarithmic(axes[6])  # from disk the loader can be a hundred times as fast
    _peak_panel(axes[7], history)
    _curves(axes[8], epochs, ["seconds", "waited_seconds"], "seconds", title="Time per epoch")
    for ax in axes[[4, 5, 7, 8]]:
        ax.set_ylim(0, 1.1 * ax.get_ylim()[1])
    return picture


def loss_panel(ax: Axes, history: History, steps: Sequence[dict[str, Any]]) -> None:
    """Training and validation loss over the optimizer's steps, that of the latest batches behind them."""
    plain(ax, "Loss over steps", "steps", "loss")
    _losses(ax, history, [epoch["steps"] for epoch in history.epochs], steps, [line["step"] for line in steps])


def f1_panel(ax: Axes, history: History) -> None:
    """F1 on the validation clips over the epochs."""
    known = [epoch for epoch in history.epochs if "val_onset_f1" in epoch]
    names = ["val_onset_f1", "val_onset_offset_key_f1"] if known else []
    _curves(ax, known, names, "mean of the clips", title="Validation F1, before tuning")
    ax.set_ylim(0, 1)


def thresholds_figure(tuning: Tuning) -> Picture:
    """Mean F1 on the validation pieces over each threshold, the chosen ones marked."""
    chosen = vars(tuning.thresholds)
    alt = f"F1 on {counted(tuning.pieces, 'validation piece')} over thresholds; chosen: "
    picture = Picture(8, 3.2, alt + ", ".join(f"{name} {value:.2f}" for name, value in chosen.items()))
    ax = picture.subplots()
    labels = {
        "onset": "onset (onset F1)",
        "held": "key held (onset + offset F1, key release)",
        "sounding": "sounding (onset + offset F1, pedal-extended)",
    }
    for (name, label), colour, marker in zip(labels.items(), PALETTE, MARKERS, strict=False):
        curve = dict(zip(tuning.candidates, tuning.curves[name], strict=True))
        ax.plot(curve.keys(), curve.values(), color=colour, marker=marker, markersize=3, label=label)
        ax.plot(chosen[name], curve[chosen[name]], color=colour, marker="o", markersize=10, fillstyle="none")
    plain(ax, f"Thresholds, {counted(tuning.pieces, 'validation piece')}", "threshold on the probability", "mean F1")
    ax.set_ylim(0, 1)
    ax.legend(fontsize=8, frameon=False)
    return picture


def training_table(history: History) -> Table:
    """One row per epoch; the one whose weights were kept is marked."""
    from s2s_lib.train.history import label

    rows = [
        (f"{epoch['epoch']} ★" if epoch is history.best else str(epoch["epoch"]), *(_cell(epoch, n) for n in COLUMNS))
        for epoch in history.epochs
    ]
    caption = (
        "Training by epoch; ★ lowest validation loss. F1: mean over the validation clips, before tuning. Waited for "
        "data: part of the time of the epoch. Audio: seconds of it per second. The machine's peak: what large matrix "
        "products reach on it."
    )
    return Table(("epoch", *map(label, COLUMNS)), rows, caption)


def offsets_outcome(learning: OffsetLearning) -> str:
    """What a forest made of key releases, in a sentence or two."""
    if not learning.pieces:
        return f"Key releases are left to the threshold: too few notes to learn from ({learning.notes})."
    where = f"Onset + offset (key release) on {counted(learning.pieces, 'validation piece')}"
    by = f"{learning.by_threshold:.3f} by the threshold, {learning.by_forest:.3f} by a forest grown"
    kept = "kept with the model" if learning.kept else "no better and dropped"
    return f"{where}: F1 {by} on {counted(learning.notes, 'note')}, which is {kept}."


def training_outcome(history: History) -> str:
    """Which state was kept and on what it was trained, and what stopped the training if something did."""
    if history.epochs:
        kept = f"The state after epoch {history.best['epoch']} of {len(history.epochs)}"
    else:
        batches = history.unfinished["batches"] if history.unfinished else 0
        kept = f"The state after {counted(batches, 'batch')} of epoch 1"
    text = f"{kept}: {size(history)}, trained on {trained_on(history)} in {history.precision}."
    if history.unfinished is not None:
        batches, done = history.unfinished["batches"], len(history.epochs)
        where = f"{counted(batches, 'batch')} into epoch {done + 1}" if batches else f"after epoch {done}"
        text += f"\nStopped on request {where}; the same training, started again, goes on from there."
    elif history.stopped_early:
        text += f"\nStopped early: {counted(history.epochs_without_gain, 'epoch')} brought no better validation loss."
    return text


def size(history: History) -> str:
    """'307 thousand weights', '10.2 million weights'."""
    number = history.parameters
    return f"{number / 1e6:.1f} million weights" if number >= 1e6 else f"{number / 1e3:.0f} thousand weights"


def trained_on(history: History) -> str:
    """'the CPU (2 processes)', 'a GPU', '4 GPUs'."""
    kind, several = history.device.partition(":")[0], history.processes > 1
    if kind == "cpu":
        return f"the CPU ({history.processes} processes)" if several else "the CPU"
    return f"{history.processes} GPUs" if several else "a GPU"


def _alt(history: History) -> str:
    text = f"Training curves over {counted(len(history.epochs), 'epoch')}"
    if not history.epochs:
        return text
    best = history.best
    text += f"; lowest validation loss {best['val_loss']:.4f} in epoch {best['epoch']}"
    last = history.epochs[-1].get("val_onset_f1")
    return text if last is None else f"{text}; validation onset F1 {last:.3f} at the end"


def _steps(logs: Path | None) -> list[dict[str, Any]]:
    if logs is None:
        return []
    from s2s_lib.train.steps import read_steps

    return read_steps(logs)


def _is_part(name: str) -> bool:
    return name.startswith("val_") and name != "val_loss" and not name.endswith("_f1")


def _losses(
    ax: Axes, history: History, places: Sequence[float], steps: Sequence[dict[str, Any]], step_places: Sequence[float]
) -> None:
    """Both losses at `places`, one per epoch, that of the latest batches behind, and a line at the epoch kept."""
    from s2s_lib.train.history import label

    if not steps and not history.epochs:
        nothing(ax, "nothing yet")
        return
    ax.xaxis.set_major_locator(MaxNLocator(5))
    if steps:
        losses = [line["batch_loss"] for line in steps]
        ax.plot(step_places, losses, color=GREY, alpha=0.5, linewidth=0.8, label=label("batch_loss"), zorder=1)
    for name, colour, marker in zip(("train_loss", "val_loss"), PALETTE, MARKERS, strict=False):
        values = [epoch[name] for epoch in history.epochs]
        if values:
            ax.plot(places, values, color=colour, marker=marker, markersize=4, label=label(name))
    if history.epochs:
        at = places[history.epochs.index(history.best)]
        ax.axvline(at, color=VERMILION, linestyle=":", label=f"best: epoch {history.best['epoch']}")
    ax.set_xlim(0, None)
    ax.legend(fontsize=8, frameon=False)


def _over_time(ax: Axes, history: History, steps: Sequence[dict[str, Any]]) -> None:
    seconds = np.cumsum([epoch["seconds"] for epoch in history.epochs])
    seconds = np.array([epoch.get("elapsed_seconds", s) for epoch, s in zip(history.epochs, seconds, strict=True)])
    looked = np.array([line["elapsed_seconds"] for line in steps])
    longest = max(float(seconds.max(initial=0.0)), float(looked.max(initial=0.0)))
    unit, name = (3600, "hours") if longest >= 7200 else (60, "minutes") if longest >= 120 else (1, "seconds")
    plain(ax, "Loss over time", f"{name} of training", "loss")
    _losses(ax, history, (seconds / unit).tolist(), steps, (looked / unit).tolist())


def _peak_panel(ax: Axes, history: History) -> None:
    known = [{**epoch, "peak_share": 100 * epoch["peak_share"]} for epoch in history.epochs if "peak_share" in epoch]
    peak = f"% of {history.peak_gflops:,.0f} GFLOP/s" if known else "%"
    _curves(ax, known, ["peak_share"], peak, PALETTE[3])


def _logarithmic(ax: Axes) -> None:
    """A logarithmic scale with plain numbers at its ticks, unless the axes are empty."""
    if ax.lines:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.minorticks_off()


def _cell(epoch: dict[str, float], name: str) -> str | float | None:
    """A value as the table shows it; None where an older training did not measure it."""
    value = epoch.get(name)
    return format(value, DIGITS[name]) if value is not None and name in DIGITS else value


def _curves(
    ax: Axes, epochs: list[dict], names: Sequence[str], unit: str, color: str = "", title: str | None = None
) -> None:
    """A line per key of the history, with a marker per epoch; one alone gives the panel its title."""
    from s2s_lib.train.history import label

    plain(ax, title or _sentence(label(names[0])), "epoch", unit)
    if not epochs or not names:
        nothing(ax, "not measured")
        return
    ax.xaxis.get_major_locator().set_params(integer=True)
    for index, name in enumerate(names):
        values = [epoch.get(name, np.nan) for epoch in epochs]
        look = {"color": color or PALETTE[index % len(PALETTE)], "marker": MARKERS[index % len(MARKERS)]}
        ax.plot([epoch["epoch"] for epoch in epochs], values, markersize=4, label=label(name), **look)
    if title is not None:
        ax.legend(fontsize=8, frameon=False)


def _sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]
