"""Piano rolls: one performance, or a transcription laid over what was played."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import ScaledTranslation

from s2s_lib import metrics
from s2s_lib.config import EvaluationConfig
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Note, Performance, pedal_spans
from s2s_lib.report.style import BLUE, GREY, ORANGE, SKY, VERMILION, Picture, pitch_axis, plain

EXCERPT_S = 20.0  # longer pieces are shown in part: notes must stay readable
LEGEND_IN = 0.4  # below the axes, in inches
PEDAL_STRIP = 2.2  # height of the pedal's strip in semitones
JUDGED = {"hit": "played and found", "found": "its transcription", "missed": "missed", "invented": "invented"}
LOOKS = {
    "hit": ({"facecolor": SKY, "edgecolor": "none"}, 0.9),
    "found": ({"facecolor": BLUE, "edgecolor": "none"}, 0.35),
    "missed": ({"facecolor": "white", "edgecolor": VERMILION, "hatch": "/////"}, 0.9),
    "invented": ({"facecolor": ORANGE, "edgecolor": "black", "hatch": "xxxxx"}, 0.9),
}  # and the bar's height in semitones


def piano_roll(
    performance: Performance, title: str = "", ax: Axes | None = None, start_s: float = 0.0, seconds: float = EXCERPT_S
) -> Figure:
    """Notes over time, darker where louder, with the sustain pedal as a strip below; at most `seconds` of it."""
    end_s = min(start_s + seconds, max(performance.end_s, start_s + 1.0))
    shown = _within(performance.notes, start_s, end_s)
    low, high = _range(shown)
    ax = ax or Picture(9, _height(low, high), f"Piano roll: {title}").subplots()
    for note in shown:
        ax.add_patch(_bar(note, facecolor=BLUE, alpha=0.35 + 0.65 * note.velocity / 127, edgecolor="none"))
    handles = [
        Patch(facecolor=BLUE, label="note, loud"),
        Patch(facecolor=BLUE, alpha=0.4, label="note, soft"),
    ]
    handles += _pedal_strip(ax, performance, low, start_s, end_s)
    _finish(ax, title, (low, high), (start_s, end_s), performance.end_s, handles)
    return ax.figure


def overlay_roll(
    ref: Performance,
    est: Performance,
    title: str = "",
    evaluation: EvaluationConfig | None = None,
    ax: Axes | None = None,
    start_s: float = 0.0,
    seconds: float = EXCERPT_S,
) -> Figure:
    """A transcription over what was played: hits, missed and invented notes by colour and by hatching.

    A hit is a note of the right key within `evaluation.onset_tolerance`; the thin bar inside it is the
    transcribed note, so its ends show how far onset and offset are off.
    """
    length_s = max(ref.end_s, est.end_s)
    end_s = min(start_s + seconds, max(length_s, start_s + 1.0))
    pairs = metrics.match(ref.notes, est.notes, evaluation or EvaluationConfig())
    groups = judged(ref.notes, est.notes, pairs)
    low, high = _range(_within((*ref.notes, *est.notes), start_s, end_s))
    ax = ax or Picture(9, _height(low, high), f"Piano roll of played and transcribed notes: {title}").subplots()
    handles = []
    for name, (look, height) in LOOKS.items():
        shown = _within(groups[name], start_s, end_s)
        ax.add_collection(_bars(shown, look, height))
        label = JUDGED[name] + ("" if name == "found" else f" ({len(shown)})")
        handles.append(Patch(**look, linewidth=0.8, label=label))
    handles += _pedal_strip(ax, ref, low, start_s, end_s)
    _finish(ax, title, (low, high), (start_s, end_s), length_s, handles)
    return ax.figure


def judged(ref: Sequence[Note], est: Sequence[Note], pairs: np.ndarray) -> dict[str, list[Note]]:
    """Notes by what became of them, under the names in JUDGED: played ones are hits or missed, transcribed ones found
    or invented. pairs: (k, 2) matched notes as indices (ref, est).
    """
    hit_ref, hit_est = set(pairs[:, 0].tolist()), set(pairs[:, 1].tolist())
    groups: dict[str, list[Note]] = {name: [] for name in JUDGED}
    for index, note in enumerate(ref):
        groups["hit" if index in hit_ref else "missed"].append(note)
    for index, note in enumerate(est):
        groups["found" if index in hit_est else "invented"].append(note)
    return groups


def _within(notes: Sequence[Note], start_s: float, end_s: float) -> list[Note]:
    return [note for note in notes if note.onset_s < end_s and note.offset_s > start_s]


def _range(notes: Sequence[Note]) -> tuple[int, int]:
    """Lowest and highest key to show: the notes' range and two semitones around it, two octaves at least."""
    pitches = [note.pitch for note in notes] or [60]
    low, high = min(pitches) - 2, max(pitches) + 2
    spare = max(0, 24 - (high - low))
    return max(LOWEST_PITCH, low - spare // 2), min(HIGHEST_PITCH, high + spare - spare // 2)


def _height(low: int, high: int) -> float:
    """Inches in which the keys low-high stay apart."""
    return 1.5 + 0.055 * (high - low)


def _bar(note: Note, height: float = 0.9, **look: object) -> Rectangle:
    return Rectangle((note.onset_s, note.pitch - height / 2), note.offset_s - note.onset_s, height, **look)


def _bars(notes: Sequence[Note], look: dict[str, str], height: float) -> PatchCollection:
    """Bars as one path: each path of its own would be hatched alone, which takes seconds for a thousand notes."""
    bars = [_bar(note, height) for note in notes]
    outlines = [bar.get_transform().transform_path(bar.get_path()) for bar in bars]
    return PatchCollection([PathPatch(Path.make_compound_path(*outlines))] if bars else [], linewidth=0.8, **look)


def _pedal_strip(ax: Axes, performance: Performance, low: int, start_s: float, end_s: float) -> list[Patch]:
    """Draws where the sustain pedal is down, under the lowest key; returns its legend entry."""
    spans = [s for s in pedal_spans(performance.pedal, performance.end_s) if s[0] < end_s and s[1] > start_s]
    for down, up in spans:
        ax.add_patch(Rectangle((down, low - 0.5 - PEDAL_STRIP), up - down, 0.6 * PEDAL_STRIP, color=GREY))
    return [Patch(facecolor=GREY, label="sustain pedal down")] if spans else []


def _finish(
    ax: Axes,
    title: str,
    pitches: tuple[int, int],
    window_s: tuple[float, float],
    length_s: float,
    handles: list[Patch],
) -> None:
    """Labels, limits and legend; the title says which excerpt is shown when it is one."""
    start_s, end_s = window_s
    if start_s > 0 or end_s < length_s - 0.05:
        title = f"{title} (excerpt: {round(start_s, 1):g}–{round(end_s, 1):g} s of {length_s:.0f} s)".strip()
    plain(ax, title, "time (s); bars end where keys are released", "key")
    pitch_axis(ax, *pitches)
    ax.set_ylim(pitches[0] - 0.5 - 1.2 * PEDAL_STRIP, pitches[1] + 0.5)
    ax.set_xlim(start_s, end_s)
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 0), ncols=len(handles), fontsize=8, frameon=False,
        bbox_transform=ax.transAxes + ScaledTranslation(0, -LEGEND_IN, ax.figure.dpi_scale_trans),
    )  # fmt: skip
