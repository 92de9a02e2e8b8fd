"""The chain from notes through rendering, targets, model and decoding to scores: it can learn a few clips by heart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small import small_config

from s2s_lib.config import Config, EvaluationConfig
from s2s_lib.data import generate, load_manifests
from s2s_lib.metrics import score
from s2s_lib.notes import Performance
from s2s_lib.train import train
from s2s_lib.transcribe import Transcriber


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A model that has seen four clips many times."""
    config = small_config(
        tmp_path_factory.mktemp("learning"),
        dataset={"samples": 6, "min_duration": 4.0, "max_duration": 5.0, "train_split": 0.67, "val_split": 0.17},
        audio={"augmentation": {"enabled": False}},
        model={
            "hidden_size": 32, "encoder_hidden_size": 32, "num_decoder_heads": 4, "num_encoder_heads": 4,
            "window_seconds": 2.0,
        },
        training={
            "batch_size": 2, "num_epochs": 60, "learning_rate": 4e-3, "warmup_steps": 20,
            "early_stopping_patience": 1000,
        },
    )  # fmt: skip
    generate(config)
    train(config)
    # the best model by validation is an early one; by heart is what the last checkpoint knows
    last = config.output.checkpoints / f"checkpoint_epoch_{config.training.num_epochs}" / "model.safetensors"
    (config.output.model / "model.safetensors").write_bytes(last.read_bytes())
    return config


def _clips(config: Config) -> list[tuple[Performance, np.ndarray]]:
    return [(s.performance(), s.waveform()) for s in load_manifests(config.output.data)["train"].samples]


def test_a_few_clips_are_learnt_by_heart(overfitted: Config) -> None:
    transcriber = Transcriber.load(overfitted.output.model, "cpu")
    settings = EvaluationConfig()
    scores = [score(ref, transcriber.transcribe(audio, 16000, settings), settings) for ref, audio in _clips(overfitted)]
    assert np.mean([s.onset.f1 for s in scores]) > 0.95
    assert np.mean([s.onset_offset_key.f1 for s in scores]) > 0.7
    assert np.mean([s.onset_deviation.median_absolute_s for s in scores]) < 0.01


def test_the_onset_threshold_trades_precision_for_recall(overfitted: Config) -> None:
    transcriber = Transcriber.load(overfitted.output.model, "cpu")
    counts = [
        sum(
            len(transcriber.transcribe(audio, 16000, EvaluationConfig(onset_threshold=threshold)).notes)
            for _, audio in _clips(overfitted)
        )
        for threshold in (0.02, 0.25, 0.9)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_another_sample_rate_gives_the_same_notes(overfitted: Config) -> None:
    import soxr

    transcriber = Transcriber.load(overfitted.output.model, "cpu")
    settings = EvaluationConfig()
    _, audio = _clips(overfitted)[0]
    first = transcriber.transcribe(audio, 16000, settings)
    second = transcriber.transcribe(soxr.resample(audio, 16000, 44100), 44100, settings)
    assert score(first, second, settings).onset.f1 > 0.97


def test_windows_join_without_seams(overfitted: Config) -> None:
    """The same music, moved against the windows, gives the same notes."""
    transcriber = Transcriber.load(overfitted.output.model, "cpu")
    settings = EvaluationConfig()
    clips = _clips(overfitted)
    joined = np.concatenate([audio for _, audio in clips])
    straight = transcriber.transcribe(joined, 16000, settings)
    lead_s = 0.73
    moved = transcriber.transcribe(np.pad(joined, (round(lead_s * 16000), 0)), 16000, settings)
    assert score(straight, moved.shifted(-lead_s), settings).onset.f1 > 0.9
    assert straight.end_s > sum(len(audio) for _, audio in clips[:-1]) / 16000


def test_the_batch_size_changes_nothing(overfitted: Config) -> None:
    transcriber = Transcriber.load(overfitted.output.model, "cpu")
    _, audio = _clips(overfitted)[0]
    one, many = (transcriber.hear(audio, 16000, EvaluationConfig(batch_size=size)).grid for size in (1, 8))
    assert np.allclose(one.onset, many.onset, atol=1e-4)
    assert len(one.onset) * 0.02 >= len(audio) / 16000


def test_silence_and_a_very_short_sound_give_no_crash(overfitted: Config) -> None:
    transcriber = Transcriber.load(overfitted.output.model, "cpu")
    for audio in (np.zeros(1600, np.float32), np.zeros(16000 * 4, np.float32)):
        found = transcriber.transcribe(audio, 16000, EvaluationConfig())
        assert all(note.onset_s < len(audio) / 16000 for note in found.notes)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    from s2s_lib.errors import InputError

    with pytest.raises(InputError, match="holds no model"):
        Transcriber.load(tmp_path)
