"""Runs beside each other: the verdict, tables, learning curves and a scatter of the pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from IPython.display import Markdown
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from s2s_lib import metrics
from s2s_lib.comparison import METRICS, common, differing
from s2s_lib.report.style import BLUE, GREY, LIGHT, ORANGE, PALETTE, Picture, Table, plain
from s2s_lib.report.summary import Summary
from s2s_lib.wording import counted, listed, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.comparison import Comparison
    from s2s_lib.runs import Run

MARKERS, LINES = "osv^DP", ("-", "--", "-.", ":")
MOST_TILES, MOST_VERDICTS, MOST_NAMES, MOST_PANELS, MOST_PIECES = 4, 3, 3, 6, 60
WIDEST_NAME = 25  # signs, of which four stand beside each other in a legend
LONGEST_VALUE, LONGEST_TOLD = 60, 20  # signs of a parameter's value in a table, and beside a run's name

Epoch = dict[str, float]
Look = dict[str, str]
Clock = Callable[[Sequence[Epoch]], list[float]]


def comparison_summary(comparison: Comparison) -> Summary:
    """Which run is best, by how much and how surely; then what a reader must know before believing it."""
    score, called = METRICS[comparison.metric], _called(comparison)
    numbers = []
    for run in comparison.scored[:MOST_TILES]:
        mean, pieces = comparison.f1(run, comparison.metric).mean, len(run.pieces)
        if mean is not None:
            numbers.append((f"{mean:.3f}", f"{called[run]}: {score}, mean of {counted(pieces, 'piece')}"))
    verdicts = [comparison.verdict(other) for other in comparison.others[:MOST_VERDICTS]]
    left = len(comparison.others) - len(verdicts)
    if left:
        verdicts.append(f"{counted(left, 'more run')} in the table of scores.")
    return Summary([_subject(comparison), *comparison.sentences], numbers, verdict=" ".join(verdicts))


def _subject(comparison: Comparison) -> str:
    """How many runs, and in what they differ."""
    names = list(differing(comparison.runs))
    if not names:
        return f"{counted(len(comparison.runs), 'run')}, without a difference in parameters."
    left = len(names) - MOST_NAMES
    told = [*names[:MOST_NAMES], counted(left, "other parameter")] if left > 0 else names
    return f"{counted(len(comparison.runs), 'run')} that differ in {listed(told)}."


def _called(comparison: Comparison) -> dict[Run, str]:
    """The runs' names, with their settings where few differ: 'fast (learning_rate 0.004, batch_size 2)'."""
    found = differing(comparison.runs)
    if not found or len(found) > MOST_NAMES:
        return {run: run.label for run in comparison.runs}
    columns = [
        [f"{key.rpartition('.')[2]} {shortened(_value(value) or '–', LONGEST_TOLD)}" for value in values]
        for key, values in found.items()
    ]
    return {
        run: f"{run.label} ({', '.join(told)})"
        for run, told in zip(comparison.runs, zip(*columns, strict=True), strict=True)
    }


def runs_table(comparison: Comparison) -> Table | None:
    """What is set beside each other: how far each run came, from which folder it is, and how long it trained."""
    if not comparison.runs:
        return None
    rows = []
    for run in comparison.runs:
        losses = [epoch["val_loss"] for epoch in run.epochs if "val_loss" in epoch]
        minutes = f"{_minutes(run.epochs)[-1]:.1f} min" if run.epochs else None
        learnt = (len(run.epochs), minutes, min(losses, default=None))
        rows.append((run.label, run.state, str(run.folder), len(run.pieces), *learnt))
    columns = ("run", "state", "folder", "pieces judged", "epochs", "training time", "lowest validation loss")
    return Table(columns, rows, text_columns=3)


def parameters_table(comparison: Comparison) -> Table | Markdown:
    """The parameters that differ, a column per run."""
    if len(comparison.runs) < 2:
        return Markdown("There are no two runs whose parameters could differ.")
    found = differing(comparison.runs)
    if not found:
        return Markdown("All runs have the same parameters.")
    rows = [(name, *map(_value, values)) for name, values in found.items()]
    caption = "Parameters that are not the same in all runs; – where a run's version did not know one, or it is unset."
    return Table(("parameter", *(run.label for run in comparison.runs)), rows, caption, 1 + len(comparison.runs))


