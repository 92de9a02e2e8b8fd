"""The network and where it comes from: every parameter reaches it, every bad source is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small_config
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, ASTModel

from s2s_lib.errors import InputError
from s2s_lib.model import SPECIAL_TOKENS, losses
from s2s_lib.pretrained import build_model, load_model


def _waveform(model: torch.nn.Module, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, model.config.window_samples, generator=torch.Generator().manual_seed(0)) * 0.1


def test_shapes(tmp_path: Path) -> None:
    model = build_model(small_config(tmp_path)).eval()
    frames = model.config.frames
    output = model(_waveform(model))
    assert {name: tuple(value.shape) for name, value in output.items()} == {
        "onset": (2, frames, 88), "shift": (2, frames, 88), "velocity": (2, frames, 88), "held": (2, frames, 88),
        "pedal": (2, frames),
    }  # fmt: skip
    assert model.config.frame_s == pytest.approx(0.02)
    assert 0.8 * 1.28 < frames * model.config.frame_s < 1.28


@pytest.mark.parametrize(
    ("key", "value", "reads"),
    [
        ("hidden_size", 64, lambda m: m.head.in_features),
        ("num_decoder_layers", 3, lambda m: len(m.decoder.layers)),
        ("num_decoder_heads", 4, lambda m: m.decoder.layers[0].self_attn.num_heads),
        ("dropout", 0.3, lambda m: m.decoder.layers[0].dropout.p),
        ("dropout", 0.2, lambda m: m.encoder.embeddings.dropout.p),
        ("encoder_hidden_size", 48, lambda m: m.encoder.config.hidden_size),
        ("num_encoder_layers", 2, lambda m: len(m.encoder.layers)),
        ("num_encoder_heads", 4, lambda m: m.encoder.layers[0].attention.num_attention_heads),
        ("patch_size", 8, lambda m: m.encoder.embeddings.patch_embeddings.projection.kernel_size[0]),
        ("frequency_stride", 8, lambda m: m.encoder.embeddings.patch_embeddings.projection.stride[0]),
        ("time_stride", 4, lambda m: m.encoder.embeddings.patch_embeddings.projection.stride[1]),
        ("window_seconds", 2.0, lambda m: m.encoder.config.max_length / 100),
        ("frame_seconds", 0.04, lambda m: m.config.frame_s),
    ],
)
def test_every_model_key_reaches_the_network(tmp_path: Path, key: str, value: Any, reads: Any) -> None:
    assert reads(build_model(small_config(tmp_path))) != pytest.approx(value)
    changed = build_model(small_config(tmp_path, model={key: value}))
    assert reads(changed) == pytest.approx(value)
    changed.eval()(_waveform(changed, 1))


@pytest.mark.parametrize(
    ("key", "value"),
    [("sample_rate", 22050), ("n_mels", 40), ("n_fft", 1024), ("hop_length", 200), ("f_min", 60.0), ("f_max", 7000.0)],
)
def test_every_audio_key_reaches_the_features(tmp_path: Path, key: str, value: Any) -> None:
    model = build_model(small_config(tmp_path, audio={key: value}))
    assert getattr(model.features.settings, key) == value
    model.eval()(_waveform(model, 1))


def test_a_saved_model_is_the_same_model(tmp_path: Path) -> None:
    model = build_model(small_config(tmp_path)).eval()
    model.save_pretrained(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    saved = json.loads((tmp_path / "model" / "config.json").read_text())
    assert saved["features"]["n_mels"] == 48
    again = load_model(tmp_path / "model").eval()
    first, second = model(_waveform(model)), again(_waveform(model))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_goes_on_from_a_saved_model(tmp_path: Path) -> None:
    model = build_model(small_config(tmp_path))
    model.save_pretrained(tmp_path / "model")
    again = build_model(small_config(tmp_path, model={"encoder_name": str(tmp_path / "model")}))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    with pytest.raises(InputError, match=r"model\.hidden_size is 64 but the pretrained model has 32"):
        build_model(small_config(tmp_path, model={"encoder_name": str(tmp_path / "model"), "hidden_size": 64}))


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A tiny AST for classification with its feature extractor, as a hub model is saved."""
    config = ASTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, num_mel_bins=64,
        max_length=128, frequency_stride=10, time_stride=10,
    )  # fmt: skip
    model = ASTForAudioClassification(config)
    torch.nn.init.normal_(model.audio_spectrogram_transformer.embeddings.position_embeddings)
    model.save_pretrained(tmp_path / "ast")
    ASTFeatureExtractor(num_mel_bins=64, max_length=128, mean=-4.0, std=5.0).save_pretrained(tmp_path / "ast")
    return tmp_path / "ast"


