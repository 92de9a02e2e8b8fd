"""The whole network: an Audio Spectrogram Transformer and a Transformer decoder of 88 x time queries.

The decoder has a query for every key and time step. A query starts from what the encoder has at its place, looks at
its own key's past and future and at all that sounds in its step, and says for the step's few output frames whether a
note starts, how far from the frame's centre, how loud, whether the key is down and whether its strings sound.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from s2s_lib.features import spectrograms
from s2s_lib.model.config import PITCH, TranscriptionConfig
from s2s_lib.model.encoder import FEED_FORWARD, PitchEncoder, PretrainedEncoder
from s2s_lib.model.layers import Attention, FeedForward
from s2s_lib.notes import PITCHES

KEY_OUTPUTS = ("onset", "shift", "velocity", "held", "sounding")  # for each key and frame
PRIORS = {"onset": 0.005, "held": 0.05, "sounding": 0.08}  # shares of keys x frames: the untrained model's guess
TIME_SHARPNESS = 0.05  # of a key's attention along time, per step; at 80 ms the heads start out seeing 1 to 13 s


class TranscriptionModel(PreTrainedModel):
    """Audio windows in, a grid of predictions out."""

    config_class = TranscriptionConfig
    base_model_prefix = "sound2sheet"
    main_input_name = "waveform"

    def __init__(self, config: TranscriptionConfig):
        super().__init__(config)
        self.features = spectrograms(config.feature_settings, config.encoder)
        own = config.encoder["model_type"] == PITCH
        self.encoder = (PitchEncoder if own else PretrainedEncoder)(config.encoder)
        size, width = config.hidden_size, config.encoder["hidden_size"]
        rows, steps = config.grid_shape
        self.to_memory = nn.Linear(width, size)
        # a pretrained AST has no row for each key, so its queries come from the whole column
        self.to_queries = nn.Linear(width, size) if own else Columns(rows * width, size)
        self.layers = nn.ModuleList(DecoderLayer(config, rows, steps) for _ in range(config.num_decoder_layers))
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, config.frames_per_step * len(KEY_OUTPUTS))
        self.pedal = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, config.frames_per_step))
        self.post_init()
        with torch.no_grad():  # start from the rarity of notes instead of learning it first
            bias = self.head.bias.view(config.frames_per_step, len(KEY_OUTPUTS))
            for index, name in enumerate(KEY_OUTPUTS):
                bias[:, index] = _logit(PRIORS[name]) if name in PRIORS else 0.0

    def _init_weights(self, module: nn.Module) -> None:
        """Leaves PyTorch's own initialisation; a pretrained AST brings its own."""

    def forward(self, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
        """Predictions for windows of audio.

        waveform: (batch, window_samples), mono. Returns logits `onset`, `held`, `sounding` and `velocity` and the
        `shift` of an onset in frames, each (batch, frames, 88), and logits `pedal` (batch, frames).
        """
        tokens = self.encoder(*self.features(waveform))  # (batch, steps, rows, width)
        memory = self.to_memory(tokens)
        seeds = tokens[:, :, :PITCHES] if isinstance(self.encoder, PitchEncoder) else tokens
        queries = self.to_queries(seeds)  # (batch, steps, 88, hidden_size)
        for layer in self.layers:
            queries = layer(queries, memory)
        hidden = self.norm(queries)
        keys = self.head(hidden).float().unflatten(3, (self.config.frames_per_step, len(KEY_OUTPUTS)))
        maps = keys.permute(4, 0, 1, 3, 2).flatten(2, 3)  # (outputs, batch, frames, 88)
        pedal = self.pedal(hidden.mean(2)).float().flatten(1)
        return dict(zip(KEY_OUTPUTS, maps.unbind(), strict=True)) | {"pedal": pedal}


class DecoderLayer(nn.Module):
    """Queries look along time at their own key, then across their step at the memory, then feed forward."""

    def __init__(self, config: TranscriptionConfig, rows: int, steps: int):
        super().__init__()
        size, heads = config.hidden_size, config.num_decoder_heads
        self.along = Attention(size, heads, steps, TIME_SHARPNESS)
        self.across = Attention(size, heads, max(rows, PITCHES))
        self.forward_ = FeedForward(size, FEED_FORWARD * size)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(4))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, queries: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """Queries (batch, steps, 88, size), memory (batch, steps, rows, size)."""
        own, other, seen, last = self.norms
        along = self.along(own(queries).transpose(1, 2)).transpose(1, 2)
        queries = queries + self.dropout(along)
        queries = queries + self.dropout(self.across(other(queries), seen(memory)))
        return queries + self.dropout(self.forward_(last(queries)))


class Columns(nn.Module):
    """Queries for 88 keys from whole columns of patches, through a bottleneck."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.narrow, self.wide = nn.Linear(width, 2 * size), nn.Linear(2 * size, PITCHES * size)
        self.size = size

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (batch, steps, rows, width) to queries (batch, steps, 88, size)."""
        return self.wide(F.gelu(self.narrow(tokens.flatten(2)))).unflatten(2, (PITCHES, self.size))


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
