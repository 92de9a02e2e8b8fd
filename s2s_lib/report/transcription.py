"""A recording, the notes found in it and what their score says, in pictures and in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from s2s_lib.metre import beat_quarters
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Note, Performance, Piece, pedal_spans
from s2s_lib.report.style import BLUE, GREY, ORANGE, VERMILION, Picture, Table, pitch_axis, plain
from s2s_lib.transcription.following import performed_times
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from s2s_lib.transcription import Transcription
    from s2s_lib.transcription.listening import Heard

COLUMNS = 1200  # of a spectrogram's picture
PER_SEMITONE = 3  # rows of it
FLOOR_DB = -70.0  # below the loudest, where the picture is white
TRANSFORM = 4096  # samples of a Fourier transform, a quarter of a second at 16 kHz
A4, A4_HZ = 69, 440.0
ROW_S, ROWS = 20.0, 3  # a piano roll's rows, and so many of them at most
Bar = tuple[int, float]  # its number, and when its bar line is reached, in seconds
HANDS = {"R": ("right hand", BLUE), "L": ("left hand", ORANGE)}
SOFTEST = 0.45  # opacity of a note that is hardly struck


def recording_figure(heard: Heard) -> Figure:
    """The waveform over the spectrogram, whose rows are the piano's keys, louder darker, in dB below the loudest."""
    waveform, rate = heard.waveform, heard.sample_rate
    length_s = len(waveform) / rate
    figure = Picture(9, 5.2, f"Waveform and spectrogram of {heard.title}")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.6))
    edges = np.linspace(0, len(waveform), min(len(waveform), COLUMNS) + 1).astype(int)[:-1]
    times = edges / rate
    highest, lowest = np.maximum.reduceat(waveform, edges), np.minimum.reduceat(waveform, edges)
    above.fill_between(times, lowest, highest, color=BLUE, linewidth=0.4)
    reach = 1.1 * max(float(np.abs(waveform).max()), 1e-3)
    above.set_ylim(-reach, reach)
    plain(above, f"{heard.title}: the recording", "", "amplitude\n(1 = full scale)")
    image = below.imshow(
        key_spectrogram(waveform, rate), origin="lower", aspect="auto", cmap="Greys", vmin=FLOOR_DB, vmax=0,
        extent=(0, length_s, LOWEST_PITCH - 0.5, HIGHEST_PITCH + 0.5), interpolation="nearest",
    )  # fmt: skip
    plain(below, "its sound, by the piano's keys", "time (s)", "key")
    pitch_axis(below, LOWEST_PITCH, HIGHEST_PITCH)
    below.set_xlim(0, length_s)
    figure.colorbar(image, ax=below, label="level (dB)", pad=0.01)
    return figure


