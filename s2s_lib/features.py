"""Spectrograms, computed where the model runs: waveform in, frames out.

Two kinds. `pitch` is a pair of log-frequency spectrograms with a few bins per semitone: of a short Fourier transform,
which knows when, and of a long one, which tells low notes apart. `kaldi` is what pretrained Audio Spectrogram
Transformers were fed (Gong et al., Interspeech 2021): DC removed, pre-emphasis, 25 ms Hann window, Kaldi's mel
scale; it equals transformers' ASTFeatureExtractor.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from transformers import ASTFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from s2s_lib.config import AudioConfig
from s2s_lib.notes import PITCHES

LOWEST_HZ = 27.5  # A0, the lowest key
FLOOR = 1e-8  # power, of a full-scale sine's, below which nothing is heard: -80 dB
MEAN, STD = -9.0, 4.0  # of log power in rendered piano music; only the scale of the input depends on them
KALDI_FLOOR = 1.192092955078125e-07  # float32's epsilon, as in Kaldi
KALDI_PREEMPHASIS = 0.97
KALDI_WINDOW_S, KALDI_HOP_S = 0.025, 0.010
KALDI_F_MIN = 20.0


@dataclass(frozen=True)
class FeatureSettings:
    """All that turns a waveform into features; saved with the model, so that it can't be fed others.

    Lengths are in samples, frequencies in Hz. Features are (log power - mean) / std. `window_length` is the longest
    stretch that a frame looks at; `bins_per_semitone` and `long_n_fft` are those of kind `pitch`, 0 otherwise.
    """

    kind: Literal["pitch", "kaldi"]
    sample_rate: int
    n_bins: int
    n_fft: int
    window_length: int
    hop_length: int
    f_min: float
    mean: float
    std: float
    bins_per_semitone: int = 0
    long_n_fft: int = 0

    @classmethod
    def from_audio(cls, audio: AudioConfig) -> FeatureSettings:
        """Settings of a scratch encoder, as the config asks: rows of semitones from A0 to half the sample rate."""
        rows = max(PITCHES, int(12 * np.log2(audio.sample_rate / 2 / LOWEST_HZ)) + 1)
        return cls(
            "pitch", audio.sample_rate, rows * audio.bins_per_semitone, audio.n_fft, audio.long_n_fft,
            audio.hop_length, LOWEST_HZ, MEAN, STD, audio.bins_per_semitone, audio.long_n_fft,
        )  # fmt: skip

    @classmethod
    def from_extractor(cls, extractor: ASTFeatureExtractor) -> FeatureSettings:
        """Settings of a pretrained AST, as its feature extractor has them (it normalises by twice its std)."""
        rate = extractor.sampling_rate
        window = round(KALDI_WINDOW_S * rate)
        mean, std = (extractor.mean, 2 * extractor.std) if extractor.do_normalize else (0.0, 1.0)
        return cls(
            "kaldi", rate, extractor.num_mel_bins, 1 << (window - 1).bit_length(), window,
            round(KALDI_HOP_S * rate), KALDI_F_MIN, mean, std,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values for a model's config.json."""
        return asdict(self)

    def samples(self, frames: int) -> int:
        """Samples of audio that give exactly `frames` frames."""
        return (frames - 1) * self.hop_length + self.window_length

    @property
    def first_centre_s(self) -> float:
        """Time in seconds of the first frame's centre, counted from the first sample."""
        return self.window_length / 2 / self.sample_rate

    @property
    def hop_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate


def spectrograms(settings: FeatureSettings, encoder: dict[str, Any]) -> Spectrograms:
    """What turns waveforms into the spectrograms that an encoder of this config takes."""
    if settings.kind == "kaldi":
        return LogMel(settings)
    return LogFrequency(settings, encoder["time_stride"], encoder["patch_size"])


