"""Engraved pages inside the report, with the recording and the transcription to listen to along them."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s_lib.notes import Performance, Piece
from s2s_lib.report.players import mp3, resynthesise
from s2s_lib.report.style import VERMILION
from s2s_lib.report.transcription import performed_times
from s2s_lib.transcription.formats import FORMATS

if TYPE_CHECKING:
    from IPython.display import HTML

    from s2s_lib.transcription import Transcription
    from s2s_lib.transcription.listening import Heard

SCRIPT = Path(__file__).with_name("pages.js")
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
.s2s-page .s2s-lit, .s2s-page .s2s-lit * {{fill: {VERMILION}; stroke: {VERMILION}}}
.s2s-cursor {{position: absolute; background: {VERMILION}; opacity: 0.15; pointer-events: none}}
@media screen {{.s2s-away {{display: none}}}}
@media print {{.s2s-turner, .s2s-sounds, .s2s-cursor {{display: none}}}}
"""
TYPES = {kind.ending: kind.mime for kind in FORMATS.values()}

Struck = tuple[float, float, list[str]]


def score_page(heard: Heard, transcription: Transcription, seconds: float = 60.0) -> HTML:
    """The score's pages with two players above them: the recording, and the transcription played on a piano.

    Where scripts run, the pages turn, the notes light up as they sound, and a click on a note goes there. It needs no
    network and no kernel, so it works in JupyterLab and in the saved page alike. At most `seconds` are played.
    """
    from IPython.display import HTML

    performance = transcription.performance
    notes = tuple(note for note in performance.notes if note.onset_s < seconds)
    played = resynthesise(Performance(notes, performance.pedal), heard.sample_rate)
    sounds = [("the recording", heard.waveform), ("its transcription, played", played)]
    players = "".join(_sound(label, waveform, heard.sample_rate, seconds) for label, waveform in sounds)
    label, count = transcription.title, len(transcription.svgs)
    drawn = "".join(_page(svg, f"{label}, page {page} of {count}") for page, svg in enumerate(transcription.svgs, 1))
    struck = struck_times(transcription.engraving.timemap(), transcription.to_score())
    times = json.dumps(struck, separators=(",", ":"))
    return HTML(
        f'<div class="s2s-score"><style>{STYLE}</style><div class="s2s-sounds">{players}</div>'
        '<div class="s2s-turner" hidden><button type="button">previous page</button><span aria-live="polite"></span>'
        '<button type="button">next page</button></div>'
        f'<div class="s2s-pages">{drawn}<div class="s2s-cursor" hidden></div></div>'
        f'<script type="application/json" class="s2s-times">{times}</script>'
        f"<script>{SCRIPT.read_text(encoding='utf-8')}</script></div>"
    )


def _sound(label: str, waveform: np.ndarray, sample_rate: int, seconds: float) -> str:
    clip = waveform[: round(seconds * sample_rate)]
    part = f" (the first {seconds:g} s)" if len(clip) < len(waveform) else ""
    source = base64.b64encode(mp3(clip, sample_rate)).decode()
    text = html.escape(label + part, quote=True)
    return (
        f'<figure><figcaption>{text}</figcaption><audio controls preload="metadata" aria-label="{text}" '
        f'src="data:audio/mpeg;base64,{source}">Your browser plays no MP3.</audio></figure>'
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


def downloads(files: Sequence[Path]) -> HTML:
    """Links to files, which the page carries inside itself, so they can be had wherever it goes."""
    from IPython.display import HTML

    links = "".join(f"<li>{_link(file)}</li>" for file in files)
    return HTML(f"<ul>{links}</ul>")


def _link(file: Path) -> str:
    name, content = html.escape(file.name, quote=True), file.read_bytes()
    source = f"data:{TYPES[file.suffix]};base64,{base64.b64encode(content).decode()}"
    size, folder = f"{len(content) / 1024:.0f} KB", html.escape(str(file.parent))
    return f'<a download="{name}" href="{source}">{name}</a> ({size}, in {folder})'
