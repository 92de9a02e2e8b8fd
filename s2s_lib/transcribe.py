"""Recordings of any length to notes: overlapping windows through the model, their middles joined, then decoded."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch

from s2s_lib.config import EvaluationConfig
from s2s_lib.data import AudioStream, level_gain
from s2s_lib.devices import bf16_pays, resolve_device
from s2s_lib.errors import InputError
from s2s_lib.model import TranscriptionModel
from s2s_lib.notes import Note, Performance
from s2s_lib.offsets import OffsetForest, Trace, load_offsets
from s2s_lib.pretrained import load_model
from s2s_lib.targets import MAX_VELOCITY, Decoder, Grid, Thresholds, decode

MARGIN = 1 / 8  # share of a window's frames dropped at each end, where the model lacks context

log = logging.getLogger("s2s.transcribe")


@dataclass(frozen=True, eq=False)
class Probabilities:
    """What a model made of a recording of `seconds`, from which notes are written at any threshold without hearing.

    Frame k of `grid` starts at k * frame_s seconds; `thresholds` are those of the transcription that was made, and
    `offsets` the forest that told its key releases, if one did.
    """

    grid: Grid = field(repr=False)
    frame_s: float
    thresholds: Thresholds
    seconds: float
    offsets: OffsetForest | None = field(default=None, repr=False)

    def notes(self, onset: float | None = None) -> Performance:
        """The transcription with this onset threshold; with None, the one that was made."""
        thresholds = self.thresholds if onset is None else replace(self.thresholds, onset=onset)
        found = decode(self.grid, 0.0, self.frame_s, thresholds)
        if self.offsets is not None:
            found = self.offsets.refined(found, Trace.of(self.grid), self.frame_s)
        return _within(found, self.seconds)

    def candidates(self) -> tuple[tuple[Note, ...], np.ndarray]:
        """All notes that any threshold lets through, and the probability of each one's onset in steps of 1/127: (n,).

        They are decoded once with the onset's probability in the place of the velocity; key releases by threshold.
        """
        grid = replace(self.grid, velocity=self.grid.onset)
        sure = replace(self, grid=grid, offsets=None).notes(0.5 / MAX_VELOCITY)
        return sure.notes, np.array([note.velocity / MAX_VELOCITY for note in sure.notes])


class Transcriber:
    """A model on its device, ready to turn audio into notes; `offsets` tells when keys were let go, if it is there."""

    def __init__(self, model: TranscriptionModel, device: torch.device, offsets: OffsetForest | None = None):
        self.model, self.device, self.offsets = model.to(device).eval(), device, offsets
        config = model.config
        self._margin = int(config.frames * MARGIN)
        self._stride = config.frames - 2 * self._margin  # frames kept of each window

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Transcriber:
        """Loads a model folder. Raises InputError if the folder or the device can't be used."""
        return cls(load_model(folder), resolve_device(device), load_offsets(Path(folder)))

    @property
    def soundfonts(self) -> dict[str, str]:
        """The soundfonts that training heard, SHA-256 to file name; empty where the model does not say."""
        return self.model.config.soundfonts

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio that the model hears."""
        return self.model.config.feature_settings.sample_rate

    def transcribe(
        self,
        audio: str | Path | np.ndarray | AudioStream,
        sample_rate: int | None = None,
        evaluation: EvaluationConfig | None = None,
        grids: list[Grid] | None = None,
        *,
        name: str = "the audio array",
        _phase: int = 0,
    ) -> Performance:
        """Notes, with their pedal-extended ends, and sustain pedal of a recording of any length.

        audio: a file, or an array of shape (samples,) or (samples, channels) with its `sample_rate`, or a stream of
        either at the model's own rate; see AudioStream.
        evaluation: thresholds in the place of the model's own, and how many windows go through the model at once.
        grids: takes the probabilities as they come, for who wants to keep them; see `probabilities`.
        name: what warnings and errors call an array; files go by their own name.
        `_phase` is how many frames the windows lie earlier than they would. Raises InputError for audio that is of
        no use; logs a warning for clipped audio. A recording without notes gives none, and a warning that says why
        unless it came as a stream, whose owner can ask it.
        """
        evaluation = evaluation or EvaluationConfig()
        config = self.model.config
        given = isinstance(audio, AudioStream)
        stream = audio if given else AudioStream(audio, self.sample_rate, sample_rate, name=name)
        decoder = Decoder(0.0, config.frame_s, self._thresholds(evaluation))
        offsets, traces = self._offsets(evaluation), []
        for grid in self._grids(stream, evaluation.batch_size, _phase):
            decoder.add(grid)
            if offsets is not None:
                traces.append(Trace.of(grid))
            if grids is not None:
                grids.append(grid)
        if not stream.samples:
            raise InputError(f"{stream.name}: holds no audio; name a recording.")
        if stream.clipped:
            share = f"{stream.full_scale:.1%} of its samples are at full scale"
            log.warning("%s: is clipped (%s), so notes may be wrong.", stream.name, share)
        found = decoder.finish()
        if offsets is not None:
            found = offsets.refined(found, Trace.joined(traces), config.frame_s)
        heard = _heard(found, stream)
        if not heard.notes and not given:
            why = "is silent" if stream.silent else "no notes are heard in it"
            log.warning("%s: %s, so its transcription is empty.", stream.name, why)
        return heard

    def hear(self, audio: np.ndarray, sample_rate: int, evaluation: EvaluationConfig) -> Probabilities:
        """Probabilities for a whole recording that memory has room for, some 100 KB a second."""
        stream = AudioStream(audio, self.sample_rate, sample_rate)
        grids = list(self._grids(stream, evaluation.batch_size, 0))
        return self.probabilities(grids, evaluation, stream.samples / stream.sample_rate)

    def probabilities(self, grids: Sequence[Grid], evaluation: EvaluationConfig, seconds: float) -> Probabilities:
        """What was kept of the transcription of a recording of `seconds` with these settings."""
        frame_s, thresholds = self.model.config.frame_s, self._thresholds(evaluation)
        return Probabilities(_joined(grids), frame_s, thresholds, seconds, self._offsets(evaluation))

    def _offsets(self, evaluation: EvaluationConfig) -> OffsetForest | None:
        """The model's own forest, unless `evaluation` names the threshold by which keys are let go."""
        return self.offsets if evaluation.frame_threshold is None else None

    def _thresholds(self, evaluation: EvaluationConfig) -> Thresholds:
        """The model's own, tuned in validation, where `evaluation` names none."""
        own = Thresholds(**self.model.config.thresholds)
        onset, end = evaluation.onset_threshold, evaluation.frame_threshold
        return Thresholds(
            own.onset if onset is None else onset,
            own.held if end is None else end,
            own.sounding if end is None else end,
        )

    def _grids(self, stream: AudioStream, batch_size: int, phase: int) -> Iterator[Grid]:
        """Probabilities of the whole recording, in turn; frame k of them all starts at k * frame_s seconds."""
        windows = self._windows(stream, phase)
        first = -phase
        while batch := list(islice(windows, batch_size)):
            maps = self._predict(np.stack(batch))
            kept = slice(self._margin, self._margin + self._stride)
            joined = {name: values[:, kept].flatten(0, 1).numpy() for name, values in maps.items()}
            inside = slice(max(0, -first), self._frames(stream) - first)
            yield Grid(**{name: values[inside] for name, values in joined.items()})
            first += len(batch) * self._stride

    def _windows(self, stream: AudioStream, phase: int) -> Iterator[np.ndarray]:
        """Windows, each (window_samples,), whose middles follow each other; zeros where there is no audio.

        A quiet recording is brought to a level that training heard, or soft notes were missed. The middle of the first
        starts `phase` frames before the recording. A window is given as soon as all its samples are read, so little
        more than one is held.
        """
        config, rate = self.model.config, stream.sample_rate
        gain = level_gain(stream.loudest())
        blocks, read_all = iter(stream), False
        held = np.zeros(0, np.float32)  # the last samples read
        for window in count():
            first = window * self._stride - phase  # the first frame kept
            start = round(((first - self._margin) * config.frame_s - config.first_frame_s) * rate)
            end = start + config.window_samples
            while not read_all and (stream.samples < end or self._frames(stream) < first + self._stride):
                block = next(blocks, None)
                read_all = block is None
                if not read_all:
                    held = np.concatenate([held, block])
            if first >= self._frames(stream):
                return
            held = held[max(0, start - (stream.samples - len(held))) :]
            before = min(max(0, -start), config.window_samples)
            inside = held[: config.window_samples - before]
            yield np.pad(gain * inside, (before, config.window_samples - before - len(inside)))

    def _frames(self, stream: AudioStream) -> int:
        """Frames that cover the audio read so far."""
        return math.ceil(stream.samples / stream.sample_rate / self.model.config.frame_s)

    @torch.inference_mode()
    def _predict(self, windows: np.ndarray) -> dict[str, torch.Tensor]:
        """Probabilities, each (batch, frames, 88) and pedal (batch, frames), for windows (batch, window_samples)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16_pays(self.device)):
            output = self.model(torch.from_numpy(windows).to(self.device))
        return {name: (value if name == "shift" else value.sigmoid()).float().cpu() for name, value in output.items()}


def _joined(grids: Sequence[Grid]) -> Grid:
    """Grids that follow each other as one."""
    return Grid(**{name: np.concatenate([getattr(grid, name) for grid in grids]) for name in vars(grids[0])})


def _heard(performance: Performance, stream: AudioStream) -> Performance:
    """What lies within the recording, nothing of a silent one."""
    return _within(performance, 0.0 if stream.silent else stream.samples / stream.sample_rate)


def _within(performance: Performance, end_s: float) -> Performance:
    """What begins before `end_s`."""
    inside = [i for i, note in enumerate(performance.notes) if note.onset_s < end_s]
    if not inside:
        return Performance((), extended=())
    notes, extended = (tuple(notes[i] for i in inside) for notes in (performance.notes, performance.extended))
    return Performance(notes, performance.pedal, extended)
