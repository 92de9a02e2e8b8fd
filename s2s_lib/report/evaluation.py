"""How good the transcriptions are: tables, dashboard, confusion matrix, scores over time."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from IPython.display import display
from matplotlib.colors import LogNorm

from s2s_lib import metrics
from s2s_lib.files import atomic_write
from s2s_lib.notes import LOWEST_PITCH, PITCHES, extend_by_pedal
from s2s_lib.report.style import (
    BLUE,
    HATCHES,
    ORANGE,
    PALETTE,
    SKY,
    VERMILION,
    Picture,
    Table,
    histogram,
    nothing,
    pitch_axis,
    plain,
)
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.config import Config
    from s2s_lib.evaluate import Evaluation, SampleResult

LABELS = {
    "onset": "onset",
    "onset_offset_key": "onset + offset\n(key release)",
    "onset_offset_pedal": "onset + offset\n(pedal-extended)",
    "onset_offset_velocity": "onset + offset\n+ velocity (key release)",
    "frame": "frame\n(key held)",
}


def scores_table(evaluation: Evaluation) -> Table:
    """Precision, recall and F1 of each metric, per kind of source."""
    rows = []
    for kind, samples in evaluation.by_source().items():
        summary = metrics.summarize([sample.scores for sample in samples])
        mean, pooled = summary["mean"], summary["pooled"]
        name = f"{kind} ({pieces(samples)}, {counted(summary['ref_notes'], 'note')})"
        for metric, label in LABELS.items():
            ratios = [mean[f"{metric}.{ratio}"] for ratio in ("precision", "recall", "f1", "accuracy")]
            rows.append((name, label.replace("\n", " "), *ratios, pooled[metric]["f1"]))
    columns = ("source", "score", "precision", "recall", "F1", "accuracy", "F1, pooled")
    caption = (
        "Scores, mean over pieces (last column: all notes counted together). Offsets are key releases or, "
        "pedal-extended, ends of sound. Accuracy: the share of right notes in all played or written, "
        "TP / (TP + FP + FN)."
    )
    return Table(columns, rows, caption, text_columns=2)


def deviations_table(evaluation: Evaluation) -> Table:
    """Onset, offset and velocity errors over the matched notes, per kind of source."""
    labels = {
        "onset_deviation": "onset",
        "offset_deviation_key": "offset (key release)",
        "offset_deviation_pedal": "offset (pedal-extended)",
    }
    rows = []
    for kind, samples in evaluation.by_source().items():
        mean = metrics.summarize([sample.scores for sample in samples])["mean"]
        for name, label in labels.items():
            values = [
                mean[f"{name}.{part}"] for part in ("mean_s", "mean_absolute_s", "median_absolute_s", "p95_absolute_s")
            ]
            rows.append((kind, label, *(None if v is None else f"{1000 * v:.1f} ms" for v in values)))
        error = mean["velocity_error"]
        rows.append((kind, "velocity", None, None if error is None else f"{error:.1f} of 127", None, None))
    columns = ("source", "deviation", "mean", "mean size", "median size", "95th percentile")
    caption = "Transcribed minus played over onset-matched notes, mean over pieces; positive is late."
    return Table(columns, rows, caption, text_columns=2)


def pianos_table(evaluation: Evaluation) -> Table:
    """F1 on each piano, and whether training ever heard it."""
    told = {True: "no: held out", False: "yes", None: "not known"}
    rows = []
    for piano, samples in evaluation.by_piano().items():
        summary = metrics.summarize([sample.scores for sample in samples])
        values = [summary["mean"][f"{name}.f1"] for name in LABELS]
        rows.append((piano, told[evaluation.held_out(samples)], len(samples), summary["ref_notes"], *values))
    columns = ("piano", "heard in training", "pieces", "notes", *(name.replace("\n", " ") for name in LABELS.values()))
    known = "Mean F1 over the pieces on each piano."
    return Table(columns, rows, known if rows else "Recordings do not say on which piano they were made.", 2)


def samples_table(evaluation: Evaluation) -> Table:
    """One row per piece, best onset F1 first."""
    rows = [
        (
            sample.id,
            f"{sample.duration_s:.1f}",
            len(sample.ref.notes),
            len(sample.est.notes),
            *(getattr(sample.scores, name).f1 for name in metrics.COUNTED),
        )
        for sample in evaluation.ranked()
    ]
    columns = ("piece", "seconds", "played", "transcribed", *(LABELS[n].replace("\n", " ") for n in metrics.COUNTED))
    return Table(columns, rows, "F1 of each piece, best onset F1 first; played, transcribed: numbers of notes.")


def dashboard(evaluation: Evaluation) -> Picture:
    """F1 by metric and by piece; onset and offset deviations."""
    samples = evaluation.samples
    mean = metrics.summarize([sample.scores for sample in samples])["mean"]
    alt = f"Evaluation dashboard: {pieces(samples)}, mean onset F1 {mean['onset.f1']:.3f}"
    picture = Picture(12, 7.4, alt)
    axes = picture.subplots(2, 2).ravel()
    _f1_by_metric(axes[0], evaluation)
    _f1_by_piece(axes[1], evaluation)
    _onset_deviations(axes[2], samples, evaluation.config.evaluation.onset_tolerance)
    _offset_deviations(axes[3], samples)
    return picture


def confusion_matrix(evaluation: Evaluation) -> Picture:
    """Played against transcribed key over all pieces, with missed and invented notes, and errors by interval."""
    confusion = functools.reduce(operator.add, (sample.confusion for sample in evaluation.samples))
    totals = confusion.as_dict()
    alt = f"Pitch confusion matrix: {totals['correct']} right, {totals['missed']} missed, {totals['invented']} invented"
    picture = Picture(11, 5.6, alt)
    left, right = picture.subplots(1, 2, width_ratios=(1.5, 1))
    _matrix(left, confusion.matrix[:PITCHES, :PITCHES])
    wrong = sorted(totals["wrong_pitch_intervals"].items(), key=lambda item: -item[1])
    counts = {"missed": totals["missed"], "invented": totals["invented"], **dict(wrong)}
    names = [name if name in ("missed", "invented") else f"wrong key: {name}" for name in counts]
    plain(right, f"Errors ({counted(totals['correct'], 'note')} right)", "notes")
    colors = [VERMILION, ORANGE, *[BLUE] * (len(names) - 2)]
    bars = right.barh(names[::-1], list(counts.values())[::-1], color=colors[::-1])
    right.bar_label(bars, fontsize=8, padding=2)
    right.margins(x=0.12)
    return picture


def metrics_over_time(evaluation: Evaluation) -> Picture:
    """Precision, recall and F1 of onsets in ten parts of the piece, all pieces of a source together."""
    groups = evaluation.by_source()
    picture = Picture(4.2 + 3.4 * len(groups), 3.6, "Onset precision, recall and F1 over the position in the piece")
    axes = picture.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for ax, (kind, samples) in zip(axes, groups.items(), strict=True):
        bins = [functools.reduce(operator.add, part) for part in zip(*(s.over_time for s in samples), strict=True)]
        centres = 100 * (np.arange(len(bins)) + 0.5) / len(bins)
        plain(ax, f"Onset scores over time: {kind}, {pieces(samples)}", "position in the piece (%)", "score")
        for name, color, marker in (("precision", ORANGE, "^"), ("recall", SKY, "v"), ("f1", BLUE, "o")):
            values = [getattr(counts, name) if counts.ref + counts.est else np.nan for counts in bins]
            ax.plot(centres, values, color=color, marker=marker, label=name.replace("f1", "F1"))
        ax.set(ylim=(0, 1.05), xlim=(0, 100))
        ax.legend(fontsize=8, frameon=False, loc="lower left", ncols=3)
    return picture


PLOTS = {
    "dashboard": ("evaluation_dashboard.png", dashboard),
    "confusion_matrix": ("confusion_matrix.png", confusion_matrix),
    "metrics_over_time": ("metrics_over_time.png", metrics_over_time),
}


def save_plots(evaluation: Evaluation, config: Config) -> list[Path]:
    """Writes the plots that `config.evaluation.visualizations` asks for into `config.output.results`, as PNG.

    Plots of other kinds, left there by an earlier evaluation, are removed.
    """
    wanted = _wanted(config)
    for kind, (name, _) in PLOTS.items():
        if kind not in wanted:
            (config.output.results / name).unlink(missing_ok=True)
    paths = [config.output.results / PLOTS[kind][0] for kind in wanted]
    for path, kind in zip(paths, wanted, strict=True):
        atomic_write(path, PLOTS[kind][1](evaluation).png())
    return paths


def show_plots(evaluation: Evaluation) -> None:
    """Shows the plots that the evaluation's config asks for."""
    for kind in _wanted(evaluation.config):
        display(PLOTS[kind][1](evaluation))


