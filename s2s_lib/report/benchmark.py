"""The benchmark's tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.display import Markdown

from s2s_lib.benchmark import (
    AXES,
    LABELS,
    peers_markdown,
)
from s2s_lib.metrics import NOTE_RATE, POLYPHONY, VELOCITY, Bands, interval_text, signed_text
from s2s_lib.report.style import BLUE, GREY, HATCHES, PALETTE, Picture, Table, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.benchmark import Benchmark, Curve

METRICS = LABELS | {"frame": "frame F1, key held"}


def benchmark_sentences(benchmark: Benchmark) -> Markdown:
    """What must be known before reading the figures: the piano, what was left out, what failed."""
    lines = [f"Rendered with {benchmark.piano}.", *benchmark.sentences]
    return Markdown("\n".join(f"- {line}" for line in lines))


def benchmark_table(benchmark: Benchmark) -> Table:
    """F1 of each metric and tool, with confidence intervals, and the difference to ours."""
    rows = []
    for metric, label in METRICS.items():
        for tool in benchmark.tools:
            difference = None if tool is benchmark.tools[0] else signed_text(benchmark.difference(tool, metric))
            rows.append((label, tool.name, interval_text(benchmark.f1(tool, metric)), difference))
    level = f"{benchmark.config.benchmark.confidence:.0%}"
    caption = (
        f"Mean over pieces ({level} interval from {benchmark.config.benchmark.resamples} bootstrap resamples of the "
        "pieces). Ours minus theirs: over the pieces that both transcribed; an interval without 0 tells them apart."
    )
    return Table(("score", "tool", "F1", "ours minus theirs"), rows, caption, text_columns=2)


def onset_table(benchmark: Benchmark) -> Table:
    """Precision and recall of onsets, and how many pieces each tool transcribed."""
    rows = []
    for tool in benchmark.tools:
        done = [score.onset for score in tool.scores if score is not None]
        means = [sum(getattr(c, part) for c in done) / len(done) if done else None for part in ("precision", "recall")]
        rows.append((tool.name, len(done), sum(c.ref for c in done), sum(c.est for c in done), *means))
    columns = ("tool", "pieces", "notes played", "notes written", "onset precision", "onset recall")
    return Table(columns, rows, "Precision and recall are means over the pieces.")


def cost_table(benchmark: Benchmark) -> Table:
    """Seconds and sizes of each tool."""
    rows = []
    for tool in benchmark.tools:
        run, ours = tool.run, benchmark.per_second(benchmark.tools[0], "cpu")
        cpu = benchmark.per_second(tool, "cpu")
        rows.append(
            (
                f"{run.name} {run.version}",
                cpu,
                benchmark.per_second(tool, "wall"),
                benchmark.per_second(tool, "cpu", start=True),
                f"{run.start_cpu_s:.1f} s",
                None if not ours or cpu is None else f"{cpu / ours:.1f}",
                f"{run.bytes / 1e6:.1f} MB",
                None if run.parameters is None else f"{run.parameters / 1e6:.2f} M",
                run.device,
            )
        )
    columns = (
        "tool", "CPU s per s", "wall s per s", "CPU s per s with start", "start, CPU", "times our CPU", "model",
        "parameters", "device",
    )  # fmt: skip
    caption = (
        f"Each tool in a fresh process with {benchmark.config.benchmark.num_threads} processor thread(s), on the same "
        "files. CPU seconds are those of all threads, per second of audio, with the model loaded; start: imports, "
        "loading and a warm-up of two seconds of audio. Where nothing is counted, the file does not tell."
    )
    return Table(columns, rows, caption)


def bands_figure(benchmark: Benchmark) -> Picture:
    """Onset recall and F1 of each tool by loudness, polyphony and note rate."""
    tools = ", ".join(tool.name for tool in benchmark.tools)
    picture = Picture(11, 6, f"Onset recall and F1 of {tools} by velocity, polyphony and note rate")
    axes = picture.subplots(2, 3, sharey=True)
    for column, bands in enumerate((VELOCITY, POLYPHONY, NOTE_RATE)):
        _bars(axes[0][column], benchmark, bands, "recall")
        _bars(axes[1][column], benchmark, bands, "f1")
    named = axes[0][0].get_legend_handles_labels()
    picture.legend(*named, fontsize=8, loc="outside upper left", ncols=len(benchmark.tools))  # over no bar
    return picture


def _bars(ax: Axes, benchmark: Benchmark, bands: Bands, part: str) -> None:
    width = 0.8 / len(benchmark.tools)
    for number, tool in enumerate(benchmark.tools):
        heights = [getattr(count, part) for count in benchmark.bands(tool, bands)]
        places = [i + (number - (len(benchmark.tools) - 1) / 2) * width for i in range(len(heights))]
        ax.bar(places, heights, width, color=PALETTE[number], hatch=HATCHES[number], edgecolor="white", label=tool.name)
    plain(ax, f"by {bands.name}", bands.unit, f"onset {'F1' if part == 'f1' else part}")
    ax.set_xticks(range(len(bands.labels)), bands.labels)
    ax.set_ylim(0, 1)


def bands_table(benchmark: Benchmark) -> Table:
    """Onset recall and F1 of each tool by velocity, with the numbers of notes."""
    rows = []
    for tool in benchmark.tools:
        for label, count in zip(VELOCITY.labels, benchmark.bands(tool, VELOCITY), strict=True):
            rows.append((tool.name, label, count.ref, count.recall, count.f1))
    caption = (
        "Notes of all pieces counted together. A matched note belongs to the velocity it was played with, an invented "
        "one to the velocity that it was written with."
    )
    return Table(("tool", "velocity", "notes played", "onset recall", "onset F1"), rows, caption, text_columns=2)


def robustness_figure(benchmark: Benchmark) -> Picture | None:
    """Onset F1 of ours over each change of the sound; nothing if none was asked for."""
    curves = benchmark.curves
    if not curves:
        return None
    alt = "Onset F1 of our transcriber against " + "; ".join(AXES[curve.axis] for curve in curves)
    picture = Picture(11, 3.2 * -(-len(curves) // 2), alt)
    axes = picture.subplots(-(-len(curves) // 2), 2, sharey=True, squeeze=False).ravel()
    for ax, curve in zip(axes, curves, strict=False):
        _curve(ax, curve)
    for ax in axes[len(curves) :]:
        ax.set_visible(False)
    return picture


def _curve(ax: Axes, curve: Curve) -> None:
    means = [found.mean for found in curve.onset_f1]
    ax.plot(curve.levels, means, "o-", color=BLUE)
    if all(found.low is not None for found in curve.onset_f1):
        lows, highs = zip(*((found.low, found.high) for found in curve.onset_f1), strict=True)
        ax.fill_between(curve.levels, lows, highs, color=BLUE, alpha=0.2)
    ax.axhline(curve.unchanged.mean, color=GREY, linestyle="--", linewidth=1)
    plain(ax, "", AXES[curve.axis], "onset F1")
    ax.set_ylim(0, 1)


def benchmark_pieces(benchmark: Benchmark) -> Table:
    """Onset F1 of each piece and tool."""
    rows = [
        (piece.id, len(piece.performance.notes), *(tool.f1("onset")[i] for tool in benchmark.tools))
        for i, piece in enumerate(benchmark.pieces)
    ]
    columns = ("piece", "notes", *(tool.name for tool in benchmark.tools))
    return Table(columns, rows, "Onset F1 of each piece; a dash where the tool failed.")


def peers_table(benchmark: Benchmark) -> Markdown:
    """The table of the README."""
    return Markdown(peers_markdown(benchmark))
