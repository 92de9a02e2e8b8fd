"""The network and where it comes from: every parameter reaches it, every bad source is one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small import small_config
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, ASTModel

from s2s_lib.errors import InputError
from s2s_lib.model import SPECIAL_TOKENS, losses
from s2s_lib.model.layers import PARTIALS
from s2s_lib.pretrained import build_model, load_model


def _waveform(model: torch.nn.Module, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, model.config.window_samples, generator=torch.Generator().manual_seed(0)) * 0.1


def test_shapes(tmp_path: Path) -> None:
    model = build_model(small_config(tmp_path)).eval()
    frames = model.config.frames
    output = model(_waveform(model))
    assert {name: tuple(value.shape) for name, value in output.items()} == {
        "onset": (2, frames, 88), "shift": (2, frames, 88), "velocity": (2, frames, 88), "held": (2, frames, 88),
        "sounding": (2, frames, 88), "pedal": (2, frames),
    }  # fmt: skip
    assert model.config.frame_s == pytest.approx(0.02)
    assert 0.8 * 1.28 < frames * model.config.frame_s < 1.28


@pytest.mark.parametrize(
    ("key", "value", "reads"),
    [
        ("hidden_size", 64, lambda m: m.head.in_features),
        ("num_decoder_layers", 3, lambda m: len(m.layers)),
        ("num_decoder_heads", 4, lambda m: m.layers[0].along.heads),
        ("num_decoder_heads", 8, lambda m: m.layers[0].across.heads),
        ("dropout", 0.3, lambda m: m.layers[0].dropout.p),
        ("dropout", 0.2, lambda m: m.encoder.layers[0].dropout.p),
        ("encoder_hidden_size", 48, lambda m: m.encoder.positions.shape[1]),
        ("num_encoder_layers", 2, lambda m: len(m.encoder.layers)),
        ("num_encoder_heads", 4, lambda m: m.encoder.layers[0].parts[1].heads),
        ("patch_size", 8, lambda m: m.encoder.short.kernel_size[0]),
        ("time_stride", 4, lambda m: m.encoder.short.stride[0]),
        ("time_stride", 10, lambda m: m.features.time_stride),
        ("window_seconds", 2.0, lambda m: m.config.encoder["max_length"] / 100),
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
    [("sample_rate", 22050), ("n_fft", 1024), ("long_n_fft", 4096), ("hop_length", 200), ("bins_per_semitone", 5)],
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
    assert saved["features"]["n_bins"] == 3 * 99
    again = load_model(tmp_path / "model").eval()
    first, second = model(_waveform(model)), again(_waveform(model))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_goes_on_from_a_saved_model(tmp_path: Path) -> None:
    model = build_model(small_config(tmp_path))
    model.save_pretrained(tmp_path / "model")
    again = build_model(small_config(tmp_path, model={"encoder_name": str(tmp_path / "model")}))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    with pytest.raises(InputError, match=r"model\.hidden_size is 64 but the pretrained model has 16"):
        build_model(small_config(tmp_path, model={"encoder_name": str(tmp_path / "model"), "hidden_size": 64}))


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A tiny AST for classification with its feature extractor, as a hub model is saved."""
    config = ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_mel_bins=64,
        max_length=128, frequency_stride=10, time_stride=10,
    )  # fmt: skip
    model = ASTForAudioClassification(config)
    torch.nn.init.normal_(model.audio_spectrogram_transformer.embeddings.position_embeddings)
    model.save_pretrained(tmp_path / "ast")
    ASTFeatureExtractor(num_mel_bins=64, max_length=128, mean=-4.0, std=5.0).save_pretrained(tmp_path / "ast")
    return tmp_path / "ast"


