"""Models by name: from random weights, from a pretrained AST, or from a folder that training left."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import ASTFeatureExtractor, ASTModel
from transformers.utils import logging

from s2s_lib.config import RELEASED, RELEASED_FOLDER, SCRATCH, SCRATCH_WINDOW_S, AudioConfig, Config, ModelConfig
from s2s_lib.errors import InputError
from s2s_lib.features import FeatureSettings
from s2s_lib.model import PITCH, SPECIAL_TOKENS, TranscriptionConfig, TranscriptionModel, patch_grid
from s2s_lib.weights import MODEL_TYPE, check_model, model_type, way_out


def build_model(config: Config) -> TranscriptionModel:
    """The model that training starts from, as `config.model` asks; weights that are not loaded are random.

    `encoder_name` is 'released', 'scratch', a Hugging Face id of an AST, a folder of an AST made by save_pretrained,
    or a folder of a whole model made by training. Raises InputError if it can't be had or contradicts the config.
    """
    settings = config.model
    released = settings.encoder_name == RELEASED
    folder = RELEASED_FOLDER if released else Path(settings.encoder_name).expanduser()
    if settings.encoder_name == SCRATCH:
        model = TranscriptionModel(_scratch_config(config))
    elif released or model_type(folder) == MODEL_TYPE:
        model = load_model(folder)
        _refuse_contradictions(config, model.config)
    else:
        encoder, features = _pretrained_encoder(config)
        model = TranscriptionModel(_transcription_config(settings, encoder.config.to_dict(), features))
        model.encoder.ast.load_state_dict(encoder.state_dict())
    if settings.freeze_encoder:
        model.encoder.requires_grad_(False)
    return model


def load_model(folder: str | Path) -> TranscriptionModel:
    """A model that save_pretrained wrote, in single precision whatever its file has.

    Raises InputError if it is missing, truncated, of another shape or of another version of this package.
    """
    folder = Path(folder)
    check_model(folder)
    _refuse_other_version(folder)
    try:
        with no_bars():
            model, found = TranscriptionModel.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
            )
    except (RuntimeError, SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder}: its weights do not fit its config.json ({reason}); {way_out(folder)}.") from None
    wrong = [*found["missing_keys"], *found["unexpected_keys"]]
    if wrong:
        raise InputError(
            f"{folder}: its weights do not fit its config.json ({len(wrong)} of them, such as {sorted(wrong)[0]}); "
            f"{way_out(folder)}."
        )
    return model


def _refuse_other_version(folder: Path) -> None:
    """Raises InputError unless a model's features are described by the keys that this version writes."""
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("features")
    keys = set(saved) if isinstance(saved, dict) else set()
    known = {field.name for field in fields(FeatureSettings)}
    if known - keys:
        raise InputError(f"{folder}: was made by an older version of Sound2Sheet; {way_out(folder)}.")
    if keys - known:
        raise InputError(f"{folder}: was made by a newer version of Sound2Sheet; update it, or {way_out(folder)}.")