def comparison_table(comparison: Comparison) -> Table | None:
    """F1 of each metric and run with its interval, and the difference from the reference on the same pieces."""
    if comparison.reference is None:
        return None
    settings, reference = comparison.settings, comparison.reference
    rows: list[tuple[Any, ...]] = []
    for metric in settings.metrics:
        for run in comparison.scored:
            f1 = metrics.interval_text(comparison.f1(run, metric))
            beside: tuple[Any, ...] = (None, None)
            if run is not reference:
                found, pieces = comparison.difference(run, metric)
                beside = (metrics.signed_text(found), pieces)
            rows.append((METRICS[metric], run.label, len(run.pieces), f1, *beside))
    caption = (
        f"Mean F1 over each run's pieces, and {reference.label} minus the run over the pieces common to both; in "
        f"brackets {100 * settings.confidence:g} % intervals from {settings.resamples} bootstrap resamples of the "
        "pieces. They tell what other pieces of this kind would say, not what training with another seed would."
    )
    if len(comparison.scored) > 2:
        caption += " Each interval stands for itself: among many runs, one can look better by chance."
    columns = ("score", "run", "pieces", "F1", f"{reference.label} minus this", "common pieces")
    return Table(columns, rows, caption, text_columns=2)


def learning_curves(comparison: Comparison) -> Picture | None:
    """Loss, and validation F1 where it was measured, over steps and over time; nothing if no run was trained."""
    runs = [run for run in comparison.runs if run.epochs]
    if not runs:
        return None
    scored = any("val_onset_f1" in epoch for run in runs for epoch in run.epochs)
    names = ", ".join(run.label for run in runs)
    picture = Picture(10, 6.8 if scored else 3.9, f"Learning curves of {names}, over steps and over time")
    axes = picture.subplots(1 + scored, 2, squeeze=False, sharey="row", sharex="col")
    looks, called = _looks(comparison.runs), _called(comparison)
    for column, (clock, unit) in enumerate(((_steps, "optimizer steps"), (_minutes, "training time (min)"))):
        for run in runs:
            _curve(axes[0][column], run, "val_loss", clock, looks[run] | {"label": called[run]})
            _curve(axes[0][column], run, "train_loss", clock, {"color": looks[run]["color"], "alpha": 0.4})
            if scored:
                _curve(axes[1][column], run, "val_onset_f1", clock, looks[run])
        title = "Validation loss with markers, training loss pale"
        plain(axes[0][column], title, "" if scored else unit, "loss (logarithmic)")
        if scored:
            plain(axes[1][column], "Validation onset F1", unit, "mean of the clips")
    _logarithmic(axes[0][0])
    columns = 4 if all(len(called[run]) < WIDEST_NAME for run in runs) else 2
    picture.legend(*axes[0][0].get_legend_handles_labels(), fontsize=8, loc="outside upper left", ncols=columns)
    return picture


def scatter_figure(comparison: Comparison) -> Picture | None:
    """F1 of each common piece, the reference against each other run; nothing without common pieces."""
    metric, reference = comparison.metric, comparison.reference
    found = [(run, pairs) for run in comparison.others if (pairs := common(reference, run, metric))][:MOST_PANELS]
    if not found:
        return None
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    alt = f"{METRICS[metric]} piece by piece, {reference.label} against {', '.join(run.label for run, _ in found)}"
    picture = Picture(max(4.4, 3.6 * columns), 3.9 * rows, alt)
    axes = picture.subplots(rows, columns, squeeze=False).ravel()
    for ax, (run, pairs) in zip(axes, found, strict=False):
        ours, theirs = ([pair.first.f1[metric] for pair in pairs], [pair.second.f1[metric] for pair in pairs])
        _scatter(ax, ours, theirs)
        score = METRICS[metric]
        plain(ax, f"{reference.label} against {run.label}", f"{run.label}: {score}", f"{reference.label}: {score}")
    for ax in axes[len(found) :]:
        ax.set_visible(False)
    return picture