def _wanted(config: Config) -> list[str]:
    """Kinds of plots to draw, each once."""
    visualizations = config.evaluation.visualizations
    return list(dict.fromkeys(visualizations.plot_types if visualizations.enabled else []))


def _f1_by_metric(ax: Axes, evaluation: Evaluation) -> None:
    groups = evaluation.by_source()
    plain(ax, "F1 by metric, mean over pieces", "", "F1").set_ylim(0, 1.18)
    width = 0.8 / len(groups)
    for index, (kind, samples) in enumerate(groups.items()):
        mean = metrics.summarize([sample.scores for sample in samples])["mean"]
        places = np.arange(len(LABELS)) + (index - (len(groups) - 1) / 2) * width
        values = [mean[f"{name}.f1"] for name in LABELS]
        look = {"color": PALETTE[index], "hatch": HATCHES[index], "edgecolor": "white"}
        bars = ax.bar(places, values, width * 0.95, label=f"{kind} ({pieces(samples)})", **look)
        ax.bar_label(bars, fmt="%.2f", fontsize=7, padding=1)
    ax.set_xticks(range(len(LABELS)), LABELS.values(), fontsize=7, rotation=30, ha="right", rotation_mode="anchor")
    ax.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)


def _f1_by_piece(ax: Axes, evaluation: Evaluation) -> None:
    ranked = evaluation.ranked()
    plain(ax, "F1 by piece, best onset F1 first", "piece", "F1").set_ylim(0, 1.18)
    for name, label, color, marker in (
        ("onset", "onset", BLUE, "o"),
        ("onset_offset_key", "onset + offset (key release)", ORANGE, "^"),
        ("onset_offset_pedal", "onset + offset (pedal-extended)", VERMILION, "v"),
    ):
        values = [getattr(sample.scores, name).f1 for sample in ranked]
        ax.plot(np.arange(1, len(values) + 1), values, marker, color=color, markersize=4, label=label)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set_xlim(0.5, len(ranked) + 0.5)
    ax.legend(fontsize=7, frameon=False, loc="upper right", ncols=3, handletextpad=0.1, columnspacing=0.8)


