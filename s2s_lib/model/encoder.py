"""Audio Spectrogram Transformers: spectrograms in, tokens of shape (batch, steps, rows, width) out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import ASTConfig, ASTModel

from s2s_lib.model.config import patch_grid
from s2s_lib.model.layers import Attention, FeedForward, Harmonics

SPECIAL_TOKENS = 2  # AST puts a class and a distillation token before the patches
PATCH_SEMITONES = 3  # what a patch covers, one to either side
FEED_FORWARD = 2  # width of the feed-forward layers, in widths of the model


class PitchEncoder(nn.Module):
    """An AST whose patches lie a semitone apart, so that one set of weights learns all keys at once.

    After "AST: Audio Spectrogram Transformer" (Gong et al., Interspeech 2021): overlapping patches of a spectrogram
    become tokens of a Transformer. Here the spectrogram is log-frequency, and attention runs along frequency within
    a time step, while the feed-forward layers look at the neighbouring steps; that costs a hundredth of attention
    between all patches of a window.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        size, bins = config["hidden_size"], config["bins_per_semitone"]
        tall = PATCH_SEMITONES * bins
        pad = (0, (tall - bins) // 2)
        inner = FEED_FORWARD * size
        self.short = nn.Conv2d(1, inner, (config["patch_size"], tall), (config["time_stride"], bins), pad)
        self.long = nn.Conv2d(1, inner, (1, tall), (1, bins), pad)
        self.embed = nn.Linear(inner, size)
        self.positions = nn.Parameter(torch.zeros(config["rows"], size))
        self.layers = nn.ModuleList(PitchEncoderLayer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, short: torch.Tensor, long: torch.Tensor) -> torch.Tensor:
        """Spectrograms (batch, frames, bins) of a short and (batch, steps, bins) of a long Fourier transform."""
        patches = self.short(short[:, None]) + self.long(long[:, None])  # (batch, inner, steps, rows)
        tokens = self.embed(F.gelu(patches.permute(0, 2, 3, 1), approximate="tanh")) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class PitchEncoderLayer(nn.Module):
    """Partials, then attention along frequency, then the feed-forward layer; each normed before and added."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        size = config["hidden_size"]
        self.parts = nn.ModuleList(
            [
                Harmonics(size, size // 4),
                Attention(size, config["num_attention_heads"], config["rows"]),
                FeedForward(size, FEED_FORWARD * size),
            ]
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in self.parts)
        self.dropout = nn.Dropout(config["dropout"])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (batch, steps, rows, size)."""
        for norm, part in zip(self.norms, self.parts, strict=True):
            tokens = tokens + self.dropout(part(norm(tokens)))
        return tokens


class PretrainedEncoder(nn.Module):
    """One of transformers' ASTs, its patches laid out as steps and rows."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.shape = patch_grid(config)
        settings = ASTConfig(**config)
        settings._attn_implementation = "sdpa"  # several times as fast as eager attention on the CPU
        self.ast = ASTModel(settings)

    def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """A spectrogram (batch, frames, n_mels) to tokens."""
        patches = self.ast(spectrogram).last_hidden_state[:, SPECIAL_TOKENS:]  # (batch, rows * steps, width)
        return patches.unflatten(1, self.shape).transpose(1, 2)
