"""What variation does to the music and augmentation to the sound: to see and to hear, before and after."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import librosa
import numpy as np
from IPython.display import HTML, display
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from scipy.signal import spectrogram

from s2s_lib.augment import EFFECTS, Effect, within_full_scale
from s2s_lib.config import AugmentationConfig, Config, VariationConfig
from s2s_lib.config.variation import PEDAL_DOWN
from s2s_lib.notes import Performance, Piece
from s2s_lib.report.players import player, resynthesise
from s2s_lib.report.style import BLUE, GREY, ORANGE, Picture, pitch_axis, plain
from s2s_lib.variation import VARIATIONS, Limits, chords

if TYPE_CHECKING:
    from s2s_lib.data import Sample

EXCERPT_S = 2.0  # seen and heard of each effect: enough for a few notes, small in a report
ZOOM_S = 0.3  # on either side of a chord whose keys come apart
ACROSS = 5  # effects in a row, beside the sound before
DRAWS = 3  # the most audible of so many is shown
MEL_BANDS, MEL_WINDOW_S, MEL_STEP_S = 48, 0.064, 0.02
RANGE_DB, COLOURS = 80.0, 16  # few colours keep the picture's file small
NAMES = {
    "transpose": "another key", "tempo": "another tempo", "velocity": "another dynamic curve",
    "chord_jitter": "chords struck less together", "pedal_added": "pedal added", "pedal_removed": "pedal left out",
    "pedal_half": "half-pedalled",
}  # fmt: skip


def augmentation_demo(sample: Sample, config: Config, seed: int = 0) -> None:
    """Shows every variation and every effect of the config on one sample: a figure each, and players.

    A sample without audio shows the variations alone.
    """
    dataset, settings = config.dataset, config.audio.augmentation
    piece = Piece(excerpt(sample.performance()), key=sample.key, tempo_bpm=sample.tempo_bpm)
    varied = variations(piece, dataset.variation, (dataset.min_duration, dataset.max_duration), seed)
    display(variation_figure(varied, dataset.variation))
    if sample.audio is None:
        return
    heard = [("As it was", piece)]
    heard += [(title(*change), change[2]) for change in varied if change[0] != "pedal_half"]  # it sounds the same
    rate = sample.sample_rate
    display(players([(text, resynthesise(played.performance, rate)) for text, played in heard], rate))
    first = sample.performance().notes[0].onset_s if sample.notes else 0.0
    start = round(max(0.0, first - 0.1) * rate)
    before = sample.waveform()[start : start + round(EXCERPT_S * rate)]
    drawn = effects(before, rate, settings, seed)
    display(augmentation_figure(before, rate, drawn, settings))
    sounds = [(capital(effect), within_full_scale(effect.apply(before, rate))) for _, effect in drawn]
    display(players([("Before", before), *sounds], rate))


def excerpt(performance: Performance, seconds: float = EXCERPT_S) -> Performance:
    """The first seconds of a performance, from just before its first note; notes end with them."""
    first = performance.notes[0].onset_s if performance.notes else 0.0
    moved = performance.shifted(min(0.0, 0.1 - first))
    notes = [replace(n, offset_s=min(n.offset_s, seconds)) for n in moved.notes if n.onset_s < seconds - 0.05]
    down = [event for event in moved.pedal if event.time_s < 0][-1:]  # how the pedal stood
    pedal = [*(replace(event, time_s=0.0) for event in down), *(e for e in moved.pedal if 0 <= e.time_s < seconds)]
    return Performance(tuple(notes), tuple(pedal))


def variations(piece: Piece, settings: VariationConfig, limits: Limits, seed: int) -> list[tuple[str, Piece, Piece]]:
    """(name, before, after) for each variation; pedal is taken out before it is added, and added before it goes."""
    bare = replace(piece, performance=replace(piece.performance, pedal=()))
    end_s = piece.performance.end_s
    tempo_limits = (min(limits[0], end_s / settings.tempo_factor[1]), max(limits[1], end_s / settings.tempo_factor[0]))
    shown = []
    for name, variation in VARIATIONS.items():
        rng = np.random.default_rng((seed, len(shown)))
        before = bare if name == "pedal_added" else piece
        if name in ("pedal_removed", "pedal_half") and not piece.performance.pedal:
            before = VARIATIONS["pedal_added"](rng, bare, settings, limits)
        shown.append((name, before, variation(rng, before, settings, tempo_limits)))
    return shown


def title(name: str, before: Piece, after: Piece) -> str:
    """What a variation did, in words and numbers."""
    old, new = before.performance, after.performance
    detail = ""
    if name == "transpose" and old.notes:
        steps = round(np.mean([n.pitch for n in new.notes]) - np.mean([n.pitch for n in old.notes]))
        keys = f", {before.key} to {after.key}" if before.key else ""
        detail = f", {steps:+d} semitones{keys}"
    elif name == "tempo" and old.end_s:
        detail = f", {100 * old.end_s / new.end_s:.0f}% as fast"
    elif name == "velocity" and old.notes:
        change = np.mean([n.velocity for n in new.notes]) - np.mean([n.velocity for n in old.notes])
        detail = f", {change:+.0f} steps on average"
    elif name == "chord_jitter" and old.notes:
        struck = {(n.pitch, n.offset_s): n.onset_s for n in old.notes}  # releases stay
        moved = max(abs(n.onset_s - struck[n.pitch, n.offset_s]) for n in new.notes)
        detail = f" by up to {1000 * moved:.0f} ms"
    text = NAMES[name] + detail
    return text[0].upper() + text[1:]


def variation_figure(varied: list[tuple[str, Piece, Piece]], settings: VariationConfig) -> Picture:
    """What `variations` gave, a panel each: before in grey or as outlines, after in blue."""
    rows = -(-len(varied) // 2)
    off = "" if settings.enabled else " (variation is off in this run)"
    picture = Picture(10, 1.65 * rows + 0.4, "Each variation of the music before and after" + off)
    axes = picture.subplots(rows, 2).ravel()
    for ax, (name, before, after) in zip(axes, varied, strict=False):
        share = getattr(settings, f"{name}_probability")
        plain(ax, f"{title(name, before, after)} ({share:.0%} of pieces)", "time (s)")
        panel = _velocities if name == "velocity" else _pedals if name.startswith("pedal") else _rolls
        panel(ax, before.performance, after.performance)
        if name == "chord_jitter":
            _zoom(ax, before.performance, after.performance)
    for ax in axes[len(varied) :]:
        ax.set_axis_off()
        handles = [Patch(facecolor="none", edgecolor=GREY, label="before"), Patch(facecolor=BLUE, label="after")]
        ax.legend(handles=handles, loc="center", fontsize=10, frameon=False, title="Variation of the music" + off)
    return picture


def _rolls(ax: Axes, before: Performance, after: Performance) -> None:
    pitches = [n.pitch for n in (*before.notes, *after.notes)] or [60]
    tall = max(0.9, 0.04 * np.ptp(pitches))  # still seen where few keys are spread far
    for played, look in (
        (after, {"facecolor": BLUE, "alpha": 0.75}),
        (before, {"facecolor": "none", "edgecolor": GREY}),
    ):
        for n in played.notes:
            ax.add_patch(Rectangle((n.onset_s, n.pitch - tall / 2), n.offset_s - n.onset_s, tall, linewidth=1, **look))
    pitch_axis(ax, min(pitches) - 2, max(pitches) + 2)
    ax.set_xlim(0, max(before.end_s, after.end_s, 0.1) * 1.02)
    ax.set_ylabel("key", fontsize=9)


def _zoom(ax: Axes, before: Performance, after: Performance) -> None:
    """To the chord of most keys."""
    biggest = max(chords(before.notes), key=len, default=[])
    if len(biggest) < 2:
        return
    centre = biggest[0].onset_s
    ax.set_xlim(centre - ZOOM_S / 3, centre + ZOOM_S)
    pitches = [n.pitch for n in (*before.notes, *after.notes) if abs(n.onset_s - centre) < ZOOM_S / 3]
    pitch_axis(ax, min(pitches) - 2, max(pitches) + 2)


def _velocities(ax: Axes, before: Performance, after: Performance) -> None:
    for old, new in zip(before.notes, after.notes, strict=True):
        ax.plot([old.onset_s, new.onset_s], [old.velocity, new.velocity], color=GREY, linewidth=0.8, zorder=1)
    ax.plot([n.onset_s for n in before.notes], [n.velocity for n in before.notes], "o", mfc="white", mec=GREY)
    ax.plot([n.onset_s for n in after.notes], [n.velocity for n in after.notes], "o", color=BLUE)
    ax.set_ylim(0, 128)
    ax.set_ylabel("velocity", fontsize=9)


def _pedals(ax: Axes, before: Performance, after: Performance) -> None:
    end_s = max(before.end_s, 0.1)
    for played, color, style, width in ((before, GREY, "--", 1.2), (after, BLUE, "-", 1.8)):
        times = [0.0, *(event.time_s for event in played.pedal), end_s]
        values = [0, *(event.value for event in played.pedal)]
        ax.step(times, [*values, values[-1]], where="post", color=color, linestyle=style, linewidth=width)
    ax.axhline(PEDAL_DOWN, color=ORANGE, linewidth=1)
    ax.set_yticks([0, PEDAL_DOWN, 127], ["0", f"down {PEDAL_DOWN}", "127"])
    ax.set_ylim(-4, 132)
    ax.set_xlim(0, end_s * 1.02)
    ax.set_ylabel("pedal", fontsize=9)


def effects(before: np.ndarray, sample_rate: int, settings: AugmentationConfig, seed: int) -> list[tuple[str, Effect]]:
    """Every effect, and every kind of noise, room and codec that the settings allow, each with its name.

    Of three draws the one that changes the log-mel spectrogram most, since many draws are meant to be hardly heard.
    """
    drawn = []
    plain_mel = log_mel(before, sample_rate)

    def change(effect: Effect) -> float:
        mel = log_mel(within_full_scale(effect.apply(before, sample_rate)), sample_rate)
        seen = np.maximum(mel, plain_mel) > plain_mel.max() - RANGE_DB
        return float(np.abs(mel - plain_mel)[seen].sum())

    for name, choice in _choices(settings):
        rng, chosen = np.random.default_rng((seed, len(drawn))), settings.model_copy(update=choice)
        drawn.append((name, max((EFFECTS[name](rng, chosen) for _ in range(DRAWS)), key=change)))
    return drawn


def _choices(settings: AugmentationConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each effect's name with the settings that choose one kind of it."""
    synthetic: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "reverb": lambda: [{"reverb_dir_share": 0.0}],
        "noise": lambda: [
            {"noise_kinds": {k: 1.0}, "noise_dir_share": 0.0} for k, w in settings.noise_kinds.items() if w
        ],
        "codec": lambda: [{"codec_formats": {k: 1.0}} for k, w in settings.codec_formats.items() if w],
    }
    for name in EFFECTS:
        for choice in synthetic.get(name, lambda: [{}])():
            yield name, choice
        if getattr(settings, f"{name}_dir", None) is not None:
            yield name, {f"{name}_dir_share": 1.0}


