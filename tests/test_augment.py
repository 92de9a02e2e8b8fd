"""Augmentation changes the sound and leaves every click where it was."""

from __future__ import annotations

import numpy as np
import pytest

from s2s_lib.augment import augment
from s2s_lib.config import AugmentationConfig

RATE = 16000
OFF = {f"{effect}_probability": 0.0 for effect in ("noise", "eq", "gain", "reverb")}
CLICKS = np.arange(2000, 40000, 4000)


def _clicks() -> np.ndarray:
    waveform = np.zeros(44000, np.float32)
    waveform[CLICKS] = 0.8
    return waveform


@pytest.mark.parametrize("effect", ["noise", "eq", "gain", "reverb"])
@pytest.mark.parametrize("seed", range(5))
def test_clicks_stay_in_place(effect: str, seed: int) -> None:
    settings = AugmentationConfig(**{**OFF, f"{effect}_probability": 1.0})
    changed = augment(_clicks(), RATE, settings, np.random.default_rng(seed))
    assert changed.dtype == np.float32
    assert not np.array_equal(changed, _clicks())
    for click in CLICKS:
        around = np.abs(changed[click - 1000 : click + 1000])
        assert abs(int(np.argmax(around)) - 1000) <= 0.005 * RATE


def test_probability_zero_changes_nothing() -> None:
    assert np.array_equal(augment(_clicks(), RATE, AugmentationConfig(**OFF), np.random.default_rng(0)), _clicks())


def test_noise_has_the_asked_ratio() -> None:
    tone = np.sin(np.arange(RATE) * 0.3).astype(np.float32) * 0.3
    settings = AugmentationConfig(**{**OFF, "noise_probability": 1.0, "noise_snr_db": (20.0, 20.0)})
    noise = augment(tone, RATE, settings, np.random.default_rng(1)) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(noise**2)) == pytest.approx(20.0, abs=0.3)


def test_gain_has_the_asked_range_and_never_exceeds_full_scale() -> None:
    tone = np.sin(np.arange(RATE) * 0.3).astype(np.float32) * 0.5
    settings = AugmentationConfig(**{**OFF, "gain_probability": 1.0, "gain_db": (-6.0, -6.0)})
    assert np.allclose(augment(tone, RATE, settings, np.random.default_rng(0)), tone * 10 ** (-6 / 20))
    louder = AugmentationConfig(**{**OFF, "gain_probability": 1.0, "gain_db": (12.0, 12.0)})
    assert np.abs(augment(tone, RATE, louder, np.random.default_rng(0))).max() == 1.0


def test_the_equaliser_stays_within_its_gain() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.05
    changes = []
    for gain in (2.0, 12.0):
        settings = AugmentationConfig(**{**OFF, "eq_probability": 1.0, "eq_gain_db": gain})
        equalised = augment(noise, RATE, settings, np.random.default_rng(5))
        ratio = np.abs(np.fft.rfft(equalised))[100:] / np.abs(np.fft.rfft(noise))[100:]
        changes.append(np.abs(20 * np.log10(ratio)).max())
        assert changes[-1] <= gain + 0.1
    assert changes[1] > 2 * changes[0]


def test_a_longer_room_rings_longer() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 0.8
    rings = []
    for seconds in (0.1, 0.8):
        settings = AugmentationConfig(**{**OFF, "reverb_probability": 1.0, "reverb_seconds": (seconds, seconds)})
        heard = np.abs(augment(click, RATE, settings, np.random.default_rng(0)))
        rings.append(int(np.flatnonzero(heard > 1e-5)[-1]) / RATE)
    assert rings[0] == pytest.approx(0.1, abs=0.03)
    assert rings[1] > 0.5


def test_the_generator_decides_all() -> None:
    settings = AugmentationConfig(eq_probability=1, noise_probability=1, gain_probability=1, reverb_probability=1)
    first, second, other = (augment(_clicks(), RATE, settings, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_silence_stays_silent() -> None:
    silence = np.zeros(RATE, np.float32)
    settings = AugmentationConfig(eq_probability=1, noise_probability=1, gain_probability=1, reverb_probability=1)
    assert np.abs(augment(silence, RATE, settings, np.random.default_rng(0))).max() == 0
