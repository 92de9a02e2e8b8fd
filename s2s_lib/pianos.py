"""Pianos: a soundfont's preset as it is, or altered so that it becomes a piano no soundfont holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from s2s_lib.config import PRESET_PROGRAMS, PianoConfig
from s2s_lib.errors import InputError
from s2s_lib.notes import PITCHES
from s2s_lib.soundfonts import Preset, Soundfont

UNEVEN_SETS = 3  # sets of strings that an uneven piano mixes


@dataclass(frozen=True)
class Reverb:
    """FluidSynth's reverb: room size, damping and level 0-1, stereo width 0-100."""

    room_size: float = 0.2
    damping: float = 0.0
    width: float = 0.5
    level: float = 0.9


@dataclass(frozen=True)
class Layer:
    """One preset that sounds: which keys' strings it takes and how loud it is.

    Key k sounds with the strings of key k + d, tuned to k, where d is one of `displacements` (semitones); with
    several of them each key takes one at random.
    """

    soundfont: Soundfont
    preset: Preset
    displacements: tuple[int, ...] = (0,)
    level_db: float = 0.0


@dataclass(frozen=True)
class Piano:
    """What plays a piece. The defaults leave a preset as its makers meant it.

    `tuning_cents` moves all keys, `detune_cents` is the standard deviation of each key's own tuning in whole cents.
    `filter_octaves` moves the cutoff of the voice filter, `decay_factor` and `release_factor` stretch the time in
    which strings ring out and dampers stop them. A key struck with velocity v sounds as one struck with
    127 * (v / 127) ** `velocity_gamma`. `seed` decides what differs from key to key.
    """

    layers: tuple[Layer, ...]
    reverb: Reverb | None = None
    tuning_cents: float = 0.0
    detune_cents: float = 0.0
    filter_octaves: float = 0.0
    decay_factor: float = 1.0
    release_factor: float = 1.0
    velocity_gamma: float = 1.0
    seed: int = 0

    @classmethod
    def plain(cls, soundfont: Soundfont, reverb: Reverb | None = None) -> Piano:
        """A soundfont's first piano preset, unaltered."""
        return cls((Layer(soundfont, soundfont.pianos[0]),), reverb)

    @property
    def soundfont(self) -> Soundfont:
        """The soundfont that it mostly sounds like."""
        return self.layers[0].soundfont

    def as_dict(self) -> dict[str, Any]:
        """All that decides the sound, ready for JSON."""
        layers = [
            {
                "soundfont": layer.soundfont.name,
                "sha256": layer.soundfont.sha256,
                "program": layer.preset.program,
                "preset": layer.preset.name,
                "displacements": list(layer.displacements),
                "level_db": layer.level_db,
            }
            for layer in self.layers
        ]
        return {
            "layers": layers,
            "reverb": asdict(self.reverb) if self.reverb else None,
            "tuning_cents": self.tuning_cents,
            "detune_cents": self.detune_cents,
            "filter_octaves": self.filter_octaves,
            "decay_factor": self.decay_factor,
            "release_factor": self.release_factor,
            "velocity_gamma": self.velocity_gamma,
            "seed": self.seed,
        }

    def strings(self) -> list[dict[tuple[int, int], list[int]]]:
        """What the 88 keys sound with, for each layer: {(displacement in semitones, own tuning in cents): keys}.

        Keys count from 0. Those whose displaced strings would lie outside the keyboard keep their own.
        """
        layers = []
        for number, layer in enumerate(self.layers):
            rng = np.random.default_rng((self.seed, number))
            chosen = rng.choice(layer.displacements, PITCHES)
            cents = np.rint(rng.standard_normal(PITCHES) * self.detune_cents)
            inside = (np.arange(PITCHES) + chosen >= 0) & (np.arange(PITCHES) + chosen < PITCHES)
            groups: dict[tuple[int, int], list[int]] = {}
            for key, pair in enumerate(
                zip(np.where(inside, chosen, 0).tolist(), cents.astype(int).tolist(), strict=True)
            ):
                groups.setdefault(pair, []).append(key)
            layers.append(groups)
        return layers


