"""The sound of one key: damped oscillations of coupled strings, heard through hammer and soundboard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2s_lib.strings.model import StringModel, aftersound_rate, inharmonicity, key_rng, strike_point

BANDWIDTH = 0.31  # of the sample rate: above a third, the synthesizer's 4-point interpolation dulls and folds
MOST_PARTIALS = 140
C4 = 60
MIDDLE_VELOCITY = 80
LEVEL_WINDOW_S = 0.03
POLARISATION = 0.25  # how much of its horizontal swinging a single string passes to the bridge
KNOCK_RISE_S = 0.004
ACTION_S = 0.001  # from noteon to the string
LONGEST_TRAVEL_S = 0.003  # in the bass, waves of the stiff string's high partials arrive first
LONGEST_RISE_S = 0.008  # of the soundboard's answer
UNEVEN_STRIKE = 0.12  # how differently a hammer moves the strings of a key; what differs becomes aftersound
UNEVEN_DETUNING = 0.5  # of partials, since strings and their ends differ: standard deviation over that of the key
LOUDEST_KNOCK_DB = -8.0  # against the strings
SPARED = 0.9  # the string beside a shifted hammer moves with a tenth of the others' amplitude


@dataclass(frozen=True)
class Body:
    """Modes of the soundboard: frequencies and decay rates (Hz, 1/s), and gains with random signs, shape (modes,)."""

    frequency: np.ndarray
    rate: np.ndarray
    gain: np.ndarray


def draw_body(model: StringModel) -> Body:
    """Modes spread evenly over log frequency from 45 Hz to 9 kHz."""
    rng = key_rng(model, 1)
    count = model.body_modes
    frequency = 45.0 * 200.0 ** ((np.arange(count) + rng.uniform(-0.5, 0.5, count)) / (count - 1))
    quality = model.body_q * np.exp(rng.normal(0, 0.3, count))
    return Body(frequency, np.pi * frequency / quality, rng.normal(0, 1, count) + 0.3)


def body_response(model: StringModel, body: Body, frequency: np.ndarray) -> np.ndarray:
    """Complex response of the soundboard at `frequency` (Hz), any shape; about 1 where it radiates well."""
    pole, f = 1j * body.frequency - body.rate / (2 * np.pi), frequency[..., None]
    modes = (body.gain * (body.rate / np.pi) * f / (pole**2 + f**2)).sum(-1)
    magnitude = np.abs(modes) + 0.1
    coloured = magnitude**model.body_depth * np.exp(1j * np.angle(modes))
    low = 1 / (1 + (model.body_low_hz / frequency) ** 4) ** 0.5
    high = 1 / (1 + (frequency / model.body_high_hz) ** 2) ** (model.body_high_order / 2)
    return coloured * low * high


def partial_frequencies(model: StringModel, key: int, first_hz: float, limit_hz: float) -> np.ndarray:
    """Partials of a stiff string below `limit_hz` whose first lies at `first_hz`."""
    n = np.arange(1, MOST_PARTIALS + 1)
    stiffness = inharmonicity(model, np.asarray(float(key)))
    frequency = first_hz * n * np.sqrt((1 + stiffness * n**2) / (1 + stiffness))
    return frequency[frequency < limit_hz]


def hammer(model: StringModel, key: int, velocity: int, frequency: np.ndarray) -> np.ndarray:
    """Amplitudes that the hammer gives to the partials: striking point times felt, shape of `frequency`.

    The n-th partial's force on the bridge is as sin(n pi x0), x0 the striking point; the time that the felt stays on
    the string acts as a low-pass that opens with velocity and towards the treble.
    """
    n = np.arange(1, len(frequency) + 1)
    x0 = strike_point(model, key)
    comb = np.sqrt((model.strike_depth * np.sin(np.pi * n * x0)) ** 2 + (1 - model.strike_depth) ** 2 + 1e-4)
    octaves = model.hammer_key_slope * (key - C4) / 12 + model.hammer_velocity * np.log2(velocity / MIDDLE_VELOCITY)
    cut_off = model.hammer_hz * 2.0**octaves
    return comb / (1 + (frequency / cut_off) ** 2) ** (model.hammer_order / 2)


def string_modes(
    model: StringModel, key: int, frequency: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Complex rates (rad/s) and amplitudes of the modes of one key's strings, each of shape (partials, strings).

    Strings of slightly different pitch move one bridge, so they exchange energy: the amplitudes x of each partial
    obey x' = (diag(j d - s) - e c c^T) x with detuning d, own damping s and bridge admittance e. Its eigenvectors are
    a prompt sound that decays fast, aftersounds that decay slowly, and beats between them (Weinreich, "Coupled piano
    strings", JASA 62(6), 1977). A single string stands for two: its vertical and its horizontal swinging.
    """
    strings = 1 if key < model.first_pair else 2 if key < model.first_triple else 3
    slow = aftersound_rate(model, key)
    own = slow * (1 + (frequency / model.loss_hz) ** model.loss_order)
    spread = np.exp(rng.normal(0, model.coupling_spread, len(frequency)))
    admittance = slow * (model.coupling - 1) / 3 * 2.0 ** (model.coupling_slope * (key - C4) / 12) * spread
    admittance = admittance * (1 + 1j * rng.normal(0, 0.5, len(frequency)))
    size = max(2, strings)
    cents = rng.normal(0, model.unison_cents, size)
    if strings == 1:
        passed, struck, cents = np.array([1.0, POLARISATION]), np.array([1.0, 2 * POLARISATION]), cents / 4
    else:
        passed, struck = np.ones(strings), 1 + rng.normal(0, UNEVEN_STRIKE, strings)
        struck[-1] *= 1 - SPARED * model.una_corda
    away = 2.0 ** ((cents - cents.mean()) / 1200) - 1
    away = away * (1 + UNEVEN_DETUNING * rng.standard_normal((len(frequency), size)))  # (partials, strings)
    detuned = 2 * np.pi * frequency[:, None] * away
    system = -admittance[:, None, None] * np.outer(passed, passed)
    system[:, range(size), range(size)] += 1j * detuned - own[:, None]
    rates, vectors = np.linalg.eig(system)
    weights = np.linalg.solve(vectors, np.broadcast_to(struck[:, None], (len(frequency), size, 1)).astype(complex))
    amplitudes = weights[..., 0] * np.einsum("s,psm->pm", passed, vectors) / passed.sum()
    return rates + 2j * np.pi * frequency[:, None], amplitudes


