"""Engraved pages inside the report, with the recording and the transcription to listen to along them."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_lib.report.players import mp3, played
from s2s_lib.transcription.following import followed_score, sound_figure
from s2s_lib.transcription.formats import FORMATS

if TYPE_CHECKING:
    from IPython.display import HTML

    from s2s_lib.transcription import Transcription
    from s2s_lib.transcription.listening import Heard

TYPES = {kind.ending: kind.mime for kind in FORMATS.values()}


def score_page(heard: Heard, transcription: Transcription, seconds: float = 60.0) -> HTML:
    """The score's pages with two players above them: the recording, and the transcription played on a piano.

    It is `followed_score`, needs no network and no kernel, and so works in JupyterLab and in the saved page alike. At
    most `seconds` are played.
    """
    from IPython.display import HTML

    rate, samples = heard.sample_rate, round(seconds * heard.sample_rate)
    part = f" (the first {seconds:g} s)" if len(heard.waveform) > samples else ""
    sounds = {
        "the recording": heard.waveform[:samples],
        "its transcription, played": played(transcription.performance, rate, 0.0, seconds),
    }
    figures = [sound_figure(label + part, base64.b64encode(mp3(clip, rate)).decode()) for label, clip in sounds.items()]
    return HTML(followed_score(transcription, "".join(figures)))


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
