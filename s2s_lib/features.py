"""Log-mel spectrograms, computed where the model runs: waveform in, frames out.

Two kinds. `mel` is a log-mel spectrogram on HTK's mel scale. `kaldi` is what pretrained Audio Spectrogram
Transformers were fed (Gong et al., Interspeech 2021): DC removed, pre-emphasis, 25 ms Hann window, Kaldi's mel
scale; it equals transformers' ASTFeatureExtractor.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import librosa
import torch
from torch import nn
from transformers import ASTFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from s2s_lib.config import AudioConfig

MEL_FLOOR = 1e-5  # power below which a quiet room is silence; keeps the logarithm from stretching numerical noise
MEL_MEAN, MEL_STD = -4.0, 4.0  # of log-mels of rendered piano music; only the scale of the input depends on them
KALDI_FLOOR = 1.192092955078125e-07  # float32's epsilon, as in Kaldi
KALDI_PREEMPHASIS = 0.97
KALDI_WINDOW_S, KALDI_HOP_S = 0.025, 0.010
KALDI_F_MIN = 20.0


@dataclass(frozen=True)
class FeatureSettings:
    """All that turns a waveform into features; saved with the model, so that it can't be fed others.

    Lengths are in samples, frequencies in Hz. Features are (log power - mean) / std.
    """

    kind: Literal["mel", "kaldi"]
    sample_rate: int
    n_mels: int
    n_fft: int
    window_length: int
    hop_length: int
    f_min: float
    f_max: float
    mean: float
    std: float

    @classmethod
    def from_audio(cls, audio: AudioConfig) -> FeatureSettings:
        """Settings of a scratch encoder, as the config asks."""
        return cls(
            "mel", audio.sample_rate, audio.n_mels, audio.n_fft, audio.n_fft, audio.hop_length, audio.f_min,
            audio.f_max, MEL_MEAN, MEL_STD,
        )  # fmt: skip

    @classmethod
    def from_extractor(cls, extractor: ASTFeatureExtractor) -> FeatureSettings:
        """Settings of a pretrained AST, as its feature extractor has them (it normalises by twice its std)."""
        rate = extractor.sampling_rate
        window = round(KALDI_WINDOW_S * rate)
        mean, std = (extractor.mean, 2 * extractor.std) if extractor.do_normalize else (0.0, 1.0)
        return cls(
            "kaldi", rate, extractor.num_mel_bins, 1 << (window - 1).bit_length(), window,
            round(KALDI_HOP_S * rate), KALDI_F_MIN, rate / 2, mean, std,
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


class LogMel(nn.Module):
    """Waveforms of shape (batch, samples) to features of shape (batch, frames, n_mels).

    Frame i looks at samples [i * hop_length, i * hop_length + window_length): nothing is padded.
    """

    def __init__(self, settings: FeatureSettings):
        super().__init__()
        self.settings = settings
        # constants, not buffers: from_pretrained builds a model without memory and would leave buffers empty
        self._constants: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}

    @torch.no_grad()
    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        settings = self.settings
        window, filters = self._window_and_filters(waveform.device)
        with torch.autocast(waveform.device.type, enabled=False):  # bf16 can't hold a spectrum's range
            frames = waveform.float().unfold(1, settings.window_length, settings.hop_length)
            if settings.kind == "kaldi":
                frames = frames - frames.mean(2, keepdim=True)
                previous = torch.cat([frames[..., :1], frames[..., :-1]], 2)
                frames = frames - KALDI_PREEMPHASIS * previous
            power = torch.fft.rfft(frames * window, settings.n_fft).abs().square()  # (batch, frames, n_fft / 2 + 1)
            mel = (power @ filters).clamp_min(KALDI_FLOOR if settings.kind == "kaldi" else MEL_FLOOR)
            return (mel.log() - settings.mean) / settings.std

    def _window_and_filters(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The analysis window (window_length,) and the mel filters (n_fft / 2 + 1, n_mels) on a device."""
        if device not in self._constants:
            window = torch.hann_window(self.settings.window_length, periodic=self.settings.kind == "mel")
            self._constants[device] = window.to(device), _mel_filters(self.settings).to(device)
        return self._constants[device]


def _mel_filters(settings: FeatureSettings) -> torch.Tensor:
    """Triangular filters of shape (n_fft / 2 + 1, n_mels)."""
    if settings.kind == "kaldi":
        filters = mel_filter_bank(
            settings.n_fft // 2 + 1, settings.n_mels, settings.f_min, settings.f_max, settings.sample_rate,
            norm=None, mel_scale="kaldi", triangularize_in_mel_space=True,
        )  # fmt: skip
        return torch.from_numpy(filters).float()
    filters = librosa.filters.mel(
        sr=settings.sample_rate, n_fft=settings.n_fft, n_mels=settings.n_mels, fmin=settings.f_min, fmax=settings.f_max,
        htk=True, norm=None,
    )  # fmt: skip
    return torch.from_numpy(filters.T.copy()).float()