def oscillate(rates: np.ndarray, amplitudes: np.ndarray, length: int, sample_rate: int) -> np.ndarray:
    """Sum of damped oscillations Re(a exp(rate t)) for each row of `amplitudes` (rows, modes), shape (rows, length).

    Time is split into blocks: exp(rate (b K + k)) is a product of two short tables, so the sum is one matrix product.
    """
    block = max(64, int(np.sqrt(length)))
    blocks = -(-length // block)
    starts = np.exp(np.outer(np.arange(blocks) * (block / sample_rate), rates))  # (blocks, modes)
    inside = np.exp(np.outer(rates, np.arange(block) / sample_rate))  # (modes, block)
    left = (amplitudes[:, None] * starts).reshape(-1, len(rates))  # (rows * blocks, modes)
    left = np.concatenate([left.real, -left.imag], axis=1).astype(np.float32)
    right = np.concatenate([inside.real, inside.imag]).astype(np.float32)
    return (left @ right).reshape(len(amplitudes), -1)[:, :length]


def tones(
    model: StringModel, body: Body, key: int, first_hz: float, velocities: tuple[int, ...], length: int, rate: int
) -> np.ndarray:
    """One key struck at each of `velocities`, all equally loud: float32 of shape (velocities, length).

    `first_hz` is where the first partial lies. The sound begins at the first sample and reaches its level within
    milliseconds; the loudest 30 ms have an RMS of 1.
    """
    rng = key_rng(model, key)
    limit = BANDWIDTH * rate
    frequency = partial_frequencies(model, key, first_hz, limit)
    rates, modes = string_modes(model, key, frequency, rng)
    uneven = 10 ** (rng.normal(0, model.partial_spread_db, len(frequency)) / 20)
    phase = np.exp(2j * np.pi * rng.random(len(frequency)))
    heard = uneven * phase * body_response(model, body, frequency)
    struck = np.stack([hammer(model, key, velocity, frequency) for velocity in velocities])  # (velocities, partials)
    amplitudes = (struck * heard)[:, :, None] * modes  # (velocities, partials, strings)
    rise = frequency[:, None] / model.rise_cycles + 1 / LONGEST_RISE_S
    building = rates - rise  # a resonance driven from rest: a exp(rate t) (1 - exp(-rise t))
    rates = np.concatenate([rates, building]).ravel()
    amplitudes = np.concatenate([amplitudes, -amplitudes], axis=1).reshape(len(velocities), -1)
    travel = (1 - strike_point(model, key)) / (2 * first_hz)  # from the hammer to the bridge
    late = round((ACTION_S + min(travel, LONGEST_TRAVEL_S)) * rate)
    strings = oscillate(rates, amplitudes, length - late, rate)
    for row, velocity in enumerate(velocities):
        contact_ms = model.attack_ms * 2.0 ** ((C4 - key) / 36) * (MIDDLE_VELOCITY / velocity) ** 0.3
        count = max(2, round(contact_ms / 1000 * rate))
        strings[row, :count] *= np.sin(np.linspace(0, np.pi / 2, count)) ** 2
    sound = np.pad(strings / _level(strings, rate), ((0, 0), (late, 0)))
    sound += _knock(model, body, key, velocities, sound.shape[1], rate, rng)
    return sound / _level(sound, rate)


def _knock(
    model: StringModel,
    body: Body,
    key: int,
    velocities: tuple[int, ...],
    length: int,
    rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The soundboard's thump and the action's noise, shape (velocities, length), against strings of level 1."""
    octaves = (key - C4) / 12
    heard = body.frequency < min(BANDWIDTH * rate, 3000.0)
    frequency, decay = body.frequency[heard], body.rate[heard]
    soft = np.stack([1 / (1 + (frequency / (model.knock_hz * (v / MIDDLE_VELOCITY) ** 0.5)) ** 2) for v in velocities])
    gains = soft * body.gain[heard] * np.exp(2j * np.pi * rng.random(len(frequency)))
    thump = oscillate(2j * np.pi * frequency - decay, gains, min(length, rate), rate)
    thump *= _gain(model.knock_db + model.knock_slope_db * octaves) / _level(thump, rate)
    spectrum = np.fft.rfft(rng.standard_normal(min(length, rate // 2)))
    hz = np.fft.rfftfreq(min(length, rate // 2), 1 / rate)
    spectrum *= (hz / 400) / (1 + (hz / 1200) ** 2) * (hz < BANDWIDTH * rate)
    burst = np.fft.irfft(spectrum)[None]
    burst *= np.exp(-np.log(1000) * np.arange(burst.shape[1]) / rate / (model.noise_ms / 1000))
    burst *= _gain(model.noise_db + model.knock_slope_db * octaves) / _level(burst, rate)
    out = np.zeros((len(velocities), length), dtype=np.float32)
    out[:, : thump.shape[1]] += thump
    out[:, : burst.shape[1]] += burst
    count = round(KNOCK_RISE_S * rate)
    out[:, :count] *= np.sin(np.linspace(0, np.pi / 2, count)) ** 2
    return out


def _gain(decibel: float) -> float:
    return 10 ** (min(decibel, LOUDEST_KNOCK_DB) / 20)


def _level(sound: np.ndarray, rate: int) -> np.ndarray:
    """RMS of the loudest 30 ms of each row, shape (rows, 1)."""
    window = max(1, int(LEVEL_WINDOW_S * rate))
    power = np.cumsum(np.square(sound[:, :rate], dtype=np.float64), axis=1)
    power = np.concatenate([np.zeros((len(sound), 1)), power], axis=1)
    return np.sqrt((power[:, window:] - power[:, :-window]).max(axis=1, keepdims=True) / window).astype(np.float32)