def _onset_deviations(ax: Axes, samples: tuple[SampleResult, ...], tolerance_s: float) -> None:
    late = _pooled([metrics.differences(s.ref.notes, s.est.notes, s.pairs, "onset_s") for s in samples])
    plain(ax, "Onset deviation", "transcribed − played (ms); positive is late", "matched notes")
    histogram(ax, 1000 * late, np.linspace(-1000 * tolerance_s, 1000 * tolerance_s, 41))
    if len(late):
        median = 1000 * np.median(np.abs(late))
        ax.axvline(1000 * late.mean(), color=VERMILION, linestyle="--", label=f"mean {1000 * late.mean():+.1f} ms")
        ax.legend(fontsize=8, frameon=False, title=f"median size {median:.1f} ms", title_fontsize=8)


def _offset_deviations(ax: Axes, samples: tuple[SampleResult, ...]) -> None:
    plain(ax, "Offset deviation", "transcribed − played (ms); beyond ±1 s at the edge", "matched notes")
    key = _pooled([metrics.differences(s.ref.notes, s.est.notes, s.pairs, "offset_s") for s in samples])
    pedal = _pooled(
        [metrics.differences(extend_by_pedal(s.ref), extend_by_pedal(s.est), s.pairs, "offset_s") for s in samples]
    )
    if not len(key):
        nothing(ax)
        return
    bins = np.linspace(-1000, 1000, 41)
    for values, color, style, label in ((key, BLUE, "-", "key release"), (pedal, VERMILION, "--", "pedal-extended")):
        size = 1000 * np.median(np.abs(values))
        clipped = np.clip(1000 * values, -1000, 1000)
        label = f"{label}, median size {size:.0f} ms"
        ax.hist(clipped, bins, histtype="step", color=color, linestyle=style, linewidth=1.5, label=label)
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])  # room for the legend
    ax.legend(fontsize=8, frameon=False, loc="upper right")


def pieces(samples: Sequence[SampleResult]) -> str:
    """'1 piece', '12 pieces'."""
    return counted(len(samples), "piece")


def _pooled(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *parts])


def _matrix(ax: Axes, keys: np.ndarray) -> None:
    """Heat map of played (rows) against transcribed (columns) keys on a logarithmic colour scale."""
    plain(ax, "Played and transcribed keys", "transcribed key", "played key")
    used = np.flatnonzero(keys.sum(axis=0) + keys.sum(axis=1)) + LOWEST_PITCH
    if not len(used):
        nothing(ax, "no matched notes")
        return
    extent = (LOWEST_PITCH - 0.5, LOWEST_PITCH + PITCHES - 0.5) * 2
    shown = np.ma.masked_equal(keys, 0)
    image = ax.imshow(
        shown, origin="lower", extent=extent, cmap="viridis_r", norm=LogNorm(1, max(2, keys.max())), zorder=2
    )
    ends = np.array(extent[:2])
    for shift, style, label in ((12, ":", "octave above or below"), (-12, ":", None)):
        ax.plot(ends, ends - shift, style, color=VERMILION, linewidth=1, label=label, zorder=3)
    pitch_axis(ax, used.min() - 1, used.max() + 1)
    pitch_axis(ax, used.min() - 1, used.max() + 1, vertical=False)
    ax.legend(fontsize=8, loc="upper left", framealpha=0.9)
    ax.figure.colorbar(image, ax=ax, label="notes (logarithmic)", shrink=0.85, format="%d")
