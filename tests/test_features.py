"""Features: in the right place, of the right pitch, and equal to what pretrained encoders were fed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor

from s2s_lib.config import AudioConfig
from s2s_lib.features import FeatureSettings, LogMel


def test_equal_to_the_feature_extractor_of_a_pretrained_ast() -> None:
    extractor = ASTFeatureExtractor(num_mel_bins=64, max_length=200, mean=-4.2, std=4.5)
    settings = FeatureSettings.from_extractor(extractor)
    audio = np.random.default_rng(0).standard_normal(settings.samples(200)).astype(np.float32) * 0.1
    theirs = extractor(audio, sampling_rate=16000, return_tensors="np")["input_values"][0]
    ours = LogMel(settings)(torch.from_numpy(audio)[None])[0].numpy()
    assert ours.shape == theirs.shape == (200, 64)
    assert np.abs(ours - theirs).max() < 1e-3


def test_the_configs_settings_reach_the_features() -> None:
    audio = AudioConfig(sample_rate=22050, n_mels=40, n_fft=1024, hop_length=256, f_min=50, f_max=5000)
    settings = FeatureSettings.from_audio(audio)
    module = LogMel(settings)
    frames = module(torch.zeros(2, settings.samples(30)))
    assert frames.shape == (2, 30, 40)
    assert settings.hop_s == pytest.approx(256 / 22050)
    _, filters = module._window_and_filters(torch.device("cpu"))
    used = np.flatnonzero(filters.sum(1).numpy()) * 22050 / 1024
    assert 50 <= used.min() <= 100
    assert 4900 <= used.max() <= 5000


def test_a_tone_lights_up_its_band_and_a_click_its_frame() -> None:
    settings = FeatureSettings.from_audio(AudioConfig(n_mels=128))
    module = LogMel(settings)
    time = torch.arange(settings.samples(50)) / 16000
    bands = [int(module(torch.sin(2 * torch.pi * f * time)[None])[0, 25].argmax()) for f in (220.0, 880.0, 3520.0)]
    assert bands[0] < bands[1] < bands[2]
    click = torch.zeros(settings.samples(50))
    at_s = 0.3
    click[round(at_s * 16000)] = 1.0
    loudest = int(module(click[None])[0].sum(1).argmax())
    assert loudest * settings.hop_s + settings.first_centre_s == pytest.approx(at_s, abs=settings.hop_s)


def test_silence_is_finite() -> None:
    for settings in (FeatureSettings.from_audio(AudioConfig()), FeatureSettings.from_extractor(ASTFeatureExtractor())):
        assert torch.isfinite(LogMel(settings)(torch.zeros(1, settings.samples(20)))).all()