def augmentation_figure(
    before: np.ndarray, sample_rate: int, drawn: list[tuple[str, Effect]], settings: AugmentationConfig
) -> Picture:
    """Log-mel spectrograms: each row begins with the sound before and goes on with it after one effect each."""
    rows = -(-len(drawn) // ACROSS)
    off = "" if settings.enabled else " (augmentation is off in this run)"
    picture = Picture(12, 1.55 * rows + 0.4, f"Log-mel spectrograms before and after {len(drawn)} effects" + off)
    axes = picture.subplots(rows, ACROSS + 1, sharex=True, sharey=True, squeeze=False)
    loudest = log_mel(before, sample_rate).max()
    for row in range(rows):
        mel_panel(axes[row, 0], before, sample_rate, loudest, "Before")
        axes[row, 0].set_ylabel("Hz", fontsize=8)
        for column in range(ACROSS):
            ax, place = axes[row, column + 1], row * ACROSS + column
            if place >= len(drawn):
                ax.set_axis_off()
                continue
            name, effect = drawn[place]
            share = getattr(settings, f"{name}_probability") * (1 - settings.clean_probability)
            after = within_full_scale(effect.apply(before, sample_rate))
            image = mel_panel(ax, after, sample_rate, loudest, f"{capital(effect)}\n{share:.0%} of windows")
    for ax in axes[-1]:
        ax.set_xlabel("time (s)", fontsize=8)
    bar = picture.colorbar(image, ax=axes, fraction=0.02, pad=0.01)
    bar.set_label("dB of the loudest before" + off, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return picture


def capital(effect: Effect) -> str:
    """An effect's name and settings with a capital letter."""
    text = str(effect)
    return text[0].upper() + text[1:]


def log_mel(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Power in dB, (MEL_BANDS, frames)."""
    size, step = round(MEL_WINDOW_S * sample_rate), round(MEL_STEP_S * sample_rate)
    power = spectrogram(waveform, sample_rate, "hann", size, size - step, mode="psd")[2]
    return 10 * np.log10(_mel_bank(sample_rate, size) @ power + 1e-14)


@functools.lru_cache(maxsize=4)
def _mel_bank(sample_rate: int, size: int) -> np.ndarray:
    return librosa.filters.mel(sr=sample_rate, n_fft=size, n_mels=MEL_BANDS, fmin=30.0)


def mel_panel(ax: Axes, waveform: np.ndarray, sample_rate: int, loudest: float, text: str, fontsize: float = 7) -> Any:
    """Draws a sound's log-mel spectrogram in dB below `loudest`, under a title; returns the image."""
    image = ax.imshow(
        log_mel(waveform, sample_rate) - loudest, origin="lower", aspect="auto", vmin=-RANGE_DB, vmax=0,
        cmap=colormaps["magma"].resampled(COLOURS),
        extent=(0, len(waveform) / sample_rate, 0, MEL_BANDS), interpolation="nearest",
    )  # fmt: skip
    ax.set_title(text, fontsize=fontsize, loc="left")
    centres = librosa.mel_frequencies(MEL_BANDS + 2, fmin=30.0, fmax=sample_rate / 2)[1:-1]
    named = [hertz for hertz in (200, 1000, 4000, 16000) if hertz < centres[-1]]
    ax.set_yticks([float(np.interp(hertz, centres, np.arange(MEL_BANDS) + 0.5)) for hertz in named], map(str, named))
    ax.tick_params(labelsize=7)
    return image


def players(sounds: list[tuple[str, np.ndarray]], sample_rate: int, seconds: float = EXCERPT_S) -> HTML:
    """Short players side by side, each under its name, of at most so many seconds."""
    cells = "".join(
        f'<div style="width:19em">{player(sound[: round(seconds * sample_rate)], sample_rate, label=text).data}</div>'
        for text, sound in sounds
    )
    return HTML(f'<div style="display:flex;flex-wrap:wrap;gap:0.3em 1em;font-size:85%">{cells}</div>')
