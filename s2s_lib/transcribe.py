"""Recordings of any length to notes: overlapping windows through the model, their middles joined, then decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
import torch

from s2s_lib.config import EvaluationConfig
from s2s_lib.devices import bf16_pays, resolve_device
from s2s_lib.model import TranscriptionModel
from s2s_lib.notes import Performance
from s2s_lib.pretrained import load_model
from s2s_lib.targets import Grid, decode

MARGIN = 1 / 8  # share of a window's frames dropped at each end, where the model lacks context


class Transcriber:
    """A model on its device, ready to turn audio into notes."""

    def __init__(self, model: TranscriptionModel, device: torch.device):
        self.model, self.device = model.to(device).eval(), device

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Transcriber:
        """Loads a model folder. Raises InputError if the folder or the device can't be used."""
        return cls(load_model(folder), resolve_device(device))

    @property
    def soundfonts(self) -> dict[str, str]:
        """The soundfonts that training heard, SHA-256 to file name; empty where the model does not say."""
        return self.model.config.soundfonts

    def transcribe(self, audio: np.ndarray, sample_rate: int, evaluation: EvaluationConfig) -> Performance:
        """Notes (key releases) and sustain pedal of a mono float32 recording of shape (samples,)."""
        grid = self.predict(audio, sample_rate, evaluation.batch_size)
        thresholds = evaluation.onset_threshold, evaluation.frame_threshold
        performance = decode(grid, 0.0, self.model.config.frame_s, *thresholds)
        end_s = len(audio) / sample_rate
        return Performance(tuple(note for note in performance.notes if note.onset_s < end_s), performance.pedal)

    @torch.inference_mode()
    def predict(self, audio: np.ndarray, sample_rate: int, batch_size: int) -> Grid:
        """Probabilities for a whole recording; frame k of the grid starts at k * frame_s seconds."""
        config = self.model.config
        rate = config.feature_settings.sample_rate
        if sample_rate != rate:
            audio = soxr.resample(audio, sample_rate, rate)
        margin = int(config.frames * MARGIN)
        stride = config.frames - 2 * margin
        count = -(-int(np.ceil(len(audio) / rate / config.frame_s)) // stride)
        # the first frame kept of window w is frame w * stride of the recording
        starts = [
            round((w * stride - margin) * config.frame_s * rate - config.first_frame_s * rate) for w in range(count)
        ]
        parts = [
            self._predict_batch(np.stack([_slice(audio, s, config.window_samples) for s in starts[i : i + batch_size]]))
            for i in range(0, count, batch_size)
        ]
        kept = slice(margin, margin + stride)
        joined = {name: torch.cat([part[name][:, kept].flatten(0, 1) for part in parts]).numpy() for name in parts[0]}
        return Grid(**joined)

    def _predict_batch(self, windows: np.ndarray) -> dict[str, torch.Tensor]:
        """Probabilities, each (batch, frames, 88) and pedal (batch, frames), for windows (batch, window_samples)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16_pays(self.device)):
            output = self.model(torch.from_numpy(windows).to(self.device))
        return {name: (value if name == "shift" else value.sigmoid()).float().cpu() for name, value in output.items()}


def _slice(audio: np.ndarray, start: int, length: int) -> np.ndarray:
    """`length` samples from `start`, zeros where there is no audio."""
    inside = audio[max(0, start) : max(0, start + length)]
    before = max(0, -start)
    return np.pad(inside, (before, length - before - len(inside)))
