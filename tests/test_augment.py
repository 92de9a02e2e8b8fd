"""Augmentation changes the sound, leaves every click where it was, and never breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d
from scipy.signal import correlate

from s2s_lib.augment import EFFECTS, augment
from s2s_lib.augment.colour import Equaliser, Microphone, Phone
from s2s_lib.augment.noise import Noise
from s2s_lib.augment.room import Room
from s2s_lib.config import AugmentationConfig

RATE = 16000
OFF: dict[str, Any] = {f"{effect}_probability": 0.0 for effect in (*EFFECTS, "clean")}
CLICKS_S = np.arange(0.2, 2.4, 0.25)
TOLERANCE_S = 0.005
AROUND_S = 0.06

# each effect at the ends of what the config allows
EXTREMES: list[tuple[str, dict[str, Any]]] = [
    ("eq", {"eq_gain_db": 24}),
    ("reverb", {"reverb_seconds": (0.1, 0.1), "reverb_direct_db": (-3, -3)}),
    ("reverb", {"reverb_seconds": (10, 10), "reverb_direct_db": (-3, -3)}),
    *(("noise", {"noise_snr_db": (-5, -5), "noise_kinds": {kind: 1}}) for kind in ("white", "pink", "hum", "hiss")),
    ("microphone", {"microphone_low_hz": (5, 5), "microphone_high_hz": (1000, 1000), "microphone_resonance_db": 24}),
    ("microphone", {"microphone_low_hz": (500, 500), "microphone_resonance_db": 24}),
    *(
        ("compression", {"compression_ratio": (50, 50), "compression_threshold_db": (-60, -60), "compression_ms": ms})
        for ms in ((1, 1), (1000, 1000))
    ),
    ("clipping", {"clipping_db": (30, 30)}),
    ("gain", {"gain_db": (-60, -60)}),
    ("gain", {"gain_db": (40, 40)}),
    ("phone", {"phone_low_hz": (1000, 1000), "phone_high_hz": (1500, 1500)}),
    ("phone", {"phone_low_hz": (20, 20), "phone_high_hz": (24000, 24000)}),
    *(
        ("codec", {"codec_formats": {name: 1}, "codec_kbps": (kbps, kbps)})
        for name in ("mp3", "opus")
        for kbps in (8, 24, 320)
    ),
]
NAMES = [f"{effect}-{'-'.join(map(str, settings.values()))}".replace(" ", "") for effect, settings in EXTREMES]


def only(effect: str, **settings: Any) -> AugmentationConfig:
    return AugmentationConfig(**{**OFF, f"{effect}_probability": 1.0, **settings})


def clicks(sample_rate: int = RATE) -> np.ndarray:
    """A train of 2 ms bursts."""
    waveform = np.zeros(round(2.56 * sample_rate), np.float32)
    length = round(0.002 * sample_rate)
    burst = 0.8 * np.hanning(length + 2)[1:-1] * np.cos(np.arange(length) * 1.9)
    for start in np.rint(CLICKS_S * sample_rate).astype(int):
        waveform[start : start + length] = burst
    return waveform


def shifts_s(before: np.ndarray, after: np.ndarray, sample_rate: int) -> np.ndarray:
    """By how much each click moved, (2, clicks): by where its energy fits best, and by where half of its power is."""
    power = [uniform_filter1d(np.square(x, dtype=np.float64), max(3, sample_rate // 1000)) for x in (before, after)]
    around = round(AROUND_S * sample_rate)
    found = []
    for start in np.rint(CLICKS_S * sample_rate).astype(int):
        old, new = (x[start - around : start + around] for x in power)
        best = int(np.argmax(correlate(new - np.median(new), old, mode="same", method="fft"))) - around
        rise = int(np.argmax(new >= new.max() / 2)) - int(np.argmax(old >= old.max() / 2))
        found.append((best, rise))
    return np.array(found).T / sample_rate


@pytest.mark.parametrize(("effect", "settings"), EXTREMES, ids=NAMES)
@pytest.mark.parametrize("sample_rate", [RATE, 22050])
def test_clicks_stay_in_place(effect: str, settings: dict[str, Any], sample_rate: int) -> None:
    before = clicks(sample_rate)
    for seed in range(3):
        after = augment(before, sample_rate, only(effect, **settings), np.random.default_rng(seed))
        assert after.dtype == np.float32
        assert after.shape == before.shape
        assert not np.array_equal(after, before)
        assert np.abs(shifts_s(before, after, sample_rate)).max() <= TOLERANCE_S


@pytest.mark.parametrize("seed", range(20))
def test_clicks_stay_in_place_with_everything_at_once(seed: int) -> None:
    """All effects by their default ranges, in two seeds of three half of them left out."""
    share = (1.0, 0.5, 0.5)[seed % 3]
    settings = AugmentationConfig(**{**OFF, **{f"{effect}_probability": share for effect in EFFECTS}})
    after = augment(clicks(), RATE, settings, np.random.default_rng(seed))
    assert np.abs(shifts_s(clicks(), after, RATE)).max() <= TOLERANCE_S


@pytest.mark.parametrize(("effect", "settings"), EXTREMES, ids=NAMES)
def test_never_silent_nor_beyond_full_scale_and_silence_stays_finite(effect: str, settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(RATE) * 0.4).astype(np.float32)
    for waveform in (tone, 1e-3 * tone, np.zeros(RATE, np.float32), tone[:500]):
        after = augment(waveform, RATE, only(effect, **settings), rng)
        assert after.shape == waveform.shape
        assert np.isfinite(after).all()
        assert np.abs(after).max() <= 1.0 + 1e-6
        if waveform.any():
            assert np.abs(after).max() >= 1e-6


def test_the_generator_decides_all_and_the_input_is_kept() -> None:
    settings = AugmentationConfig(**{**OFF, **{f"{effect}_probability": 1.0 for effect in EFFECTS}})
    waveform = clicks()
    first, second, other = (augment(waveform, RATE, settings, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert np.array_equal(waveform, clicks())


@pytest.mark.parametrize("settings", [AugmentationConfig(enabled=False), AugmentationConfig(**OFF)])
def test_nothing_asked_changes_nothing(settings: AugmentationConfig) -> None:
    assert np.array_equal(augment(clicks(), RATE, settings, np.random.default_rng(0)), clicks())


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_share_stays_clean_and_most_windows_are_changed(share: float) -> None:
    waveform = clicks()[:8000]
    settings = AugmentationConfig(clean_probability=share, codec_probability=0)
    changed = [
        not np.array_equal(augment(waveform, RATE, settings, np.random.default_rng(seed)), waveform)
        for seed in range(300)
    ]
    assert np.mean(changed) <= 1 - share + 0.06
    assert np.mean(changed) >= 0.8 * (1 - share)


@pytest.mark.parametrize("kind", ["white", "pink", "hum", "hiss"])
def test_noise_has_the_asked_ratio_and_colour(kind: str) -> None:
    tone = np.sin(np.arange(2 * RATE) * 0.3).astype(np.float32) * 0.3
    settings = only("noise", noise_snr_db=(20, 20), noise_kinds={kind: 1})
    noise = augment(tone, RATE, settings, np.random.default_rng(1)) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(noise**2)) == pytest.approx(20.0, abs=0.3)
    power = np.square(np.abs(np.fft.rfft(noise)))  # half a hertz per bin
    low, high = power[100:1000].sum(), power[10000:16000].sum()
    assert {"white": 0.05 < low / high < 0.3, "pink": low > high, "hum": low > 1e3 * high, "hiss": low < 0.01 * high}[
        kind
    ]


def test_hum_is_a_line_at_the_mains_frequency() -> None:
    hum = Noise("hum", 0.0, 5).apply(np.zeros(10 * RATE, np.float32), RATE)
    spectrum = np.abs(np.fft.rfft(hum * np.hanning(len(hum))))
    peaks = np.flatnonzero(spectrum > 0.2 * spectrum.max()) / 10
    assert min(abs(peaks.min() - mains) for mains in (50, 60)) < 1.0


def test_gain_has_the_asked_range_and_ends_at_full_scale() -> None:
    tone = np.sin(np.arange(RATE) * 0.3).astype(np.float32) * 0.5
    quieter = augment(tone, RATE, only("gain", gain_db=(-6, -6)), np.random.default_rng(0))
    assert np.allclose(quieter, tone * 10 ** (-6 / 20))
    louder = augment(tone, RATE, only("gain", gain_db=(12, 12)), np.random.default_rng(0))
    assert np.allclose(louder, tone / np.abs(tone).max(), atol=1e-6)


@pytest.mark.parametrize(
    "colour",
    [
        Equaliser((8.0, -8.0, 3.0, 0.0, -5.0, 8.0, -8.0)),
        Microphone(120.0, 5000.0, 6.0, ((400.0, 0.3, 6.0), (3000.0, 0.2, -6.0))),
        Phone(300.0, 3400.0),
    ],
)
def test_a_colour_has_its_curve(colour: Any) -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    heard = 20 * np.log10(np.abs(np.fft.rfft(colour.apply(click, RATE))) + 1e-9)
    frequencies = np.arange(60, 7500.0)  # one hertz per bin
    asked = colour.curve_db(frequencies)
    close = asked > -40
    assert np.abs(heard[60:7500] - asked)[close].max() < 1.5


@pytest.mark.parametrize("decay_s", [0.3, 1.5])
@pytest.mark.parametrize("direct_db", [0.0, 12.0])
def test_a_room_decays_as_asked(decay_s: float, direct_db: float) -> None:
    """Schroeder's backward integral (JASA 1965) falls by 60 dB in the decay time, read from -5 to -25 dB."""
    decays, ratios = [], []
    for seed in range(6):
        response = Room(decay_s, direct_db, seed).response(RATE)
        assert np.argmax(np.abs(response)) == 0
        tail = np.square(response[1:], dtype=np.float64)
        left = 10 * np.log10(np.cumsum(tail[::-1])[::-1] / tail.sum() + 1e-12)
        fall = np.flatnonzero((left < -5) & (left > -25))
        decays.append(-60 * np.ptp(fall) / RATE / (left[fall[-1]] - left[fall[0]]))
        ratios.append(-10 * np.log10(tail.sum()))
    assert np.mean(decays) == pytest.approx(decay_s, rel=0.25)
    assert np.mean(ratios) == pytest.approx(direct_db, abs=1.5)


