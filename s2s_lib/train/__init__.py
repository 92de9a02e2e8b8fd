"""The training loop, its checkpoints and its history."""

from s2s_lib.train.history import History
from s2s_lib.train.launch import train

__all__ = ["History", "train"]
