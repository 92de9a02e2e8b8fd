"""The effects of augmentation as knobs that a person turns: a piece seen and heard before and after."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from IPython.display import display

from s2s_lib.augment import Effect, within_full_scale
from s2s_lib.augment.codec import Codec
from s2s_lib.augment.colour import EQ_CENTRES_HZ, Equaliser, Phone
from s2s_lib.augment.dynamics import Clipping, Gain
from s2s_lib.augment.noise import Noise
from s2s_lib.augment.room import Room
from s2s_lib.report.augmentation import log_mel, mel_panel, players
from s2s_lib.report.style import Picture
from s2s_lib.report.widgets import grid, interactive

if TYPE_CHECKING:
    from s2s_lib.data import Manifest, Sample

EXCERPT_S = 8.0
SEED = 0  # of walls and noise: they stay the same while a knob is turned
QUIET = "none"
TELEPHONE_HZ = (300.0, 3400.0)  # ITU-T G.712


@dataclass(frozen=True)
class Knobs:
    """How far each knob is turned; the defaults leave the sound as it is.

    bass_db and treble_db are the equaliser's, room_s the room's decay over 60 dB (0: no room) and direct_db how much
    louder than its reverberation the piano itself is. noise is a kind or "none", at snr_db. overdrive_db is how far
    the peaks are beyond the limit, level_db a change of level. tuning_cents raises the pitch as a tape that runs
    faster does, mp3_kbps is a bit rate (0: not coded).
    """

    bass_db: float = 0.0
    treble_db: float = 0.0
    room_s: float = 0.0
    direct_db: float = 6.0
    noise: str = QUIET
    snr_db: float = 25.0
    overdrive_db: float = 0.0
    level_db: float = 0.0
    tuning_cents: float = 0.0
    mp3_kbps: int = 0
    telephone: bool = False


PRESETS = {
    "as it was": Knobs(),
    "a phone in a living room": Knobs(bass_db=-6, treble_db=2, room_s=0.6, direct_db=3, noise="pink", snr_db=25),
    "the back of a church": Knobs(treble_db=-3, room_s=3.0, direct_db=-3, level_db=-6),
    "an old tape": Knobs(tuning_cents=-30, bass_db=-4, treble_db=-10, noise="hiss", snr_db=20, overdrive_db=4),
    "down the telephone": Knobs(telephone=True, noise="hum", snr_db=30, mp3_kbps=16),
}
SHOWN = "a phone in a living room"  # in a report, where nothing can be turned
SLIDERS = {
    "tuning_cents": ("tuning (cents)", -50, 50, 1),
    "bass_db": ("bass (dB)", -18, 18, 1),
    "treble_db": ("treble (dB)", -18, 18, 1),
    "room_s": ("room, decay (s)", 0.0, 4.0, 0.1),
    "direct_db": ("direct sound (dB)", -6, 20, 1),
    "snr_db": ("signal/noise (dB)", 0, 60, 1),
    "overdrive_db": ("overdrive (dB)", 0, 20, 1),
    "level_db": ("level (dB)", -40, 12, 1),
}
NOISES = (QUIET, "white", "pink", "hum", "hiss")
RATES_KBPS = (0, 16, 32, 64, 128)


def effects_of(knobs: Knobs) -> list[Effect]:
    """The effects of the knobs that are turned, in the order in which a recording meets them."""
    found: list[Effect] = []
    if knobs.bass_db or knobs.treble_db:
        weights = np.interp(np.log(EQ_CENTRES_HZ), np.log([150, 1000, 4500]), [-1, 0, 1])
        gains = np.where(weights < 0, -weights * knobs.bass_db, weights * knobs.treble_db)
        found.append(Equaliser(tuple((gains + 0.0).tolist())))  # no -0
    if knobs.room_s:
        found.append(Room(knobs.room_s, knobs.direct_db, SEED))
    if knobs.noise != QUIET:
        found.append(Noise(knobs.noise, knobs.snr_db, SEED))
    if knobs.overdrive_db:
        found.append(Clipping(knobs.overdrive_db, soft=True))
    if knobs.level_db:
        found.append(Gain(knobs.level_db))
    if knobs.telephone:
        found.append(Phone(*TELEPHONE_HZ))
    if knobs.mp3_kbps:
        found.append(Codec("mp3", knobs.mp3_kbps))
    return found


def turned(waveform: np.ndarray, sample_rate: int, knobs: Knobs) -> np.ndarray:
    """A waveform (samples,) with the knobs turned, within full scale; another tuning makes it shorter or longer."""
    if knobs.tuning_cents:
        waveform = soxr.resample(waveform, sample_rate * 2 ** (knobs.tuning_cents / 1200), sample_rate)
    for effect in effects_of(knobs):
        waveform = effect.apply(waveform, sample_rate)
    return within_full_scale(waveform)


def described(knobs: Knobs) -> str:
    """What was turned, in words: 'bass -6 dB; room, 0.6 s, direct +3 dB; pink noise, SNR 25 dB'."""
    words = [f"tuning {knobs.tuning_cents:+.0f} cents"] if knobs.tuning_cents else []
    words += [f"{name} {gain:+.0f} dB" for name, gain in (("bass", knobs.bass_db), ("treble", knobs.treble_db)) if gain]
    words += [str(effect) for effect in effects_of(knobs) if not isinstance(effect, Equaliser)]  # whose knobs those are
    return "; ".join(words) or "nothing is turned"


def knobs_figure(before: np.ndarray, sample_rate: int, knobs: Knobs, title: str) -> Picture:
    """Log-mel spectrograms of a sound before and after."""
    after = turned(before, sample_rate, knobs)
    picture = Picture(11, 3.0, f"Log-mel spectrograms of {title} before and after: {described(knobs)}")
    axes = picture.subplots(1, 2, sharex=True, sharey=True)
    loudest = log_mel(before, sample_rate).max()
    mel_panel(axes[0], before, sample_rate, loudest, f"{title}: before", 9)
    image = mel_panel(axes[1], after, sample_rate, loudest, textwrap.fill(f"After: {described(knobs)}", 72), 9)
    axes[0].set_ylabel("frequency (Hz)", fontsize=9)
    for ax in axes:
        ax.set_xlabel("time (s)", fontsize=9)
        ax.set_facecolor("black")  # as silence, where the other one is longer
    bar = picture.colorbar(image, ax=axes, fraction=0.02, pad=0.01)
    bar.set_label("dB of the loudest before", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return picture


def turn_knobs(manifest: Manifest) -> Desk | None:
    """A desk with a slider per effect over a split's pieces in JupyterLab; in a report one piece with one setting.

    Nothing for pieces without audio.
    """
    samples = [sample for sample in manifest.samples if sample.audio is not None]
    if not samples:
        return None
    if interactive():
        desk = Desk(samples)
        desk.show()
        return desk
    show_turned(samples[0], 0.0, PRESETS[SHOWN])
    return None


def show_turned(sample: Sample, start_s: float, knobs: Knobs) -> None:
    """Figure and players of an excerpt of a piece before and after."""
    rate = sample.sample_rate
    first = round(start_s * rate)
    before = sample.waveform()[first : first + round(EXCERPT_S * rate)]
    display(knobs_figure(before, rate, knobs, sample.id))
    sounds = [("Before", before), (f"After: {described(knobs)}", turned(before, rate, knobs))]
    display(players(sounds, rate, EXCERPT_S))


class Desk:
    """Widgets over `show_turned`: a menu of the pieces, one of settings that go together, and a knob per effect."""

    def __init__(self, samples: Sequence[Sample]):
        import ipywidgets

        self._samples, self._setting = samples, False
        self.piece = ipywidgets.Dropdown(options=[(s.id, i) for i, s in enumerate(samples)], description="piece")
        self.start = ipywidgets.FloatSlider(
            0, min=0, max=1, step=1, description="from (s)", continuous_update=False, readout_format=".0f"
        )
        self.preset = ipywidgets.Dropdown(options=list(PRESETS), description="setting")
        self.knobs: dict[str, Any] = {
            name: ipywidgets.FloatSlider(
                getattr(Knobs(), name),
                min=low,
                max=high,
                step=step,
                description=text,
                continuous_update=False,
                readout_format=".1f" if step < 1 else ".0f",
            )
            for name, (text, low, high, step) in SLIDERS.items()
        }
        self.knobs["noise"] = ipywidgets.Dropdown(options=NOISES, description="noise")
        rates = [("not coded" if not rate else f"{rate} kbit/s", rate) for rate in RATES_KBPS]
        self.knobs["mp3_kbps"] = ipywidgets.Dropdown(options=rates, description="MP3")
        self.knobs["telephone"] = ipywidgets.Checkbox(False, description="telephone")
        self.output = ipywidgets.Output()
        self._limit_start()
        self.piece.observe(self._other_piece, names="value")
        self.preset.observe(self._preset_chosen, names="value")
        self.start.observe(lambda _: self.draw(), names="value")
        for widget in self.knobs.values():
            widget.observe(self._knob_turned, names="value")

    def show(self) -> None:
        """Displays the desk."""
        import ipywidgets

        above = ipywidgets.HBox([self.piece, self.start, self.preset], layout={"flex_flow": "row wrap"})
        knobs = grid([self.knobs[field.name] for field in fields(Knobs)])
        display(ipywidgets.VBox([above, knobs, self.output]))
        self.draw()

    def turned_to(self) -> Knobs:
        """How the knobs stand."""
        return replace(Knobs(), **{name: widget.value for name, widget in self.knobs.items()})

    def draw(self) -> None:
        """Shows and plays the piece as the knobs stand."""
        if self._setting:
            return
        stand = self.turned_to()
        self.knobs["direct_db"].disabled = not stand.room_s  # there is nothing for it to stand out from
        self.knobs["snr_db"].disabled = stand.noise == QUIET
        with self.output:
            self.output.clear_output(wait=True)
            show_turned(self._samples[self.piece.value], self.start.value, stand)

    def _other_piece(self, _: Any) -> None:
        self._setting = True
        self._limit_start()
        self._setting = False
        self.draw()

    def _limit_start(self) -> None:
        sample = self._samples[self.piece.value]
        self.start.value, self.start.max = 0.0, max(0.0, sample.duration_s - EXCERPT_S)
        self.start.disabled = self.start.max == 0

    def _knob_turned(self, _: Any) -> None:
        """What is heard is none of the settings in the menu any more."""
        if not self._setting:
            self.preset.value = None
            self.draw()

    def _preset_chosen(self, change: Any) -> None:
        """Turns all knobs at once, and draws once."""
        if change["new"] is None:
            return
        self._setting = True
        for name, widget in self.knobs.items():
            widget.value = getattr(PRESETS[change["new"]], name)
        self._setting = False
        self.draw()