def test_a_pretrained_encoder_keeps_its_weights_and_features(tmp_path: Path, pretrained: Path) -> None:
    model = build_model(small_config(tmp_path, model={"encoder_name": str(pretrained), "window_seconds": None})).eval()
    original = ASTModel.from_pretrained(pretrained)
    for name, weight in original.state_dict().items():
        assert torch.equal(model.encoder.ast.state_dict()[name], weight)
    settings = model.config.feature_settings
    assert (settings.kind, settings.n_bins, settings.mean, settings.std) == ("kaldi", 64, -4.0, 10.0)
    assert model.config.frames == 12 * 5  # (128 - 16) // 10 + 1 steps of 100 ms, 20 ms each
    model(_waveform(model))


def test_a_shorter_window_keeps_the_earlier_positions(tmp_path: Path, pretrained: Path) -> None:
    config = small_config(tmp_path, model={"encoder_name": str(pretrained), "window_seconds": 0.8})
    cut = build_model(config).encoder.ast.embeddings.position_embeddings
    whole = ASTModel.from_pretrained(pretrained).embeddings.position_embeddings
    bands, steps, kept = 5, 12, 7
    assert cut.shape[1] == SPECIAL_TOKENS + bands * kept
    grid = whole[0, SPECIAL_TOKENS:].view(bands, steps, -1)[:, :kept]
    assert torch.equal(cut[0, SPECIAL_TOKENS:].view(bands, kept, -1), grid)


