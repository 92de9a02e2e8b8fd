"""Audio players that live inside the report: short clips, compressed, playable without a network."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from s2s_lib.config import EMBEDDED_SOUNDFONT
from s2s_lib.notes import Performance, Timeline
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts

if TYPE_CHECKING:
    from IPython.display import HTML

CLIP_S = 10.0
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # the only ones the format knows


def player(
    waveform: np.ndarray, sample_rate: int, seconds: float = CLIP_S, label: str = "", start_s: float = 0.0
) -> HTML:
    """A player for at most `seconds` of a waveform, (n,) or stereo (n, 2), as MP3 in the page (about 5 KB a second).

    The level is left as it is. `label` is shown above the player and read out by screen readers.
    """
    from IPython.display import HTML

    first = round(start_s * sample_rate)
    clip = waveform[first : first + round(seconds * sample_rate)]
    source = base64.b64encode(mp3(clip, sample_rate)).decode()
    length_s, clip_s = len(waveform) / sample_rate, len(clip) / sample_rate
    part = f" ({start_s:g}–{start_s + clip_s:.0f} s of {length_s:.0f} s)" if len(clip) < len(waveform) else ""
    text = html.escape(f"{label}{part}", quote=True)
    return HTML(
        f'<figure style="margin:0.5em 0"><figcaption>{text}</figcaption>'
        f'<audio controls preload="metadata" style="width:100%;max-width:22em" aria-label="{text}" '
        f'src="data:audio/mpeg;base64,{source}">'
        "Your browser plays no MP3.</audio></figure>"
    )


def mp3(waveform: np.ndarray, sample_rate: int) -> bytes:
    """A waveform, (n,) or stereo (n, 2), in -1..1 as an MP3 file; resampled to the next higher rate that MP3 knows."""
    rate = min((r for r in MP3_RATES if r >= sample_rate), default=MP3_RATES[-1])
    if rate != sample_rate:
        waveform = soxr.resample(waveform, sample_rate, rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(waveform, -1, 1), rate, format="MP3")
    return buffer.getvalue()


def played(performance: Performance, sample_rate: int, start_s: float, seconds: float) -> np.ndarray:
    """At most `seconds` of a transcription from `start_s`, played on a piano; silence if no note is struck then."""
    moment = excerpt(performance, start_s, start_s + seconds)
    samples = round(seconds * sample_rate)
    return resynthesise(moment, sample_rate)[:samples] if moment.notes else np.zeros(samples, np.float32)


def excerpt(performance: Performance, start_s: float, end_s: float) -> Performance:
    """What sounds from `start_s` to `end_s`, moved to time 0; notes that were struck before are left out."""
    heard = Timeline(performance).between(start_s, end_s).shifted(-start_s)
    inside = [i for i, note in enumerate(heard.notes) if note.onset_s >= 0]
    pedal = tuple(replace(event, time_s=max(0.0, event.time_s)) for event in heard.pedal)
    return Performance(tuple(heard.notes[i] for i in inside), pedal, tuple(heard.extended[i] for i in inside))


def resynthesise(performance: Performance, sample_rate: int, soundfont: str = EMBEDDED_SOUNDFONT) -> np.ndarray:
    """Plays a transcription, so that it can be heard beside the audio it was made from."""
    return render(performance, Piano.plain(find_soundfonts([soundfont])[0]), sample_rate)