def key_spectrogram(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level in dB below the loudest, (88 * PER_SEMITONE, columns): row r is r / PER_SEMITONE semitones above A0.

    A short-time Fourier transform read off at the keys' frequencies; what lies above half the sample rate is silent.
    """
    hop = max(TRANSFORM // 8, len(waveform) // COLUMNS)
    padded = np.pad(waveform, TRANSFORM // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, TRANSFORM)[::hop]
    window = np.hanning(TRANSFORM)
    keys = LOWEST_PITCH - 0.5 + (np.arange((HIGHEST_PITCH - LOWEST_PITCH + 1) * PER_SEMITONE) + 0.5) / PER_SEMITONE
    bins = A4_HZ * 2 ** ((keys - A4) / 12) * TRANSFORM / sample_rate
    read = np.clip(np.round(bins).astype(int), 0, TRANSFORM // 2)
    levels = np.stack([np.abs(np.fft.rfft(frame * window))[read] for frame in frames], axis=1)
    levels[bins > TRANSFORM / 2] = 0
    return 20 * np.log10(np.maximum(levels / max(levels.max(), 1e-12), 10 ** (FLOOR_DB / 20)))


def notes_figure(transcription: Transcription) -> Figure:
    """The notes by hand, louder darker, with the pedal and numbered bar lines, in rows of 20 s, three at most."""
    played, piece = transcription.performance, transcription.to_score()
    rows = min(ROWS, max(1, int(np.ceil(played.end_s / ROW_S))))
    end_s = rows * ROW_S
    low, high = _range([note for note in played.notes if note.onset_s < end_s])
    height = 0.9 + rows * (0.7 + 0.042 * (high - low))
    figure = Picture(9, height, f"Piano roll of the notes found in {transcription.title}")
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    hands, bars = [note.hand for note in piece.notated], bar_lines(piece)
    width_s = ROW_S if rows > 1 else max(played.end_s, 1.0)
    for row, ax in enumerate(axes):
        _roll_row(ax, played, hands, (low, high), (row * width_s, (row + 1) * width_s))
        _number_bars(ax, [bar for bar in bars if row * width_s <= bar[1] < (row + 1) * width_s])
    part = f" (the first {end_s:g} s of {played.end_s:.0f} s)" if played.end_s > end_s else ""
    axes[0].set_title(
        f"{transcription.title}: {counted(len(played.notes), 'note')}{part}", fontsize=10, loc="left", pad=14
    )
    axes[-1].set_xlabel("time (s); a note ends where its key is released, louder is darker", fontsize=9)
    patches = [Patch(facecolor=color, label=name) for name, color in HANDS.values()]
    patches += [Patch(facecolor=GREY, label="sustain pedal down")] if played.pedal else []
    figure.legend(handles=patches, loc="outside lower left", ncols=len(patches), fontsize=8, frameon=False)
    return figure


def _roll_row(
    ax: Axes, played: Performance, hands: list[str], keys: tuple[int, int], span_s: tuple[float, float]
) -> None:
    """One row of the piano roll: what sounds within `span_s`."""
    low, high = keys
    for hand, (_, color) in HANDS.items():
        own = [note for note, its in zip(played.notes, hands, strict=True) if its == hand]
        chosen = [note for note in own if note.onset_s < span_s[1] and note.offset_s > span_s[0]]
        boxes = [Rectangle((n.onset_s, n.pitch - 0.45), n.offset_s - n.onset_s, 0.9) for n in chosen]
        strengths = [SOFTEST + (1 - SOFTEST) * note.velocity / 127 for note in chosen]
        collection = PatchCollection(boxes, facecolor=color, linewidth=0)
        collection.set_alpha(strengths or None)
        ax.add_collection(collection)
    for down, up in pedal_spans(played.pedal, played.end_s):
        ax.add_patch(Rectangle((down, low - 2.6), up - down, 1.3, color=GREY, linewidth=0))
    plain(ax, "", "", "key").grid(False, axis="x")
    pitch_axis(ax, low, high)
    ax.set_ylim(low - 3.2, high + 0.5)
    ax.set_xlim(*span_s)


def _number_bars(ax: Axes, bars: list[Bar]) -> None:
    """Bar lines with their numbers above the axes."""
    for number, time_s in bars:
        ax.axvline(time_s, color=GREY, alpha=0.45, linewidth=0.7, zorder=0)
        ax.annotate(str(number), (time_s, 1), (2, 1), xycoords=("data", "axes fraction"),
                    textcoords="offset points", fontsize=7, color=GREY)  # fmt: skip


def _range(notes: Sequence[Note]) -> tuple[int, int]:
    """Lowest and highest key to show: the notes' range and a semitone around it, two octaves at least."""
    pitches = [note.pitch for note in notes] or [60]
    low, high = min(pitches) - 1, max(pitches) + 1
    spare = max(0, 24 - (high - low))
    return max(LOWEST_PITCH, low - spare // 2), min(HIGHEST_PITCH, high + spare - spare // 2)


def bar_lines(piece: Piece) -> list[Bar]:
    """The bars of the score: number, and performed time of the bar line that opens it, in seconds.

    A pickup is left out: the score gives it no number.
    """
    from s2s_lib.score.musicxml.measures import QUARTER, measures

    bars = [(bar.number, bar.line / QUARTER) for bar in measures(piece) if bar.number]
    times_s = performed_times(piece, [place for _, place in bars])
    return [(number, time_s) for (number, _), time_s in zip(bars, times_s.tolist(), strict=True)]


def tempo_figure(transcription: Transcription) -> Figure:
    """The tempo from beat to beat over time, and its middle; the bar lines behind are numbered."""
    piece = transcription.to_score()
    beat = float(beat_quarters(piece.time_signature))
    first = min(note.onset_beat for note in piece.notated)
    places = np.arange(beat * (first // beat), len(piece.beats_s) - 1 + 1e-6, beat)
    times_s = performed_times(piece, places)
    tempo = 60 / np.maximum(np.diff(times_s), 1e-3)
    middle = float(np.median(tempo)) if len(tempo) else 0.0
    figure = Picture(9, 2.6, f"Tempo of {transcription.title} over time, about {middle:.0f} beats a minute")
    ax = figure.subplots()
    ax.stairs(tempo, times_s, color=BLUE, linewidth=1.4, baseline=None, label="from one beat to the next")
    ax.axhline(middle, color=VERMILION, linewidth=1, linestyle="--", label=f"the middle, {middle:.0f}")
    beats = {1.0: "quarter notes", 1.5: "dotted quarter notes", 2.0: "half notes", 0.5: "eighth notes"}
    plain(ax, f"{transcription.title}: the tempo found", "time (s)", f"{beats.get(beat, 'beats')}\na minute").grid(
        False, axis="x"
    )
    bars = bar_lines(piece)
    step = max(1, -(-len(bars) // 40))  # more numbers would run into each other
    _number_bars(ax, [bar for bar in bars if bar[1] >= 0][::step])
    slowest, fastest = np.percentile(tempo, (2, 98)) if len(tempo) else (0.0, 1.0)
    ax.set_ylim(min(0.7 * middle, 0.9 * slowest), max(1.3 * middle, 1.1 * fastest))
    ax.set_xlim(0, max(piece.performance.end_s, 1.0))
    ax.set_title(ax.get_title(loc="left"), fontsize=10, loc="left", pad=14)
    ax.legend(loc="lower left", fontsize=8, frameon=False, ncols=2)
    return figure


def score_table(transcription: Transcription) -> Table:
    """What the score says, and which of it was told beforehand."""
    piece, wished = transcription.to_score(), transcription.wishes
    told = {True: "given", False: "found"}
    hands = [notated.hand for notated in piece.notated]
    metre, key, tempo = "/".join(map(str, piece.time_signature)), key_name(piece.key), f"{piece.tempo_bpm:.0f}"
    rows = [
        ("key", key, told[wished.key is not None]),
        ("metre", metre, told[wished.time_signature is not None]),
        ("tempo (quarter notes a minute)", tempo, "found near the one given" if wished.tempo_bpm else "found"),
        ("bars", str(len(bar_lines(piece))), ""),
        ("notes", f"{len(hands)}: right hand {hands.count('R')}, left hand {hands.count('L')}", ""),
        ("pages", str(transcription.engraving.pages), ""),
    ]
    return Table(("", "in the score", ""), rows, f"{transcription.title}: what was found", text_columns=3)


def key_name(key: str) -> str:
    """'E♭ major' for "Eb", 'C♯ minor' for "C#m"."""
    tonic = key.removesuffix("m").replace("b", "♭").replace("#", "♯")
    return f"{tonic} {'minor' if key.endswith('m') else 'major'}"
