"""The parameters of one imagined piano and the curves over its keyboard that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, PITCHES

TUNING_FORK = 69  # A4 is what the other keys are tuned from


@dataclass(frozen=True)
class StringModel:
    """One piano. Everything that differs from key to key or partial to partial at random comes from `seed`.

    Inharmonicity and tuning are those of Rigaud, David and Daudet, "A parametric model and estimation techniques for
    the inharmonicity and tuning of the piano", JASA 133(5), 2013.
    """

    seed: int
    # strings: log B(key) follows a bass and a treble asymptote a + b * key
    bass_stiffness: float  # a of the wound strings
    bass_stiffness_slope: float  # b, per key
    treble_stiffness: float
    treble_stiffness_slope: float
    octave_type: float  # kappa: how far up the partials that octaves are tuned by lie in the bass
    tuning_error_cents: float  # of single keys, standard deviation
    unison_cents: float  # between the strings of one key, standard deviation
    first_pair: int  # lowest key with two strings
    first_triple: int  # lowest key with three strings
    # hammer
    strike_bass: float  # striking point as a share of the string's length at the lowest key
    strike_treble: float  # and at the highest
    strike_depth: float  # 0-1: how deep the notches of the striking point are
    hammer_hz: float  # cut-off of the felt's low-pass at C4 and velocity 80, about 0.7 / contact time
    hammer_key_slope: float  # octaves of cut-off per octave of key
    hammer_velocity: float  # exponent of velocity in the cut-off
    hammer_order: float  # of the low-pass; 6 dB per octave each
    una_corda: float  # 0-1: how much one string of each key is spared
    attack_ms: float  # rise at C4 and velocity 80
    # decay
    bass_t60_s: float  # of the aftersound's low partials at the lowest key
    t60_slope: float  # octaves of decay time lost per octave of key
    top_t60_slope: float  # the same in addition above C6
    loss_hz: float  # where the string's own damping is twice that of low frequencies
    loss_order: float  # how fast damping grows with frequency
    coupling: float  # rate of the prompt sound over that of the aftersound, three strings, C4
    coupling_slope: float  # octaves of the bridge's admittance, relative to the aftersound's rate, per octave of key
    coupling_spread: float  # of the bridge's admittance from partial to partial, standard deviation of its log
    # body
    body_modes: int
    body_q: float
    body_depth: float  # 0-1: how much the modes colour
    rise_cycles: float  # time constant in which the soundboard answers a partial, in its periods
    partial_spread_db: float  # of single partials, standard deviation
    body_low_hz: float  # below this the soundboard radiates badly
    body_high_hz: float  # above this too
    body_high_order: float
    knock_db: float  # of the soundboard's thump against the strings, C4
    knock_slope_db: float  # per octave of key
    knock_hz: float  # cut-off of the thump, velocity 80
    noise_db: float  # of the action's noise against the strings, C4
    noise_ms: float  # in which it falls by 60 dB
    # level and damper
    tilt_db: float  # level per octave of key
    top_tilt_db: float  # the same in addition above C6
    level_spread_db: float  # of single keys, standard deviation
    velocity_db: float  # range of level that velocity commands; 96 is level ~ velocity^2
    damper_bass_s: float  # time in which a damper silences the lowest key by 60 dB
    damper_treble_s: float  # and the highest damped key
    last_damper: int  # highest key with a damper


# lowest, highest value; the third tells whether it is drawn on a logarithmic scale
RANGES: dict[str, tuple[float, float, bool]] = {
    "bass_stiffness": (-6.6, -4.9, False),  # long concert grands to small uprights
    "bass_stiffness_slope": (-0.095, -0.075, False),
    "treble_stiffness": (-14.1, -13.2, False),
    "treble_stiffness_slope": (0.090, 0.095, False),
    "octave_type": (0.3, 2.4, False),
    "tuning_error_cents": (0.2, 2.5, True),
    "unison_cents": (0.2, 1.6, True),
    "first_pair": (26, 34, False),
    "first_triple": (38, 52, False),
    "strike_bass": (0.105, 0.145, False),
    "strike_treble": (0.05, 0.095, False),
    "strike_depth": (0.5, 1.0, False),
    "hammer_hz": (450.0, 2800.0, True),
    "hammer_key_slope": (0.25, 0.5, False),
    "hammer_velocity": (0.5, 1.3, False),
    "hammer_order": (1.6, 3.2, False),
    "attack_ms": (1.0, 3.0, True),
    "bass_t60_s": (14.0, 40.0, True),
    "t60_slope": (0.15, 0.38, False),
    "top_t60_slope": (0.2, 0.8, False),
    "loss_hz": (1500.0, 7000.0, True),
    "loss_order": (0.8, 1.6, False),
    "coupling": (1.6, 5.0, True),
    "coupling_slope": (0.0, 0.6, False),
    "coupling_spread": (0.2, 0.7, False),
    "body_modes": (40, 120, False),
    "body_q": (6.0, 30.0, True),
    "body_depth": (0.3, 1.0, False),
    "rise_cycles": (0.3, 2.5, True),
    "partial_spread_db": (1.0, 4.5, False),
    "body_low_hz": (50.0, 140.0, True),
    "body_high_hz": (2000.0, 8000.0, True),
    "body_high_order": (0.3, 1.4, False),
    "knock_db": (-36.0, -14.0, False),
    "knock_slope_db": (0.5, 5.0, False),
    "knock_hz": (250.0, 1500.0, True),
    "noise_db": (-46.0, -24.0, False),
    "noise_ms": (15.0, 300.0, True),
    "tilt_db": (-1.0, 0.7, False),
    "top_tilt_db": (-4.0, 0.0, False),
    "level_spread_db": (0.3, 1.8, False),
    "velocity_db": (80.0, 100.0, False),
    "damper_bass_s": (0.25, 0.9, True),
    "damper_treble_s": (0.08, 0.25, True),
    "last_damper": (86, 92, False),
}
WHOLE = {"first_pair", "first_triple", "body_modes", "last_damper"}
HONKY_TONK = 0.08  # share of models whose unisons have gone out of tune ...
HONKY_TONK_CENTS = (3.0, 9.0)  # ... by this much
UNA_CORDA = 0.12  # share of models that are played with the left pedal down


def draw_strings(rng: np.random.Generator) -> StringModel:
    """A piano at random: each parameter within what instruments have been measured to have, and a bit beyond."""
    values: dict[str, float] = {}
    for name, (low, high, logarithmic) in RANGES.items():
        if name in WHOLE:
            values[name] = int(rng.integers(int(low), int(high) + 1))
        elif logarithmic:
            values[name] = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        else:
            values[name] = float(rng.uniform(low, high))
    if rng.random() < HONKY_TONK:
        values["unison_cents"] = float(rng.uniform(*HONKY_TONK_CENTS))
    values["una_corda"] = float(rng.uniform(0.3, 1.0)) if rng.random() < UNA_CORDA else 0.0
    return StringModel(seed=int(rng.integers(2**31)), **values)  # type: ignore[arg-type]


def inharmonicity(model: StringModel, key: np.ndarray) -> np.ndarray:
    """B of partial frequencies n * f0 * sqrt(1 + B n^2) for MIDI pitches `key`."""
    bass = np.exp(model.bass_stiffness + model.bass_stiffness_slope * key)
    treble = np.exp(model.treble_stiffness + model.treble_stiffness_slope * key)
    return bass + treble


def tuning_cents(model: StringModel) -> np.ndarray:
    """Stretch of the 88 keys' first partials against equal temperament, in cents, shape (88,).

    Octaves are tuned so that partial 2r of the lower key meets partial r of the upper one, r falling from about
    1 + kappa in the bass to 1 in the treble; between the octaves of A4 it is
    interpolated, and each key errs a little at random.
    """
    a = np.arange(LOWEST_PITCH, HIGHEST_PITCH + 12, 12)
    rank = 1 + model.octave_type / 2 * (1 - np.tanh((a - 60) / 24))
    stiffness = inharmonicity(model, a)
    low, high, r = stiffness[:-1], stiffness[1:], rank[:-1]
    meeting = (1 + 4 * r**2 * low) / (1 + r**2 * high)
    octaves = 600 * np.log2(meeting * (1 + high) / (1 + low))  # of first partials, which are a bit above f0
    stretch = np.concatenate([[0.0], np.cumsum(octaves)])
    curve = PchipInterpolator(a, stretch - stretch[a == TUNING_FORK])(np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1))
    return curve + model.tuning_error_cents * key_rng(model, 0).standard_normal(PITCHES)


def strike_point(model: StringModel, key: int) -> float:
    """Where the hammer hits, as a share of the string's length."""
    return model.strike_bass + (model.strike_treble - model.strike_bass) * (key - LOWEST_PITCH) / (PITCHES - 1)


def aftersound_rate(model: StringModel, key: int) -> float:
    """Decay of the low partials' aftersound, in 1/s: ln(1000) / T60."""
    lost = model.t60_slope * (key - LOWEST_PITCH) / 12 + model.top_t60_slope * max(0.0, (key - 84) / 12)
    return float(np.log(1000) / model.bass_t60_s * 2.0**lost)


def level_db(model: StringModel, key: int) -> float:
    """Level of a key against C4 at the same velocity."""
    error = model.level_spread_db * key_rng(model, 2).standard_normal(PITCHES)[key - LOWEST_PITCH]
    return float(model.tilt_db * (key - 60) / 12 + model.top_tilt_db * max(0.0, (key - 84) / 12) + error)


def damper_s(model: StringModel, key: int) -> float | None:
    """Time in which the damper silences a key by 60 dB, none where there is no damper."""
    if key > model.last_damper:
        return None
    share = (key - LOWEST_PITCH) / (model.last_damper - LOWEST_PITCH)
    return model.damper_bass_s ** (1 - share) * model.damper_treble_s**share


def key_rng(model: StringModel, key: int) -> np.random.Generator:
    """The model's own randomness for one key (0 to 2: what concerns the whole instrument)."""
    return np.random.default_rng([model.seed, key])