@contextmanager
def no_bars() -> Iterator[None]:
    """Loading and saving take a moment here; transformers' progress bars would only litter the reports."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _scratch_config(config: Config) -> TranscriptionConfig:
    """An encoder of random weights, as wide and deep as the config asks."""
    settings, features = config.model, FeatureSettings.from_audio(config.audio)
    window_s = settings.window_seconds or SCRATCH_WINDOW_S
    encoder = {
        "model_type": PITCH,
        "hidden_size": settings.encoder_hidden_size,
        "num_hidden_layers": settings.num_encoder_layers,
        "num_attention_heads": settings.num_encoder_heads,
        "dropout": settings.dropout,
        "patch_size": settings.patch_size,
        "time_stride": settings.time_stride,
        "max_length": round(window_s / features.hop_s),
        "bins_per_semitone": features.bins_per_semitone,
        "rows": features.n_bins // features.bins_per_semitone,
    }
    return _transcription_config(settings, encoder, features)


def _transcription_config(
    settings: ModelConfig, encoder: dict[str, Any], features: FeatureSettings
) -> TranscriptionConfig:
    step_s = encoder["time_stride"] * features.hop_s
    return TranscriptionConfig(
        encoder=encoder,
        features=features.to_dict(),
        hidden_size=settings.hidden_size,
        num_decoder_layers=settings.num_decoder_layers,
        num_decoder_heads=settings.num_decoder_heads,
        dropout=settings.dropout,
        frames_per_step=max(1, round(step_s / settings.frame_seconds)),
    )


def _pretrained_encoder(config: Config) -> tuple[ASTModel, FeatureSettings]:
    """A pretrained AST, cut to the asked window, and the settings of its own feature extractor."""
    name = config.model.encoder_name
    try:
        with no_bars():
            encoder, found = ASTModel.from_pretrained(name, output_loading_info=True)
        extractor = ASTFeatureExtractor.from_pretrained(name)
    except (SafetensorError, EOFError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"model.encoder_name {name!r} is no usable pretrained AST ({reason}).") from None
    except OSError as error:
        if Path(name).expanduser().is_dir():
            reason = str(error).splitlines()[0]
            raise InputError(f"model.encoder_name {name!r}: the folder is incomplete ({reason}).", usage=True) from None
        raise InputError(
            f"model.encoder_name {name!r} can't be reached and is not cached; go online once, or use 'released', "
            "'scratch' or the path of a folder made by save_pretrained.", usage=True
        ) from None  # fmt: skip
    if found["missing_keys"]:
        raise InputError(
            f"model.encoder_name {name!r} is no Audio Spectrogram Transformer: "
            f"{len(found['missing_keys'])} of its weights are missing.", usage=True
        )  # fmt: skip
    features = FeatureSettings.from_extractor(extractor)
    _refuse_others(config.audio, "audio", features.to_dict())
    _refuse_others(config.model, "model", _encoder_shape(encoder.config.to_dict()))
    if config.model.window_seconds is not None:
        _cut_window(encoder, round(config.model.window_seconds / features.hop_s), name)
    return encoder, features


def _cut_window(encoder: ASTModel, frames: int, name: str) -> None:
    """Shortens an AST's window by dropping its later positions, as the AST paper does for shorter inputs."""
    longest = encoder.config.max_length
    if not encoder.config.patch_size <= frames <= longest:
        raise InputError(
            f"model.window_seconds gives {frames} frames; the encoder {name!r} takes "
            f"{encoder.config.patch_size} to {longest}.", usage=True
        )  # fmt: skip
    bands, steps = patch_grid(encoder.config.to_dict())
    encoder.config.max_length = frames
    kept = patch_grid(encoder.config.to_dict())[1]
    positions = encoder.embeddings.position_embeddings.data
    special, grid = positions[:, :SPECIAL_TOKENS], positions[:, SPECIAL_TOKENS:].unflatten(1, (bands, steps))
    cut = torch.cat([special, grid[:, :, :kept].flatten(1, 2)], dim=1)
    encoder.embeddings.position_embeddings = torch.nn.Parameter(cut)


def _refuse_contradictions(config: Config, saved: TranscriptionConfig) -> None:
    """A trained model keeps its shape and features; a key that asks for others is refused instead of ignored."""
    shape = {
        name: getattr(saved, name) for name in ("hidden_size", "num_decoder_layers", "num_decoder_heads", "dropout")
    }
    shape |= {
        "frame_seconds": saved.frame_s,
        "window_seconds": saved.encoder["max_length"] * saved.feature_settings.hop_s,
    }
    _refuse_others(config.audio, "audio", saved.feature_settings.to_dict())
    _refuse_others(config.model, "model", shape | _encoder_shape(saved.encoder))


def _encoder_shape(encoder: dict[str, Any]) -> dict[str, Any]:
    """An AST's config under the names of the config keys that shape a scratch encoder."""
    return {
        "encoder_hidden_size": encoder["hidden_size"],
        "num_encoder_layers": encoder["num_hidden_layers"],
        "num_encoder_heads": encoder["num_attention_heads"],
        **{name: encoder[name] for name in ("patch_size", "time_stride")},
    }


def _refuse_others(asked: AudioConfig | ModelConfig, section: str, own: dict[str, Any]) -> None:
    """Refuses keys set to anything but what the pretrained model brings; at their default they were not set."""
    for name in own.keys() & type(asked).model_fields.keys():
        value, default = getattr(asked, name), type(asked).model_fields[name].default
        if value != default and not math.isclose(value, own[name], rel_tol=0.01):
            raise InputError(
                f"{section}.{name} is {value} but the pretrained model has {own[name]}; leave it out.", usage=True
            )
