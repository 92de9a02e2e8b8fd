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
    n_fft: int = key(2048, "samples per Fourier transform, short enough to tell when a note starts", ge=256, le=16384)
    long_n_fft: int = key(8192, "samples per Fourier transform, long enough to tell low notes apart", ge=256, le=32768)
    hop_length: int = key(160, "samples from one spectrogram frame to the next", ge=32, le=4096)
    bins_per_semitone: int = key(3, "frequency bins per semitone; odd, so that one is in tune", ge=1, le=9)
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig)

    @model_validator(mode="after")
    def _ranges(self) -> AudioConfig:
        if self.bins_per_semitone % 2 == 0:
            raise ValueError(f"bins_per_semitone {self.bins_per_semitone} is even, so no bin would lie on a key")
        if self.long_n_fft < self.n_fft:
            raise ValueError(f"long_n_fft {self.long_n_fft} is shorter than n_fft {self.n_fft}")
        if self.hop_length > self.n_fft:
            raise ValueError(
                f"hop_length {self.hop_length} is longer than n_fft {self.n_fft}: samples would be skipped"
            )
        return self
