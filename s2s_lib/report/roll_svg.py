"""A transcription laid over what was played, as SVG: drawn in milliseconds, for what moves under a slider."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from s2s_lib.metrics import KINDS, Mistake
from s2s_lib.notes import Note, Performance, pedal_spans
from s2s_lib.report.rolls import JUDGED, judged
from s2s_lib.report.style import BLUE, GREY, LIGHT, ORANGE, SKY, VERMILION, pitch_name
from s2s_lib.wording import counted

WIDTH, KEY, LEFT, FOOT = 1000, 8, 40, 34  # the drawing's width, a key's height, margins; in the drawing's own units
FEWEST_KEYS = 30
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)  # between marks on the time axis
MOST_MARKS = 12
DEFS = (
    '<defs><pattern id="s2s-missed" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="5" height="5" fill="white"/><rect width="1.6" height="5" fill="{VERMILION}"/></pattern>'
    '<pattern id="s2s-invented" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="4" height="4" fill="{ORANGE}"/><path d="M0 0H4M0 0V4" stroke="black" stroke-width="0.9"/></pattern>'
    "</defs>"
)
LOOKS = {
    "hit": (f'fill="{SKY}"', 0.9),
    "found": (f'fill="{BLUE}"', 0.35),
    "missed": (f'fill="url(#s2s-missed)" stroke="{VERMILION}"', 0.9),
    "invented": ('fill="url(#s2s-invented)" stroke="black"', 0.9),
}


def overlay_svg(
    ref: Performance,
    est: Performance,
    pairs: np.ndarray,
    window_s: tuple[float, float],
    mistakes: Sequence[Mistake] = (),
    pitches: tuple[int, int] | None = None,
) -> str:
    """`rolls.overlay_roll` as an SVG element, its notes named where the mouse rests on them, with their mistake.

    pairs: (k, 2) matched notes (ref, est); window_s: what is shown; pitches: lowest and highest key, else those of
    the notes shown, so that a drawing can keep its keys while its notes change.
    """
    start_s, end_s = window_s
    low, high = pitches or key_range((*ref.notes, *est.notes))
    kinds = {(KINDS[m.kind].group == "invented", m.note): KINDS[m.kind].name for m in reversed(mistakes)}
    groups = judged(ref.notes, est.notes, pairs)
    height = KEY * (high - low + 1) + FOOT
    scale = (WIDTH - LEFT) / (end_s - start_s)
    parts = [_grid(low, high, start_s, end_s, scale), _pedal(ref, low, high, start_s, end_s, scale)]
    counts = {}
    for name, (look, thickness) in LOOKS.items():
        shown = [note for note in groups[name] if note.onset_s < end_s and note.offset_s > start_s]
        bars = [
            _bar(note, high, start_s, scale, thickness, kinds.get((name in ("found", "invented"), note), ""))
            for note in shown
        ]
        parts.append(f'<g class="s2s-{name}" {look}>{"".join(bars)}</g>')
        counts[name] = len(shown)
    label = (
        f"piano roll: {counted(counts['hit'], 'note')} found, {counts['missed']} missed, {counts['invented']} invented"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" font-family="sans-serif" font-size="11" '
        f'style="display:block;width:100%;background:white">{DEFS}{"".join(parts)}</svg>{_legend(counts)}'
    )


def key_range(notes: Sequence[Note]) -> tuple[int, int]:
    """Lowest and highest key of some notes, with a key around them, and at least two octaves and a half."""
    keys = [note.pitch for note in notes] or [60]
    low, high = min(keys) - 1, max(keys) + 1
    spare = max(0, FEWEST_KEYS - (high - low))
    return low - spare // 2, high + spare - spare // 2


def _bar(note: Note, high: int, start_s: float, scale: float, thickness: float, mistake: str) -> str:
    first = max(LEFT, LEFT + (note.onset_s - start_s) * scale)
    last = min(WIDTH, LEFT + (note.offset_s - start_s) * scale)
    top = KEY * (high - note.pitch + 0.5 * (1 - thickness))
    said = f"{pitch_name(note.pitch)}, {note.onset_s:.2f}–{note.offset_s:.2f} s, velocity {note.velocity}"
    title = html.escape(f"{said}: {mistake}" if mistake else said)
    return (
        f'<rect x="{first:.1f}" y="{top:.1f}" width="{max(1.0, last - first):.1f}" height="{KEY * thickness:.1f}">'
        f"<title>{title}</title></rect>"
    )


def _grid(low: int, high: int, start_s: float, end_s: float, scale: float) -> str:
    """Lines at every C and at round times, with their names."""
    floor = KEY * (high - low + 1)
    parts = []
    for key in range(low + -low % 12, high + 1, 12):
        y = KEY * (high - key + 0.5)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH}" stroke="{LIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{pitch_name(key)}</text>')
    step = next((s for s in STEPS_S if (end_s - start_s) / s <= MOST_MARKS), STEPS_S[-1])
    for mark in range(int(np.ceil(start_s / step - 1e-9)), int(end_s / step + 1e-9) + 1):
        x = LEFT + (mark * step - start_s) * scale
        parts.append(f'<path d="M{x:.1f} 0V{floor}" stroke="{LIGHT}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 20}" text-anchor="middle">{mark * step:g}</text>')
    parts.append(
        f'<text x="{WIDTH}" y="{floor + 32}" text-anchor="end">time (s); bars end where keys are released</text>'
    )
    return "".join(parts)


def _pedal(ref: Performance, low: int, high: int, start_s: float, end_s: float, scale: float) -> str:
    """Where the sustain pedal is down, as a strip under the keys."""
    y, parts = KEY * (high - low + 1), []
    for down, up in pedal_spans(ref.pedal, ref.end_s):
        if down < end_s and up > start_s:
            first, last = (LEFT + (min(max(t, start_s), end_s) - start_s) * scale for t in (down, up))
            parts.append(f'<rect x="{first:.1f}" y="{y}" width="{last - first:.1f}" height="6"/>')
    return f'<g class="s2s-pedal" fill="{GREY}">{"".join(parts)}<title>sustain pedal down</title></g>'


def _legend(counts: dict[str, int]) -> str:
    swatches = "".join(
        f'<span style="white-space:nowrap"><svg width="26" height="12" style="vertical-align:middle">'
        f'<rect x="1" y="{6 - 5 * thickness:.1f}" width="24" height="{10 * thickness:.1f}" {look}/></svg> '
        f"{JUDGED[name]}{'' if name == 'found' else f' ({counts[name]})'}</span>"
        for name, (look, thickness) in LOOKS.items()
    )
    pedal = '<span style="white-space:nowrap"><svg width="26" height="12" style="vertical-align:middle">'
    pedal += f'<rect x="1" y="3" width="24" height="6" fill="{GREY}"/></svg> sustain pedal down</span>'
    return f'<div style="display:flex;flex-wrap:wrap;gap:0.2em 1.4em;line-height:1.6">{swatches}{pedal}</div>'
