"""The network."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from s2s_lib.config.base import Section, key

RELEASED = "released"  # the weights that come with the package, and the folder that holds them:
RELEASED_FOLDER = Path(__file__).parents[1] / RELEASED
SCRATCH = "scratch"  # an encoder of random weights
SCRATCH_WINDOW_S = 5.2  # what a scratch encoder sees at once unless told otherwise


class ModelConfig(Section):
    """The network: an Audio Spectrogram Transformer encoder and a Transformer decoder."""

    encoder_name: str = key(
        RELEASED, "'released' (comes with the package), 'scratch', a Hugging Face id of an AST, or a folder made by "
        "save_pretrained", "--encoder", min_length=1,
    )  # fmt: skip
    freeze_encoder: bool = key(False, "train the decoder alone", "--freeze-encoder")
    hidden_size: int = key(96, "width of the decoder", "--hidden-size", ge=16, le=4096)
    num_decoder_layers: int = key(2, "layers of the decoder", "--num-decoder-layers", ge=1, le=48)
    num_decoder_heads: int = key(4, "attention heads per decoder layer", ge=1, le=64)
    dropout: float = key(0.0, "dropout in the decoder and in a scratch encoder", ge=0, lt=1)
    window_seconds: float | None = key(
        None, "seconds of audio seen at once; null means the encoder's own", gt=0.2, le=60
    )
    encoder_hidden_size: int = key(96, "width of a scratch encoder", ge=16, le=4096)
    num_encoder_layers: int = key(2, "layers of a scratch encoder", ge=1, le=48)
    num_encoder_heads: int = key(4, "attention heads per layer of a scratch encoder", ge=1, le=64)
    patch_size: int = key(16, "frames per patch of a scratch encoder", ge=2, le=128)
    time_stride: int = key(8, "frames from one patch of a scratch encoder to the next", ge=1, le=128)
    frame_seconds: float = key(
        0.02, "seconds per frame that the decoder predicts, rounded to fit the strides", ge=0.005, le=0.1
    )
    device: str = key(
        "auto", "'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'", "--device", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$"
    )

    @model_validator(mode="after")
    def _shapes(self) -> ModelConfig:
        for size, heads in (("hidden_size", "num_decoder_heads"), ("encoder_hidden_size", "num_encoder_heads")):
            if getattr(self, size) % getattr(self, heads):
                raise ValueError(f"{size} {getattr(self, size)} is no multiple of {heads} {getattr(self, heads)}")
        if self.encoder_name == SCRATCH and self.freeze_encoder:
            raise ValueError(
                "freeze_encoder true with encoder_name 'scratch' would freeze random weights; "
                "set freeze_encoder false or name a pretrained encoder"
            )
        return self