def test_a_pretrained_encoder_keeps_its_weights_and_features(tmp_path: Path, pretrained: Path) -> None:
    sizes = {"model": {"encoder_name": str(pretrained), "window_seconds": None}, "audio": {"n_mels": 224}}
    model = build_model(small_config(tmp_path, **sizes)).eval()
    original = ASTModel.from_pretrained(pretrained)
    for name, weight in original.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], weight)
    settings = model.config.feature_settings
    assert (settings.kind, settings.n_mels, settings.mean, settings.std) == ("kaldi", 64, -4.0, 10.0)
    assert model.config.frames == 12 * 5  # (128 - 16) // 10 + 1 steps of 100 ms, 20 ms each
    model(_waveform(model))


def test_a_shorter_window_keeps_the_earlier_positions(tmp_path: Path, pretrained: Path) -> None:
    config = small_config(
        tmp_path, model={"encoder_name": str(pretrained), "window_seconds": 0.8}, audio={"n_mels": 64}
    )
    cut = build_model(config).encoder.embeddings.position_embeddings
    whole = ASTModel.from_pretrained(pretrained).embeddings.position_embeddings
    bands, steps, kept = 5, 12, 7
    assert cut.shape[1] == SPECIAL_TOKENS + bands * kept
    grid = whole[0, SPECIAL_TOKENS:].view(bands, steps, -1)[:, :kept]
    assert torch.equal(cut[0, SPECIAL_TOKENS:].view(bands, kept, -1), grid)


def test_a_frozen_encoder_has_no_gradients(tmp_path: Path, pretrained: Path) -> None:
    sizes = {"encoder_name": str(pretrained), "freeze_encoder": True, "window_seconds": None}
    model = build_model(small_config(tmp_path, model=sizes, audio={"n_mels": 64}))
    sum(value.sum() for value in model(_waveform(model)).values()).backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())


def test_other_features_than_the_encoders_own_are_refused(tmp_path: Path, pretrained: Path) -> None:
    config = small_config(tmp_path, model={"encoder_name": str(pretrained)}, audio={"n_mels": 80})
    with pytest.raises(InputError, match=r"audio\.n_mels is 80 but the pretrained model has 64"):
        build_model(config)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("audio", "n_fft", 4096),
        ("audio", "f_min", 100.0),
        ("model", "patch_size", 32),
        ("model", "num_encoder_layers", 9),
    ],
)
def test_keys_that_a_pretrained_encoder_would_ignore_are_refused(
    tmp_path: Path, pretrained: Path, section: str, key: str, value: Any
) -> None:
    sizes = {"model": {"encoder_name": str(pretrained)}, "audio": {"n_mels": 64}}
    sizes[section] = {**sizes[section], key: value}
    with pytest.raises(InputError, match=f"{section}.{key} is {value} but the pretrained model has"):
        build_model(small_config(tmp_path, **sizes))


def test_another_kind_of_model_is_no_encoder(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = tmp_path / "bert"
    BertModel(BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=50)).save_pretrained(
        folder
    )
    with pytest.raises(InputError, match="the folder is incomplete"):
        build_model(small_config(tmp_path, model={"encoder_name": str(folder)}))
    ASTFeatureExtractor().save_pretrained(folder)
    with pytest.raises(InputError, match="is no"):
        build_model(small_config(tmp_path, model={"encoder_name": str(folder), "window_seconds": None}))


def test_an_unreachable_hub_model_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = small_config(tmp_path, model={"encoder_name": "MIT/no-such-ast"}, audio={"n_mels": 224})
    with pytest.raises(InputError) as caught:
        build_model(config)
    message = str(caught.value)
    assert "'MIT/no-such-ast' can't be reached and is not cached" in message
    assert "'scratch'" in message
    assert "save_pretrained" in message


def test_bad_model_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        load_model(tmp_path)
    folder = tmp_path / "model"
    build_model(small_config(tmp_path)).save_pretrained(folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(InputError, match="truncated or damaged"):
        load_model(folder)
    (folder / "model.safetensors").write_bytes(weights)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(InputError, match=r"do not fit its config\.json"):
        load_model(folder)
    for change in ({"num_decoder_layers": 2}, {"encoder": {**config["encoder"], "num_hidden_layers": 2}}):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(InputError, match=r"do not fit its config\.json"):
            load_model(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="is not a Sound2Sheet model"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(InputError, match="is not a Sound2Sheet model"):
        load_model(folder)


def test_a_perfect_prediction_has_the_least_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    onset = (torch.rand(2, 30, 88, generator=generator) > 0.98).float()
    target = {"onset": onset, "shift": onset * 0.3, "velocity": onset * 0.5, "held": onset, "pedal": onset[..., 0]}
    logits = {name: torch.where(target[name] > 0, 12.0, -12.0) for name in ("onset", "held", "pedal")}
    perfect = {**logits, "shift": target["shift"], "velocity": torch.zeros(2, 30, 88)}
    parts = losses(perfect, target)
    assert all(0 <= float(value) < 1e-3 for value in parts.values())
    for name in target:
        worse = {**perfect, name: perfect[name] + (3.0 if name in ("shift", "velocity") else -20 * target[name] + 10)}
        assert float(losses(worse, target)[name]) > 0.01
        assert float(losses(worse, target)["loss"]) == pytest.approx(float(losses(worse, target)[name]), abs=2e-3)
