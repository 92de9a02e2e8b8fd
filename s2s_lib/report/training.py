"""How training went: curves and a table of the epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2s_lib.report.style import GREEN, ORANGE, PALETTE, VERMILION, Picture, Table, nothing, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.train import History
    from s2s_lib.tuning import Tuning

MARKERS = "osv^Dx"


def training_figure(history: History) -> Picture:
    """Losses, parts of the validation loss, learning rate, gradient norm, speed and waiting over the epochs."""
    epochs = history.epochs
    best = history.best if epochs else None
    alt = f"Training curves over {len(epochs)} epochs"
    if best:
        alt += f"; lowest validation loss {best['val_loss']:.4f} in epoch {best['epoch']}"
    picture = Picture(12, 5.6, alt)
    axes = picture.subplots(2, 3).ravel()
    _curves(axes[0], epochs, {"train_loss": "training", "val_loss": "validation"}, "Loss", "loss")
    if best:
        axes[0].axvline(best["epoch"], color=VERMILION, linestyle=":", label=f"best: epoch {best['epoch']}")
        axes[0].legend(fontsize=8, frameon=False)
    parts = [name for name in (epochs[-1] if epochs else {}) if name.startswith("val_") and name != "val_loss"]
    _curves(
        axes[1],
        epochs,
        {name: name.removeprefix("val_") for name in parts},
        "Validation loss by part",
        "loss (logarithmic)",
    )
    axes[1].set_yscale("log")  # a shift in time and an onset are losses of different size
    _curves(axes[2], epochs, {"learning_rate": ""}, "Learning rate", "learning rate", GREEN)
    _curves(axes[3], epochs, {"grad_norm": ""}, "Gradient norm before clipping", "norm", ORANGE)
    speeds = {"audio_seconds_per_second": "trained on", "loader_audio_seconds_per_second": "the loader could deliver"}
    _curves(axes[4], epochs, speeds, "Speed", "audio (s/s, logarithmic)")
    axes[4].set_yscale("log")  # from disk the loader can be a hundred times as fast
    _curves(axes[5], epochs, {"seconds": "all", "waited_seconds": "waiting for data"}, "Time per epoch", "seconds")
    axes[2].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    for ax in axes[[2, 3, 5]]:
        ax.set_ylim(0, 1.1 * ax.get_ylim()[1])
    return picture


def thresholds_figure(tuning: Tuning) -> Picture:
    """Mean F1 on the validation pieces over each threshold, the chosen ones marked."""
    chosen = vars(tuning.thresholds)
    alt = f"F1 on {tuning.pieces} validation pieces over thresholds; chosen: "
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
    plain(ax, f"Thresholds, {tuning.pieces} validation pieces", "threshold on the probability", "mean F1")
    ax.set_ylim(0, 1)
    ax.legend(fontsize=8, frameon=False)
    return picture


def training_table(history: History) -> Table:
    """One row per epoch; the one whose weights were kept is marked."""
    rows = [
        (
            f"{epoch['epoch']} ★" if epoch is history.best else str(epoch["epoch"]),
            f"{epoch['train_loss']:.4f}",
            f"{epoch['val_loss']:.4f}",
            f"{epoch['learning_rate']:.2e}",
            f"{epoch['grad_norm']:.2f}",
            epoch["steps"],
            f"{epoch['seconds']:.1f}",
            f"{epoch['waited_seconds']:.1f}",
            f"{epoch['audio_seconds_per_second']:.1f}",
            f"{epoch['loader_audio_seconds_per_second']:.0f}",
        )
        for epoch in history.epochs
    ]
    columns = (
        "epoch",
        "training loss",
        "validation loss",
        "learning rate",
        "gradient norm",
        "steps",
        "seconds",
        "waited (s)",
        "audio (s/s)",
        "loader (s/s)",
    )
    caption = (
        "Training by epoch; ★ lowest validation loss. Waited: the part of the seconds spent waiting for data. Audio: "
        "seconds of audio trained on per second; loader: how many its processes could have delivered."
    )
    return Table(columns, rows, caption)


def _curves(ax: Axes, epochs: list[dict], names: dict[str, str], title: str, unit: str, color: str = "") -> None:
    """One line per key of the history, with a marker per epoch."""
    plain(ax, title, "epoch", unit)
    if not epochs or not names:
        nothing(ax)
        return
    ax.xaxis.get_major_locator().set_params(integer=True)
    for index, (name, label) in enumerate(names.items()):
        values = [epoch.get(name) for epoch in epochs]
        look = {"color": color or PALETTE[index % len(PALETTE)], "marker": MARKERS[index % len(MARKERS)]}
        ax.plot([epoch["epoch"] for epoch in epochs], values, markersize=4, label=label, **look)
    if any(names.values()):
        ax.legend(fontsize=8, frameon=False)
