"""Features: in the right place, of the right pitch, and equal to what pretrained encoders were fed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor

from s2s_lib.config import AudioConfig
from s2s_lib.features import MEAN, STD, FeatureSettings, LogFrequency, LogMel, spectrograms

RATE, FRAMES, STRIDE, PATCH = 16000, 64, 8, 16
STEPS = (FRAMES - PATCH) // STRIDE + 1
SHORT, LONG = 0, 1


def _pair(**audio: int) -> LogFrequency:
    return LogFrequency(FeatureSettings.from_audio(AudioConfig(**audio)), STRIDE, PATCH)


def _tone(module: LogFrequency, hz: float) -> torch.Tensor:
    settings = module.settings
    return torch.sin(2 * torch.pi * hz * torch.arange(settings.samples(FRAMES)) / settings.sample_rate)[None]


def test_equal_to_the_feature_extractor_of_a_pretrained_ast() -> None:
    extractor = ASTFeatureExtractor(num_mel_bins=64, max_length=200, mean=-4.2, std=4.5)
    settings = FeatureSettings.from_extractor(extractor)
    audio = np.random.default_rng(0).standard_normal(settings.samples(200)).astype(np.float32) * 0.1
    theirs = extractor(audio, sampling_rate=16000, return_tensors="np")["input_values"][0]
    (ours,) = LogMel(settings)(torch.from_numpy(audio)[None])
    assert ours.shape[1:] == theirs.shape == (200, 64)
    assert np.abs(ours[0].numpy() - theirs).max() < 1e-3


def test_the_settings_choose_the_spectrograms() -> None:
    encoder = {"time_stride": STRIDE, "patch_size": PATCH}
    assert isinstance(spectrograms(FeatureSettings.from_extractor(ASTFeatureExtractor()), encoder), LogMel)
    assert isinstance(spectrograms(FeatureSettings.from_audio(AudioConfig()), encoder), LogFrequency)


@pytest.mark.parametrize(
    ("audio", "rows", "bins_per_semitone"),
    [
        ({}, 99, 3),  # A0 to 8 kHz
        ({"sample_rate": 8000}, 88, 3),  # never fewer than there are keys
        ({"sample_rate": 44100, "n_fft": 4096, "long_n_fft": 16384}, 116, 3),
        ({"bins_per_semitone": 5, "hop_length": 200}, 99, 5),
        ({"n_fft": 1024, "long_n_fft": 1024}, 99, 3),
    ],
)
def test_shapes(audio: dict[str, int], rows: int, bins_per_semitone: int) -> None:
    module = _pair(**audio)
    settings = module.settings
    short, long = module(torch.zeros(2, settings.samples(FRAMES)))
    assert short.shape == (2, FRAMES, rows * bins_per_semitone)
    assert long.shape == (2, STEPS, rows * bins_per_semitone)
    assert settings.hop_s == audio.get("hop_length", 160) / settings.sample_rate


def test_the_transforms_have_the_lengths_asked_for() -> None:
    """A click is heard for as long as the transform is."""
    module = _pair(n_fft=1024, long_n_fft=4096)
    audio = torch.zeros(1, module.settings.samples(FRAMES))
    audio[0, audio.shape[1] // 2] = 1.0
    short, long = ((spectrogram[0].amax(1) > spectrogram.min()).sum() for spectrogram in module(audio))
    assert int(short) == pytest.approx(1024 / 160, abs=1)
    assert int(long) == pytest.approx(4096 / (160 * STRIDE), abs=1)


@pytest.mark.parametrize(
    ("spectrogram", "frame", "place", "near"),
    [(SHORT, frame, frame, 40) for frame in (0, 5, 30, FRAMES - 1)]
    # a long frame lies on the middle of its patch
    + [(LONG, step, step * STRIDE + (PATCH - 1) / 2, 400) for step in (0, 3, STEPS - 1)],
)
def test_a_click_lands_in_its_frame(spectrogram: int, frame: int, place: float, near: int) -> None:
    module = _pair()
    settings = module.settings
    centre = round((settings.first_centre_s + place * settings.hop_s) * RATE)
    heard = []
    for sample in (centre - near, centre, centre + near):
        audio = torch.zeros(1, settings.samples(FRAMES))
        audio[0, sample] = 1.0
        heard.append(module(audio)[spectrogram][0].sum(1))
    assert [int(loudness.argmax()) for loudness in heard] == [frame] * 3
    assert heard[0][frame].item() == pytest.approx(heard[2][frame].item(), rel=1e-4)  # the window is symmetric
    assert heard[1][frame] > heard[0][frame]


@pytest.mark.parametrize("octave", range(8))
@pytest.mark.parametrize("bins_per_semitone", [1, 3, 5])
def test_an_a_lights_up_the_bin_of_its_key(octave: int, bins_per_semitone: int) -> None:
    module = _pair(bins_per_semitone=bins_per_semitone)
    short, long = module(_tone(module, 27.5 * 2**octave))
    in_tune = 12 * octave * bins_per_semitone + (bins_per_semitone - 1) // 2
    assert int(long[0, STEPS // 2].argmax()) == in_tune
    # a transform of 128 ms can't tell the lowest keys apart: its bins are 8 Hz wide, five keys' distance at A0
    reach = 0 if octave >= 3 else 4 * bins_per_semitone
    assert abs(int(short[0, FRAMES // 2].argmax()) - in_tune) <= reach


@pytest.mark.parametrize("cents", [-100 / 3, 0.0, 100 / 3])
def test_a_third_of_a_semitone_is_a_bin(cents: float) -> None:
    module = _pair()
    for octave in (4, 5, 6):
        long = module(_tone(module, 27.5 * 2 ** (octave + cents / 1200)))[LONG]
        assert int(long[0, 0].argmax()) - (36 * octave + 1) == round(cents * 3 / 100)


def test_a_full_scale_tone_has_power_1_where_bins_are_narrow() -> None:
    module = _pair()
    for spectrogram in module(_tone(module, 110.0)):
        assert -2 < float(spectrogram[0, 2].max()) * STD + MEAN < 0.1  # between two Fourier bins it is less


def test_silence_is_finite() -> None:
    for module in (_pair(), LogMel(FeatureSettings.from_extractor(ASTFeatureExtractor()))):
        silence = torch.zeros(1, module.settings.samples(FRAMES))
        assert all(torch.isfinite(spectrogram).all() for spectrogram in module(silence))
