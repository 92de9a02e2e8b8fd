"""The network: an Audio Spectrogram Transformer encoder and a Transformer decoder of frame queries.

The encoder (Gong et al., "AST: Audio Spectrogram Transformer", Interspeech 2021) turns a window of spectrogram into
patches, frequency x time. Each time step's column of patches becomes the queries of a few output frames; a
Transformer decoder lets them look at each other and at all patches; one linear layer reads the 88 keys off each.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ASTConfig, ASTModel, PreTrainedConfig, PreTrainedModel

from s2s_lib.features import FeatureSettings, LogMel
from s2s_lib.notes import PITCHES

KEY_OUTPUTS = 4  # onset, shift, velocity, held: for each key and frame
SPECIAL_TOKENS = 2  # AST puts a class and a distillation token before the patches
ONSET_PRIOR, HELD_PRIOR = 0.005, 0.05  # shares of keys x frames that start and sound: the untrained model's guess
# an onset fills few frames but decides most of a score; the sum is about 1 for an untrained model
ONSET_WEIGHT, SHIFT_WEIGHT, VELOCITY_WEIGHT, HELD_WEIGHT, PEDAL_WEIGHT = 10.0, 5.0, 5.0, 2.0, 0.1


class TranscriptionConfig(PreTrainedConfig):
    """Shape of the network and the features it takes; saved as config.json beside the weights."""

    model_type = "sound2sheet"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        features: dict[str, Any] | None = None,
        hidden_size: int = 256,
        num_decoder_layers: int = 2,
        num_decoder_heads: int = 4,
        dropout: float = 0.1,
        frames_per_step: int = 4,
        soundfonts: dict[str, str] | None = None,
        **kwargs: Any,
    ):
        self.encoder = encoder or {}
        self.features = features or {}
        self.hidden_size = hidden_size
        self.num_decoder_layers = num_decoder_layers
        self.num_decoder_heads = num_decoder_heads
        self.dropout = dropout
        self.frames_per_step = frames_per_step
        self.soundfonts = soundfonts or {}  # the pianos that training heard: SHA-256 to file name
        super().__init__(**kwargs)

    @property
    def feature_settings(self) -> FeatureSettings:
        """The features as the model wants them."""
        return FeatureSettings(**self.features)

    @property
    def window_samples(self) -> int:
        """Samples of audio that one window takes."""
        return self.feature_settings.samples(self.encoder["max_length"])

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Patches of a window: (frequency, time)."""
        return patch_grid(self.encoder)

    @property
    def frames(self) -> int:
        """Output frames of one window."""
        return self.grid_shape[1] * self.frames_per_step

    @property
    def frame_s(self) -> float:
        """Seconds per output frame."""
        return self.encoder["time_stride"] * self.feature_settings.hop_s / self.frames_per_step

    @property
    def first_frame_s(self) -> float:
        """Where the first output frame starts, in seconds from the window's first sample.

        A time step's output frames are centred on its patches, so the first lies half a patch, less half a stride,
        behind the first spectrogram frame's centre.
        """
        settings = self.feature_settings
        lead = (self.encoder["patch_size"] - 1 - self.encoder["time_stride"]) / 2
        return settings.first_centre_s + lead * settings.hop_s


def patch_grid(encoder: dict[str, Any]) -> tuple[int, int]:
    """Patches that an AST of this config makes of a window: (frequency, time)."""
    size = encoder["patch_size"]
    frequency = (encoder["num_mel_bins"] - size) // encoder["frequency_stride"] + 1
    return frequency, (encoder["max_length"] - size) // encoder["time_stride"] + 1


class TranscriptionModel(PreTrainedModel):
    """Audio windows in, a grid of predictions out."""

    config_class = TranscriptionConfig
    base_model_prefix = "sound2sheet"
    main_input_name = "waveform"
    _supports_sdpa = True

    def __init__(self, config: TranscriptionConfig):
        super().__init__(config)
        encoder = ASTConfig(**config.encoder)
        encoder._attn_implementation = "sdpa"  # several times as fast as eager attention on the CPU
        self.features = LogMel(config.feature_settings)
        self.encoder = ASTModel(encoder)
        bands, steps = config.grid_shape
        size = config.hidden_size
        self.to_memory = nn.Linear(encoder.hidden_size, size)
        self.to_queries = nn.Linear(bands * encoder.hidden_size, config.frames_per_step * size)
        self.query_positions = nn.Parameter(torch.empty(1, steps * config.frames_per_step, size))
        layer = nn.TransformerDecoderLayer(
            size, config.num_decoder_heads, 4 * size, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.num_decoder_layers, nn.LayerNorm(size))
        self.head = nn.Linear(size, PITCHES * KEY_OUTPUTS + 1)
        self.post_init()
        nn.init.trunc_normal_(self.query_positions, std=0.02)
        with torch.no_grad():  # start from the rarity of notes instead of learning it first
            bias = self.head.bias[:-1].view(PITCHES, KEY_OUTPUTS)
            bias[:, 0], bias[:, 3] = _logit(ONSET_PRIOR), _logit(HELD_PRIOR)

    def _init_weights(self, module: nn.Module) -> None:
        """Leaves PyTorch's own initialisation of the decoder; AST initialises itself."""

    def forward(self, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
        """Predictions for windows of audio.

        waveform: (batch, window_samples), mono. Returns logits `onset`, `held` and `velocity` and the `shift` of an
        onset in frames, each (batch, frames, 88), and logits `pedal` (batch, frames).
        """
        bands, steps = self.config.grid_shape
        spectrogram = self.features(waveform)  # (batch, max_length, n_mels)
        patches = self.encoder(spectrogram).last_hidden_state[:, SPECIAL_TOKENS:]  # (batch, bands * steps, width)
        columns = patches.unflatten(1, (bands, steps)).transpose(1, 2).flatten(2)  # (batch, steps, bands * width)
        queries = self.to_queries(columns).unflatten(2, (self.config.frames_per_step, -1)).flatten(1, 2)
        hidden = self.decoder(queries + self.query_positions, self.to_memory(patches))  # (batch, frames, hidden_size)
        output = self.head(hidden).float()
        keys = output[..., :-1].unflatten(2, (PITCHES, KEY_OUTPUTS))
        onset, shift, velocity, held = keys.unbind(3)
        return {"onset": onset, "shift": shift, "velocity": velocity, "held": held, "pedal": output[..., -1]}


def losses(predicted: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parts of the loss, weighted, and their sum `loss`; each is a mean over windows, frames and keys.

    target: as `predicted`, with labels in the place of logits (see targets.Grid). Shift and velocity count where an
    onset is near, by as much as it is near.
    """
    weight = target["onset"]
    cross_entropy = F.binary_cross_entropy_with_logits
    shift_error = F.smooth_l1_loss(predicted["shift"], target["shift"], reduction="none", beta=0.1)
    velocity_error = (predicted["velocity"].sigmoid() - target["velocity"]).abs()
    parts = {
        "onset": ONSET_WEIGHT * cross_entropy(predicted["onset"], target["onset"]),
        "shift": SHIFT_WEIGHT * (weight * shift_error).mean(),
        "velocity": VELOCITY_WEIGHT * (weight * velocity_error).mean(),
        "held": HELD_WEIGHT * cross_entropy(predicted["held"], target["held"]),
        "pedal": PEDAL_WEIGHT * cross_entropy(predicted["pedal"], target["pedal"]),
    }
    return {"loss": sum(parts.values()), **parts}


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
