"""Shape of the network and the features it takes; saved as config.json beside the weights."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from s2s_lib.features import FeatureSettings
from s2s_lib.weights import MODEL_TYPE

PITCH = "pitch"  # the encoder of our own, of patches a semitone apart; other encoders are transformers' ASTs


class TranscriptionConfig(PreTrainedConfig):
    """Encoder, decoder and features.

    `soundfonts` are the pianos that training heard, SHA-256 to file name; `thresholds` those of targets.Thresholds
    that validation found best, none as long as it was not asked.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        features: dict[str, Any] | None = None,
        hidden_size: int = 96,
        num_decoder_layers: int = 2,
        num_decoder_heads: int = 4,
        dropout: float = 0.0,
        frames_per_step: int = 4,
        soundfonts: dict[str, str] | None = None,
        thresholds: dict[str, float] | None = None,
        **kwargs: Any,
    ):
        self.encoder = encoder or {}
        self.features = features or {}
        self.hidden_size = hidden_size
        self.num_decoder_layers = num_decoder_layers
        self.num_decoder_heads = num_decoder_heads
        self.dropout = dropout
        self.frames_per_step = frames_per_step
        self.soundfonts = soundfonts or {}
        self.thresholds = thresholds or {}
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
    """Patches that an encoder of this config makes of a window: (frequency, time)."""
    size = encoder["patch_size"]
    steps = (encoder["max_length"] - size) // encoder["time_stride"] + 1
    if encoder["model_type"] == PITCH:
        return encoder["rows"], steps
    return (encoder["num_mel_bins"] - size) // encoder["frequency_stride"] + 1, steps