def draw_piano(rng: np.random.Generator, fonts: Sequence[Soundfont], config: PianoConfig, altered: bool) -> Piano:
    """Draws what plays a piece: soundfont, preset and reverb, and how it is altered if `altered` and the config say so.

    Soundfonts are equally likely, presets as their weights say. The same generator state gives the same piano.
    Raises InputError (usage) if no soundfont has a preset of those wanted.
    """
    able = _able(fonts, config)
    layer = _draw_layer(rng, able)
    reverb = _draw_reverb(rng) if rng.random() < config.reverb_probability else None
    if not (altered and config.randomize):
        return Piano((layer,), reverb)
    layers = [_displaced(rng, layer, config)]
    if rng.random() < config.layer_probability:
        second = _draw_layer(rng, able, level_db=_between(rng, config.layer_db))
        layers.append(_displaced(rng, second, config))

    def maybe(probability: float, value: float, otherwise: float) -> float:
        return value if rng.random() < probability else otherwise

    return Piano(
        tuple(layers),
        reverb,
        tuning_cents=maybe(config.tuning_probability, _between(rng, (-config.tuning_cents, config.tuning_cents)), 0.0),
        detune_cents=maybe(config.detune_probability, _between(rng, (0.0, config.detune_cents)), 0.0),
        filter_octaves=maybe(config.filter_probability, _between(rng, config.filter_octaves), 0.0),
        decay_factor=maybe(config.decay_probability, _factor(rng, config.decay_factor), 1.0),
        release_factor=maybe(config.release_probability, _factor(rng, config.release_factor), 1.0),
        velocity_gamma=maybe(config.velocity_probability, _factor(rng, config.velocity_gamma), 1.0),
        seed=int(rng.integers(2**31)),
    )


def preset_shares(fonts: Sequence[Soundfont], config: PianoConfig) -> list[tuple[Soundfont, Preset, float]]:
    """How likely `draw_piano` is to take each preset first; the chances add up to 1. Raises InputError as it does."""
    able = _able(fonts, config)
    return [
        (font, preset, float(share) / len(able))
        for font, presets, shares in able
        for preset, share in zip(presets, shares, strict=True)
    ]


def _able(fonts: Sequence[Soundfont], config: PianoConfig) -> list[tuple[Soundfont, list[Preset], np.ndarray]]:
    """The soundfonts with presets that are wanted, these presets, and how likely each of them is within its font."""
    weights = {PRESET_PROGRAMS[name]: weight for name, weight in config.presets.items() if weight > 0}
    able = []
    for font in fonts:
        presets = [preset for preset in font.pianos if preset.program in weights]
        if presets:
            shares = np.array([weights[preset.program] for preset in presets])
            able.append((font, presets, shares / shares.sum()))
    if not able:
        names = ", ".join(name for name, weight in config.presets.items() if weight > 0)
        looked_at = ", ".join(font.name for font in fonts)
        raise InputError(
            f"dataset.piano.presets: {looked_at or 'no soundfont'} has none of {names}; add a preset.", usage=True
        )
    return able


def _draw_layer(
    rng: np.random.Generator, able: list[tuple[Soundfont, list[Preset], np.ndarray]], level_db: float = 0.0
) -> Layer:
    font, presets, shares = able[rng.integers(len(able))]
    return Layer(font, presets[rng.choice(len(presets), p=shares)], level_db=level_db)


def _draw_reverb(rng: np.random.Generator) -> Reverb:
    room, damping, level = (round(float(value), 3) for value in rng.uniform((0.1, 0.0, 0.1), (0.9, 0.8, 0.9)))
    return Reverb(room, damping, 0.5, level)


def _displaced(rng: np.random.Generator, layer: Layer, config: PianoConfig) -> Layer:
    """The layer with strings from elsewhere on its keyboard, the same distance for all keys or not."""
    most = config.displacement_semitones
    sets = UNEVEN_SETS if rng.random() < config.uneven_probability else 1
    drawn = tuple(int(value) for value in rng.integers(-most, most + 1, sets))
    if rng.random() >= config.displacement_probability:
        return layer
    return Layer(layer.soundfont, layer.preset, drawn, layer.level_db)


def _between(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return round(float(rng.uniform(*limits)), 3)


def _factor(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """A factor between two, as likely to halve as to double."""
    return round(float(np.exp(rng.uniform(*np.log(limits)))), 3)
