"""A transcription as one HTML page that reads nothing from a network or a disk."""

from __future__ import annotations

import base64
import hashlib
import io
from html import escape

import numpy as np
import soundfile

from s2s_lib.progress import duration
from s2s_lib.transcription.following import SCRIPT, followed_score, sound_figure
from s2s_lib.transcription.formats import FORMATS
from s2s_lib.transcription.result import Source, Transcription

DOWNLOADS = ("midi", "musicxml", "pdf", "json")
PLAYER_RATE = 24000  # samples per second of the recording in the page: mono MP3, about 6 KB a second
LONGEST_PLAYED_S = 1800  # of which 11 MB come into the page; a longer recording is left out
STYLE = """
:root { color-scheme: light dark }
body { margin: 0 auto; max-width: 62em; padding: 1em; font: 16px/1.5 system-ui, sans-serif; color: #222;
       background: #fff }
h1 { margin: 0.5em 0 0; overflow-wrap: anywhere }
.found { margin: 0 0 1em; color: #555; overflow-wrap: anywhere }
.downloads a { display: inline-block; margin: 0 0.5em 0.5em 0; padding: 0.3em 0.8em; border: 1px solid #888;
               border-radius: 0.3em; color: inherit; text-decoration: none }
.downloads a:hover, .downloads a:focus { background: #8883 }
@media (prefers-color-scheme: dark) { body { color: #e4e4e4; background: #15181c } .found { color: #aaa } }
@media print { .downloads { display: none } .s2s-page { border: 0; break-after: page } }
"""
# nothing but what the page itself holds may be loaded, and no script run but ours, whatever a title or a file's name
# contains
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
)


def page(transcription: Transcription) -> str:
    """The page's HTML: title, what was found, files to download, the recording, and the score that follows it.

    Raises InputError if there are too few notes for a score.
    """
    title = escape(transcription.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p class="found">{escape(transcription.source.name)}: {escape(transcription.summary())}</p>
<p class="downloads">{_downloads(transcription)}</p>
{followed_score(transcription, _player(transcription.source))}
</body>
</html>
"""


def _downloads(transcription: Transcription) -> str:
    links = []
    for name in DOWNLOADS:
        kind = FORMATS[name]
        file = escape(f"{transcription.title}{kind.ending}", quote=True)
        data = _base64(transcription.content(name))
        links.append(f'<a download="{file}" href="data:{kind.mime};base64,{data}">{kind.label}</a>')
    return "\n".join(links)


def _player(source: Source) -> str:
    """A player of the recording, or a word on why there is none; nothing for a MIDI performance."""
    if source.audio is None:
        return ""
    recording = _compressed(source)
    if recording is None:
        return f"<p>The recording is longer than {duration(LONGEST_PLAYED_S)}, so it is not in this page.</p>"
    return sound_figure("The recording; the score follows it, and a click on a note goes there.", _base64(recording))


def _compressed(source: Source) -> bytes | None:
    """The recording as a mono MP3 file; None for one that is too long for a page."""
    from s2s_lib.data import AudioStream  # takes a second to import

    stream = AudioStream(source.audio, PLAYER_RATE, source.sample_rate)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", PLAYER_RATE, 1, format="MP3") as file:
        for block in stream:
            if stream.samples > LONGEST_PLAYED_S * PLAYER_RATE:
                return None
            file.write(np.clip(block, -1, 1))
    return buffer.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