def test_a_frozen_encoder_has_no_gradients(tmp_path: Path, pretrained: Path) -> None:
    sizes = {"encoder_name": str(pretrained), "freeze_encoder": True, "window_seconds": None}
    model = build_model(small_config(tmp_path, model=sizes))
    sum(value.sum() for value in model(_waveform(model)).values()).backward()
    learning = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None}
    still = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is None}
    assert learning == {"to_memory", "to_queries", "layers", "norm", "head", "pedal"}
    assert still == {"encoder"}


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("audio", "n_fft", 4096),
        ("audio", "sample_rate", 22050),
        ("audio", "long_n_fft", 4096),
        ("model", "patch_size", 32),
        ("model", "num_encoder_layers", 9),
    ],
)
def test_keys_that_a_pretrained_encoder_would_ignore_are_refused(
    tmp_path: Path, pretrained: Path, section: str, key: str, value: Any
) -> None:
    sizes = {"model": {"encoder_name": str(pretrained)}, "audio": {}}
    sizes[section][key] = value
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
    config = small_config(tmp_path, model={"encoder_name": "MIT/no-such-ast"})
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
    deeper = {**config["encoder"], "num_hidden_layers": 2}
    for change in ({"num_decoder_layers": 2}, {"encoder": deeper}, {"encoder": {}}):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(InputError, match=r"do not fit its config\.json"):
            load_model(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="is not a Sound2Sheet model"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(InputError, match="is not a Sound2Sheet model"):
        load_model(folder)


def _old_features(config: dict[str, Any]) -> dict[str, Any]:
    """What the first version wrote."""
    mel = {"kind": "mel", "sample_rate": 16000, "n_mels": 48, "n_fft": 2048, "window_length": 2048, "hop_length": 160,
           "f_min": 27.5, "f_max": 8000.0, "mean": -4.0, "std": 4.0}  # fmt: skip
    return {"features": mel, "encoder": {"model_type": "audio-spectrogram-transformer", "hidden_size": 32}}


@pytest.mark.parametrize(
    ("change", "age"),
    [
        (_old_features, "was made by an older version of Sound2Sheet; train it again"),
        (lambda config: {"features": None}, "was made by an older version of Sound2Sheet; train it again"),
        (lambda config: {"features": {**config["features"], "kaiser_beta": 3}}, "was made by a newer version"),
    ],
)
def test_models_of_other_versions_are_named(tmp_path: Path, change: Any, age: str) -> None:
    folder = tmp_path / "model"
    build_model(small_config(tmp_path)).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change(config)}))
    for load in (load_model, lambda path: build_model(small_config(tmp_path, model={"encoder_name": str(path)}))):
        with pytest.raises(InputError) as caught:
            load(folder)
        assert str(caught.value).startswith(f"{folder}: {age}")
        assert "\n" not in str(caught.value)


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model in half precision in the place of the weights that come with the package."""
    folder = tmp_path / "released"
    build_model(small_config(tmp_path)).half().save_pretrained(folder)
    monkeypatch.setattr("s2s_lib.pretrained.RELEASED_FOLDER", folder)
    monkeypatch.setattr("s2s_lib.weights.RELEASED_FOLDER", folder)
    return folder


def test_the_released_weights_are_taken_in_single_precision(tmp_path: Path, released: Path) -> None:
    model = build_model(small_config(tmp_path, model={"encoder_name": "released"}))
    saved = load_file(released / "model.safetensors")
    assert {weight.dtype for weight in saved.values()} == {torch.float16}
    assert all(torch.equal(weight, saved[name].float()) for name, weight in model.state_dict().items())
    assert model.dtype == torch.float32
    model.eval()(_waveform(model, 1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000]),
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        lambda folder: (folder / "config.json").write_text('{"model_type": "sound2sheet"}'),
        lambda folder: shutil.rmtree(folder),
    ],
    ids=["missing", "truncated", "empty", "older", "no folder"],
)
def test_damaged_released_weights_say_how_to_get_them_back(tmp_path: Path, released: Path, damage: Any) -> None:
    damage(released)
    with pytest.raises(InputError) as caught:
        build_model(small_config(tmp_path, model={"encoder_name": "released"}))
    assert str(caught.value).startswith(f"{released}: ")
    assert str(caught.value).endswith("; install Sound2Sheet again.")
    assert "\n" not in str(caught.value)


def test_music_moved_by_semitones_gives_the_same_tokens_moved(tmp_path: Path) -> None:
    """Without its positions, and with attention that looks but a few rows far, the encoder knows no absolute pitch."""
    torch.manual_seed(0)
    encoder = build_model(small_config(tmp_path)).encoder.eval()
    attention, rows, near, moved = encoder.layers[0].parts[1], encoder.positions.shape[0], 3, 5
    distance = torch.arange(1 - rows, rows).abs()
    attention.bias.data = torch.where(distance > near, -1e4, torch.randn(attention.bias.shape))
    spectrograms = [torch.randn(1, frames, 3 * rows) for frames in (32, 3)]
    with torch.no_grad():
        here = encoder(*spectrograms)
        higher = encoder(*(spectrogram.roll(3 * moved, 2) for spectrogram in spectrograms))
        encoder.positions.normal_()
        placed, placed_higher = (
            encoder(*(spectrogram.roll(3 * shift, 2) for spectrogram in spectrograms)) for shift in (0, moved)
        )
    # a patch sees a row to either side, attention `near`, the partials from two octaves below to three above
    middle = slice(-PARTIALS[0] + near + 1, rows - PARTIALS[-1] - near - 1 - moved)
    above = slice(middle.start + moved, middle.stop + moved)
    assert middle.stop - middle.start > 20
    assert torch.allclose(here[:, :, middle], higher[:, :, above], atol=1e-5)
    assert not torch.allclose(here[:, :, middle], higher[:, :, middle], atol=0.1)
    assert not torch.allclose(placed[:, :, middle], placed_higher[:, :, above], atol=0.1)


def test_a_perfect_prediction_has_the_least_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    onset = (torch.rand(2, 30, 88, generator=generator) > 0.98).float()
    target = {"onset": onset, "shift": onset * 0.3, "velocity": onset * 0.5, "held": onset}
    target |= {"sounding": onset, "pedal": onset[..., 0]}
    logits = {name: torch.where(target[name] > 0, 12.0, -12.0) for name in ("onset", "held", "sounding", "pedal")}
    perfect = {**logits, "shift": target["shift"], "velocity": torch.zeros(2, 30, 88)}
    parts = losses(perfect, target)
    assert all(0 <= float(value) < 1e-3 for value in parts.values())
    for name in target:
        worse = {**perfect, name: perfect[name] + (3.0 if name in ("shift", "velocity") else -20 * target[name] + 10)}
        assert float(losses(worse, target)[name]) > 0.01
        assert float(losses(worse, target)["loss"]) == pytest.approx(float(losses(worse, target)[name]), abs=2e-3)
