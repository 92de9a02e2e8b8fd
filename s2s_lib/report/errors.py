"""What went wrong: mistakes by kind, and the moments with most of them, to see and to hear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from IPython.display import display

from s2s_lib import metrics
from s2s_lib.metrics import KINDS
from s2s_lib.notes import Performance
from s2s_lib.report.players import played, player
from s2s_lib.report.rolls import overlay_roll
from s2s_lib.report.style import BLUE, GREEN, HATCHES, ORANGE, VERMILION, Picture, Table, plain
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.axes import Axes

    from s2s_lib.evaluate import Evaluation
    from s2s_lib.metrics import Mistake

MOMENT_S = 4.0  # length of a moment
MOMENTS = 3
LOOKS = {
    "missed": (VERMILION, HATCHES[1]),
    "invented": (ORANGE, HATCHES[3]),
    "end": (BLUE, HATCHES[0]),
    "velocity": (GREEN, HATCHES[2]),
}
WRONG_NOTES = ("missed", "invented")  # the groups that make a moment bad


def mistakes_figure(evaluation: Evaluation) -> Picture:
    """How many mistakes there are of each kind: wrong notes on the left, what is wrong about right ones beside them."""
    counts = _total(evaluation)
    onset = sum((sample.scores.onset for sample in evaluation.samples), metrics.Counts(0, 0, 0))
    alt = "Mistakes by kind: " + ", ".join(f"{KINDS[kind].name} {number}" for kind, number in counts.items())
    picture = Picture(12, 4, alt)
    left, right = picture.subplots(1, 2)
    missed, invented = onset.ref - onset.matched, onset.est - onset.matched
    wrong = {kind: number for kind, number in counts.items() if KINDS[kind].group in WRONG_NOTES}
    title = f"{counted(onset.ref, 'note')} played: {missed} missed (hatched), {invented} invented besides (crossed)"
    _bars(left, title, wrong)
    right_but = {kind: number for kind, number in counts.items() if kind not in wrong}
    _bars(right, f"What is wrong about the {counted(onset.matched, 'note')} found", right_but)
    return picture


def _bars(ax: Axes, title: str, counts: dict[str, int]) -> None:
    plain(ax, title, "notes").grid(visible=False, axis="y")
    for row, (kind, number) in enumerate(counts.items()):
        color, hatch = LOOKS[KINDS[kind].group]
        bars = ax.barh(row, number, color=color, hatch=hatch, edgecolor="white")
        ax.bar_label(bars, fontsize=9, padding=3)
    ax.set_yticks(range(len(counts)), [KINDS[kind].name for kind in counts], fontsize=9)
    ax.set_xlim(0, 1.12 * max(1, *counts.values()))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.invert_yaxis()


def mistakes_table(evaluation: Evaluation) -> Table:
    """Each kind of mistake, what it means and how often it happened."""
    samples, counts = evaluation.samples, _total(evaluation)
    sizes = {
        "missed": sum(sample.scores.onset.ref for sample in samples),
        "invented": sum(sample.scores.onset.est for sample in samples),
    }
    matched = sum(sample.scores.onset.matched for sample in samples)
    rows = []
    for kind, number in counts.items():
        size = sizes.get(KINDS[kind].group, matched)
        rows.append((KINDS[kind].name, KINDS[kind].meaning, number, f"{number / size:.1%}" if size else None))
    caption = (
        "Every missed and every invented note has one kind, the first that fits. Shares are of the notes played, for "
        "invented ones of the notes written, for wrong ends and loudness of the notes found."
    )
    return Table(("mistake", "what it means", "notes", "share"), rows, caption, text_columns=2)


def show_worst_moments(evaluation: Evaluation, most: int = MOMENTS) -> None:
    """The windows of four seconds with the most missed and invented notes: what was played, heard, and both sounds."""
    wrong = [[m for m in found if KINDS[m.kind].group in WRONG_NOTES] for found in evaluation.mistakes]
    windows = metrics.worst_windows([np.array([m.time_s for m in found]) for found in wrong], MOMENT_S, most)
    for number, (piece, start_s, _) in enumerate(windows, 1):
        sample = evaluation.samples[piece]
        inside = [m for m in wrong[piece] if start_s <= m.time_s < start_s + MOMENT_S]
        title = f"{number}. {sample.id}: {_named(inside)}"
        settings = evaluation.config.evaluation
        display(overlay_roll(sample.ref, sample.est, title, settings, start_s=start_s, seconds=MOMENT_S))
        display(_side_by_side(sample.waveform(), sample.est, sample.source.sample_rate, start_s, f"moment {number}"))
    if not windows:
        display(Table(("worst moments",), [("no note was missed or invented",)]))


def _side_by_side(waveform: np.ndarray, est: Performance, rate: int, start_s: float, name: str) -> HTML:
    """A player for the audio of a moment and one for its transcription."""
    from IPython.display import HTML

    first = round(start_s * rate)
    clip = waveform[first : first + round(MOMENT_S * rate)]
    players = [
        f'<div style="flex:0 1 22em;min-width:15em">{player(sound, rate, label=f"{name}, {what}").data}</div>'
        for sound, what in ((clip, "the audio"), (played(est, rate, start_s, len(clip) / rate), "its transcription"))
    ]
    return HTML(f'<div style="display:flex;flex-wrap:wrap;gap:0 1.5em">{"".join(players)}</div>')


def _total(evaluation: Evaluation) -> dict[str, int]:
    return metrics.tally(mistake for found in evaluation.mistakes for mistake in found)


def _named(found: Sequence[Mistake]) -> str:
    """'5 missed, 2 invented; most of all missed in a chord'."""
    parts = []
    for group in WRONG_NOTES:
        number = sum(KINDS[mistake.kind].group == group for mistake in found)
        parts += [f"{number} {group}"] if number else []
    counts = metrics.tally(found)
    return f"{', '.join(parts)}; most of all {KINDS[max(counts, key=lambda kind: counts[kind])].name}"