class Spectrograms(nn.Module):
    """Waveforms of shape (batch, samples) to a tuple of spectrograms (batch, frames, bins). Nothing is padded."""

    def __init__(self, settings: FeatureSettings):
        super().__init__()
        self.settings = settings
        # constants, not buffers: from_pretrained builds a model without memory and would leave buffers empty
        self._constants: dict[tuple[int, torch.device], tuple[torch.Tensor, torch.Tensor]] = {}

    @torch.no_grad()
    def forward(self, waveform: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.autocast(waveform.device.type, enabled=False):  # bf16 can't hold a spectrum's range
            return self._spectrograms(waveform.float())

    def _logarithms(self, frames: torch.Tensor, n_fft: int, floor: float) -> torch.Tensor:
        """Frames of samples (batch, frames, length) to normalised log powers (batch, frames, bins)."""
        key = n_fft, frames.device
        if key not in self._constants:
            window, filters = self._window_and_filters(n_fft)
            self._constants[key] = window.to(frames.device), filters.to(frames.device)
        window, filters = self._constants[key]
        power = torch.fft.rfft(frames * window, n_fft).abs().square()  # (batch, frames, n_fft / 2 + 1)
        return ((power @ filters).clamp_min(floor).log() - self.settings.mean) / self.settings.std


class LogFrequency(Spectrograms):
    """A short transform's spectrogram every hop, and a long one's every `time_stride` hops.

    Frame i of the short one has its centre i hops behind the middle of the window's first `long_n_fft` samples; frame
    j of the long one lies on the middle of the j-th patch of `patch_size` short frames.
    """

    def __init__(self, settings: FeatureSettings, time_stride: int, patch_size: int):
        super().__init__(settings)
        self.time_stride, self.patch_size = time_stride, patch_size

    def _spectrograms(self, waveform: torch.Tensor) -> tuple[torch.Tensor, ...]:
        settings = self.settings
        lead = (settings.long_n_fft - settings.n_fft) // 2
        short = waveform[:, lead : waveform.shape[1] - lead].unfold(1, settings.n_fft, settings.hop_length)
        steps = (short.shape[1] - self.patch_size) // self.time_stride + 1
        middle = (self.patch_size - 1) * settings.hop_length // 2
        long = waveform[:, middle:].unfold(1, settings.long_n_fft, settings.hop_length * self.time_stride)[:, :steps]
        return (
            self._logarithms(short, settings.n_fft, FLOOR),
            self._logarithms(long, settings.long_n_fft, FLOOR),
        )

    def _window_and_filters(self, n_fft: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A Hann window under which a full-scale sine has power 1, and the filters."""
        return torch.hann_window(n_fft) / (n_fft / 4), _pitch_filters(self.settings, n_fft)


class LogMel(Spectrograms):
    """Kaldi's log-mel spectrogram; frame i looks at samples [i * hop_length, i * hop_length + window_length)."""

    def _spectrograms(self, waveform: torch.Tensor) -> tuple[torch.Tensor, ...]:
        settings = self.settings
        frames = waveform.unfold(1, settings.window_length, settings.hop_length)
        frames = frames - frames.mean(2, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], 2)
        frames = frames - KALDI_PREEMPHASIS * previous
        return (self._logarithms(frames, settings.n_fft, KALDI_FLOOR),)

    def _window_and_filters(self, n_fft: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.hann_window(self.settings.window_length, periodic=False), _mel_filters(self.settings)


def _pitch_filters(settings: FeatureSettings, n_fft: int) -> torch.Tensor:
    """Triangular filters of shape (n_fft / 2 + 1, n_bins), equally spaced in pitch; each weighs 1 in all.

    The middle bin of row r is r semitones above A0. A filter is a bin wide to either side, or a Fourier bin where
    that is wider, so low bins interpolate between the Fourier transform's. Bins above half the sample rate are empty.
    """
    per_octave = 12 * settings.bins_per_semitone
    bins = np.arange(settings.n_bins) - (settings.bins_per_semitone - 1) / 2
    centres = LOWEST_HZ * 2 ** (bins / per_octave)
    fourier = np.arange(n_fft // 2 + 1)[:, None] * settings.sample_rate / n_fft
    width = np.maximum(centres * (2 ** (1 / per_octave) - 1), settings.sample_rate / n_fft)
    filters = np.clip(1 - np.abs(fourier - centres) / width, 0, None)
    return torch.from_numpy(filters / np.maximum(filters.sum(0), 1e-9)).float()


def _mel_filters(settings: FeatureSettings) -> torch.Tensor:
    """Triangular filters of shape (n_fft / 2 + 1, n_bins) on Kaldi's mel scale."""
    filters = mel_filter_bank(
        settings.n_fft // 2 + 1, settings.n_bins, settings.f_min, settings.sample_rate / 2, settings.sample_rate,
        norm=None, mel_scale="kaldi", triangularize_in_mel_space=True,
    )  # fmt: skip
    return torch.from_numpy(filters).float()
