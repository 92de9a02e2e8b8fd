"""Layers on tokens of shape (batch, steps, rows, size): a row is a place in frequency, a step one in time."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

# a partial's distance from its fundamental in semitones, 12 log2(n) for n = 1/4 to 8: where a note is to be heard
PARTIALS = (-24, -19, -12, 0, 12, 19, 24, 28, 31, 34, 36)


class Attention(nn.Module):
    """Multi-head attention between places on a line, with a learnt bias for every distance.

    The bias (Shaw et al., 2018, in the scalar form of T5, Raffel et al., 2020) makes what is learnt at one pitch or
    moment hold at every other. `longest` bounds the places of queries and keys; each head starts out looking
    `sharpness` less per place away, halved from head to head (the slopes of ALiBi, Press et al., 2022).
    """

    def __init__(self, size: int, heads: int, longest: int, sharpness: float = 0.0):
        super().__init__()
        self.heads, self.longest = heads, longest
        self.query, self.key_value, self.out = nn.Linear(size, size), nn.Linear(size, 2 * size), nn.Linear(size, size)
        self.bias = nn.Parameter(torch.empty(heads, 2 * longest - 1))
        with torch.no_grad():
            slopes = sharpness * 0.5 ** torch.arange(heads)
            self.bias.copy_(-slopes[:, None] * torch.arange(1 - longest, longest).abs())

    def forward(self, tokens: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens (..., places, size) look at memory (..., other places, size), or at each other without one."""
        memory = tokens if memory is None else memory
        queries, keys = tokens.shape[-2], memory.shape[-2]
        query = self._split(self.query(tokens), 1)[0]
        key, value = self._split(self.key_value(memory), 2)
        distance = torch.arange(keys, device=tokens.device) - torch.arange(queries, device=tokens.device)[:, None]
        bias = self.bias[:, distance + self.longest - 1]  # (heads, queries, keys)
        weight = (query @ key.transpose(-1, -2)).add(bias).softmax(-1)  # (batch, heads, queries, keys)
        seen = (weight @ value).transpose(1, 2).reshape(tokens.shape)
        return self.out(seen)

    def _split(self, projected: torch.Tensor, parts: int) -> torch.Tensor:
        """(..., places, parts * size) to (parts, batch, heads, places, size of a head), the first part scaled."""
        places, width = projected.shape[-2], projected.shape[-1] // parts // self.heads
        split = projected.reshape(-1, places, parts, self.heads, width).permute(2, 0, 3, 1, 4)
        return split * width**-0.5 if parts == 1 else split


class FeedForward(nn.Module):
    """A Transformer's feed-forward layer that sees its neighbours in time: a convolution of `reach` steps.

    (FastSpeech, Ren et al., 2019, has the like.) One matrix product instead of a convolution, which the CPU likes.
    """

    def __init__(self, size: int, inner: int, reach: int = 3):
        super().__init__()
        self.reach = reach
        self.inner, self.out = nn.Linear(reach * size, inner), nn.Linear(inner, size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (batch, steps, rows, size)."""
        steps = tokens.shape[1]
        side = self.reach // 2
        padded = F.pad(tokens, (0, 0, 0, 0, side, side))
        near = torch.cat([padded[:, shift : shift + steps] for shift in range(self.reach)], -1)
        return self.out(F.gelu(self.inner(near), approximate="tanh"))


class Harmonics(nn.Module):
    """Every row hears the rows where its partials lie, and those whose partial it may be.

    The harmonic convolution of HPPNet (Wei et al., ISMIR 2022), on one step's tokens.
    """

    def __init__(self, size: int, narrow: int):
        super().__init__()
        self.narrow, self.out = nn.Linear(size, narrow), nn.Linear(len(PARTIALS) * narrow, size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (batch, steps, rows, size); rows are a semitone apart."""
        rows = tokens.shape[2]
        padded = F.pad(self.narrow(tokens), (0, 0, -PARTIALS[0], PARTIALS[-1]))
        heard = [padded[:, :, partial - PARTIALS[0] : partial - PARTIALS[0] + rows] for partial in PARTIALS]
        return self.out(torch.cat(heard, -1))
