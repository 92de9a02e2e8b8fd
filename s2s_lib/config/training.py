"""The training loop."""

from __future__ import annotations

from typing import Literal

from s2s_lib.config.base import Section, key


class TrainingConfig(Section):
    """The training loop."""

    batch_size: int = key(16, "windows per step and process", "--batch-size", ge=1)
    num_epochs: int = key(50, "passes over the training split", "--epochs", ge=1)
    learning_rate: float = key(1e-4, "peak learning rate of AdamW", "--lr", gt=0, le=1)
    warmup_steps: int = key(200, "steps from a learning rate of 0 to the peak", "--warmup-steps", ge=0)
    weight_decay: float = key(0.01, "AdamW's weight decay", ge=0, lt=1)
    gradient_accumulation_steps: int = key(1, "batches per optimizer step", "--gradient-accumulation-steps", ge=1)
    max_grad_norm: float = key(1.0, "gradients are clipped to this norm", gt=0)
    use_mixed_precision: bool = key(True, "bf16 autocast", "--no-mixed-precision")
    early_stopping_patience: int = key(10, "epochs without a better validation loss before stopping", ge=1)
    keep_checkpoints: int = key(2, "newest checkpoints to keep", ge=1)
    num_processes: int = key(1, "training processes, one per GPU or CPU share", ge=1, le=64)
    num_workers: int | None = key(
        None, "loader processes per training process, 0 for none; null means none from disk, and one per core "
        "(at most 32) when streaming", "--num-workers", ge=0, le=256,
    )  # fmt: skip
    val_clips: int = key(
        4, "validation clips transcribed after each epoch, to show how F1 grows; 0 for none", ge=0, le=200
    )
    offset_pieces: int = key(
        120,
        "training pieces, and minutes of them at most, from which key releases are learnt after training; 0 leaves "
        "them to a threshold",
        ge=0,
    )
    seed: int = key(42, "seed of weights, data order, windows, augmentation and dropout", "--seed", ge=0, lt=2**32)
    resume: str | None = key(None, "checkpoint folder to continue from", "--resume")
    trackers: list[Literal["tensorboard", "wandb"]] = key(["tensorboard"], "where curves are logged besides the files")