def test_no_reflection_is_taken_for_the_onset() -> None:
    """Reflections within 2 ms of each other have together less energy than the direct sound."""
    for seed in range(30):
        response = Room(0.1, -3.0, seed).response(RATE)
        assert np.convolve(np.square(response[1:]), np.ones(32)).max() < 0.8 * response[0] ** 2


def test_compression_narrows_the_range_and_clipping_flattens_peaks() -> None:
    tone = np.sin(np.arange(2 * RATE) * 0.3).astype(np.float32)
    tone[:RATE] *= 0.9
    tone[RATE:] *= 0.09  # 20 dB below
    fixed = {"compression_ratio": (4, 4), "compression_threshold_db": (-40, -40), "compression_ms": (10, 10)}
    after = augment(tone, RATE, only("compression", **fixed), np.random.default_rng(0))
    loud, soft = (np.sqrt(np.mean(after[a : a + 8000] ** 2)) for a in (6000, RATE + 6000))
    assert 20 * np.log10(loud / soft) == pytest.approx(20 / 4, abs=0.5)
    assert np.abs(after).max() == pytest.approx(np.abs(tone).max(), abs=1e-4)
    clipped = augment(tone, RATE, only("clipping", clipping_db=(6, 6)), np.random.default_rng(0))
    assert np.abs(clipped).max() == pytest.approx(np.abs(tone).max(), abs=1e-4)
    assert np.mean(np.abs(clipped[:RATE]) > 0.85) > 1.5 * np.mean(np.abs(tone[:RATE]) > 0.85)


@pytest.mark.parametrize("name", ["mp3", "opus"])
def test_a_lower_bit_rate_loses_more(name: str) -> None:
    music = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    losses = []
    for kbps in (12, 64):
        settings = only("codec", codec_formats={name: 1}, codec_kbps=(kbps, kbps))
        losses.append(np.mean(np.square(augment(music, RATE, settings, np.random.default_rng(0)) - music)))
    assert losses[0] > 1.5 * losses[1] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_kinds": {"white": 0}}, {"noise_kinds": {"brown": 1}}, {"codec_formats": {}}, {"gain_db": (-90, 0)},
        {"reverb_direct_db": (5, 1)}, {"reverb_seconds": (0, 1)}, {"codec_kbps": (1, 8)}, {"clean_probability": 2},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AugmentationConfig(**wrong)
