"""Audio, its features and its augmentation."""

from __future__ import annotations

from pydantic import Field, model_validator

from s2s_lib.config.augmentation import AugmentationConfig
from s2s_lib.config.base import Section, key


class AudioConfig(Section):
    """Audio and its features. A pretrained encoder brings its own feature settings, and they win."""

    sample_rate: int = key(
        16000, "samples per second of rendered audio and features", "--sample-rate", ge=8000, le=48000
    )
    n_mels: int = key(224, "mel bands", "--n-mels", ge=16, le=512)
    n_fft: int = key(2048, "samples per Fourier transform", ge=256, le=16384)
    hop_length: int = key(160, "samples from one spectrogram frame to the next", ge=32, le=4096)
    f_min: float = key(27.5, "lowest mel band's lower edge in Hz", ge=0)
    f_max: float = key(8000.0, "highest mel band's upper edge in Hz", gt=0)
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig)

    @model_validator(mode="after")
    def _ranges(self) -> AudioConfig:
        if self.f_min >= self.f_max:
            raise ValueError(f"f_min {self.f_min} is not below f_max {self.f_max}")
        if self.f_max > self.sample_rate / 2:
            raise ValueError(f"f_max {self.f_max} is above half of sample_rate {self.sample_rate}; lower audio.f_max")
        if self.hop_length > self.n_fft:
            raise ValueError(
                f"hop_length {self.hop_length} is longer than n_fft {self.n_fft}: samples would be skipped"
            )
        return self
