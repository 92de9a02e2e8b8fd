"""Engraved pages that turn, with a cursor that follows the sound; in a report and in a page of their own."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s_lib.notes import Piece

if TYPE_CHECKING:
    from s2s_lib.transcription.result import Transcription

SCRIPT = Path(__file__).with_name("following.js").read_text(encoding="utf-8")
LIT = "#D55E00"  # Okabe and Ito's vermilion, seen with any kind of colour vision
STYLE = f"""
.s2s-score {{max-width: 62em}}
.s2s-sounds {{display: flex; flex-wrap: wrap; gap: 1em}}
.s2s-sounds figure {{margin: 0.5em 0; flex: 1 1 18em}}
.s2s-sounds audio {{width: 100%}}
.s2s-turner {{margin: 0.5em 0}}
.s2s-turner button {{font: inherit; padding: 0.2em 0.8em}}
.s2s-turner span {{display: inline-block; min-width: 8em; text-align: center}}
.s2s-pages {{position: relative}}
.s2s-page {{background: white; color: black; border: 1px solid #ccc; margin-bottom: 1em;
           overflow: hidden}}
.s2s-page svg {{display: block; width: 100%; height: auto}}
.s2s-page g.note {{cursor: pointer}}
.s2s-page .s2s-lit, .s2s-page .s2s-lit * {{fill: {LIT}; stroke: {LIT}}}
.s2s-cursor {{position: absolute; background: {LIT}; opacity: 0.15; pointer-events: none}}
@media screen {{.s2s-away {{display: none}}}}
@media print {{.s2s-turner, .s2s-sounds, .s2s-cursor {{display: none}}}}
"""

Struck = tuple[float, float, list[str]]


def followed_score(transcription: Transcription, sounds: str) -> str:
    """The score's pages as HTML, below `sounds`: figures with `audio` elements that begin where the performance does.

    Where scripts run, the pages turn, the notes light up as they sound, and a click on a note goes there. It needs
    nothing but itself. Raises InputError if there are too few notes for a score.
    """
    svgs, title = transcription.svgs, transcription.title
    drawn = "".join(_page(svg, f"{title}, page {page} of {len(svgs)}") for page, svg in enumerate(svgs, 1))
    struck = struck_times(transcription.engraving.timemap(), transcription.to_score())
    times = json.dumps(struck, separators=(",", ":"))
    return (
        f'<div class="s2s-score"><style>{STYLE}</style><div class="s2s-sounds">{sounds}</div>'
        '<div class="s2s-turner" hidden><button type="button">previous page</button><span aria-live="polite"></span>'
        '<button type="button">next page</button></div>'
        f'<div class="s2s-pages">{drawn}<div class="s2s-cursor" hidden></div></div>'
        f'<script type="application/json" class="s2s-times">{times}</script>'
        f"<script>{SCRIPT}</script></div>"
    )


def sound_figure(label: str, mp3: str) -> str:
    """A labelled player of an MP3 file in base64."""
    text = html.escape(label, quote=True)
    return (
        f'<figure><figcaption>{text}</figcaption><audio controls preload="metadata" aria-label="{text}" '
        f'src="data:audio/mpeg;base64,{mp3}">Your browser plays no MP3.</audio></figure>'
    )


def _page(svg: str, label: str) -> str:
    """A page's SVG element, without what stands before it in a file of its own."""
    text = html.escape(label, quote=True)
    return f'<div class="s2s-page" role="img" aria-label="{text}">{svg[svg.index("<svg") :]}</div>'


def struck_times(timemap: Sequence[dict], piece: Piece) -> list[Struck]:
    """When the notes of an engraving are played: (from, to) in seconds and the ids of those that begin together.

    timemap: verovio's, whose `qstamp` counts quarter notes from the first note or rest that is printed; that is the
    first bar line, or the beginning of a pickup. Notes that end apart from each other are told apart.
    """
    ends = {name: entry["qstamp"] for entry in timemap for name in entry.get("off", ())}
    begun = [(entry["qstamp"], entry["on"]) for entry in timemap if entry.get("on")]
    if not begun:
        return []
    first = min(note.onset_beat for note in piece.notated if note.ornament != "trilled") - begun[0][0]
    struck = []
    for start, names in begun:
        groups: dict[float, list[str]] = {}
        for name in names:
            groups.setdefault(ends.get(name, start), []).append(name)
        for end, group in sorted(groups.items()):
            played_s = np.round(performed_times(piece, [first + start, first + end]), 3).tolist()
            struck.append((*played_s, group))
    return struck


def performed_times(piece: Piece, places: Sequence[float] | np.ndarray) -> np.ndarray:
    """When places on the page, in quarter notes, are played, in seconds; beyond the last beat at its pace."""
    places, beats_s = np.asarray(places, float), np.array(piece.beats_s)
    last = len(beats_s) - 1
    beyond = np.maximum(places - last, 0) * (beats_s[-1] - beats_s[-2] if last else 0.0)
    return np.interp(places, np.arange(last + 1), beats_s) + beyond