def pieces_table(comparison: Comparison) -> Table | None:
    """F1 of each piece and run by the first metric; where the reference is farthest ahead of the next run first."""
    metric, reference = comparison.metric, comparison.reference
    pairs = {run: {pair.key: pair for pair in common(reference, run, metric)} for run in comparison.others}
    pairs = {run: found for run, found in pairs.items() if found}
    if not pairs:
        return None
    rival, ahead = next(iter(pairs.items()))
    pieces = [piece for piece in reference.pieces if any(piece.key in found for found in pairs.values())]
    pieces.sort(key=lambda piece: -ahead[piece.key].difference(metric) if piece.key in ahead else 2.0)
    left_out = max(0, len(pieces) - MOST_PIECES)
    if left_out:
        pieces = pieces[: MOST_PIECES // 2] + pieces[-MOST_PIECES // 2 :]
    rows = []
    for piece in pieces:
        others = [found[piece.key].second.f1[metric] if piece.key in found else None for found in pairs.values()]
        gain = f"{ahead[piece.key].difference(metric):+.3f}" if piece.key in ahead else None
        rows.append((piece.id, piece.notes, piece.f1[metric], *others, gain))
    names = (reference.label, *(run.label for run in pairs))
    columns = ("piece", "notes", *names, f"{reference.label} minus {rival.label}")
    middle = f" The {counted(left_out, 'piece')} between are left out." if left_out else ""
    caption = f"By piece: {METRICS[metric]}, where {reference.label} is farthest ahead of {rival.label} first.{middle}"
    return Table(columns, rows, caption)


def _scatter(ax: Axes, ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Pieces as points; above the diagonal those that the reference won."""
    low = max(0.0, min(*ours, *theirs) - 0.05)
    high = min(1.0, max(*ours, *theirs) + 0.05)
    ax.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1)
    looks = (("won", BLUE, "o"), ("lost", ORANGE, "v"), ("level", GREY, "s"))
    outcomes = ["won" if a > b else "lost" if a < b else "level" for a, b in zip(ours, theirs, strict=True)]
    for outcome, color, marker in looks:
        points = [(b, a) for a, b, one in zip(ours, theirs, outcomes, strict=True) if one == outcome]
        if points:
            x, y = zip(*points, strict=True)
            look = {"color": color, "markersize": 5, "alpha": 0.8, "clip_on": False}  # whole also on the border
            ax.plot(x, y, marker, **look, label=f"{outcome} ({len(points)})")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    ax.legend(fontsize=8, frameon=True, edgecolor=LIGHT, loc="lower right")


def _curve(ax: Axes, run: Run, name: str, clock: Clock, look: dict[str, Any]) -> None:
    epochs = [epoch for epoch in run.epochs if epoch.get(name) is not None]
    times = dict(zip((id(epoch) for epoch in run.epochs), clock(run.epochs), strict=True))
    ax.plot([times[id(epoch)] for epoch in epochs], [epoch[name] for epoch in epochs], markersize=4, **look)


def _logarithmic(ax: Axes) -> None:
    """A logarithmic axis upwards whose numbers are plain and close enough for a small range."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _steps(epochs: Sequence[Epoch]) -> list[float]:
    return [epoch.get("steps", epoch["epoch"]) for epoch in epochs]


def _minutes(epochs: Sequence[Epoch]) -> list[float]:
    """Minutes since the training began; of an older history without validation."""
    summed = accumulate(epoch.get("seconds", 0.0) for epoch in epochs)
    return [epoch.get("elapsed_seconds", total) / 60 for epoch, total in zip(epochs, summed, strict=True)]


def _looks(runs: Sequence[Run]) -> dict[Run, Look]:
    """Colour, marker and line of each run, told apart by more than colour."""
    size = len(PALETTE)
    return {
        run: {"color": PALETTE[i % size], "marker": MARKERS[i % size], "linestyle": LINES[i // size % len(LINES)]}
        for i, run in enumerate(runs)
    }


def _value(value: Any) -> str | None:
    """A parameter's value on one line, its middle left out where it is long."""
    if value is None:
        return None
    if isinstance(value, list):
        text = ", ".join(map(str, value)) or "none"
    else:
        text = (
            str(value).lower()
            if isinstance(value, bool)
            else f"{value:.6g}"
            if isinstance(value, float)
            else str(value)
        )
    return shortened(text, LONGEST_VALUE, " … ")
