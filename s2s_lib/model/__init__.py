"""The network: spectrograms of windows of audio in, a grid of predictions for 88 keys out."""

from s2s_lib.model.config import PITCH, TranscriptionConfig, patch_grid
from s2s_lib.model.encoder import SPECIAL_TOKENS
from s2s_lib.model.losses import losses
from s2s_lib.model.network import TranscriptionModel

__all__ = ["PITCH", "SPECIAL_TOKENS", "TranscriptionConfig", "TranscriptionModel", "losses", "patch_grid"]
