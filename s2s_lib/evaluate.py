"""Transcribes audio and scores the result against the notes that were really played."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import operator
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib import metrics
from s2s_lib.config import Config
from s2s_lib.files import atomic_folder, write_csv, write_json
from s2s_lib.notes import Performance, write_midi
from s2s_lib.progress import Progress
from s2s_lib.sources import Source, digest, find_sources
from s2s_lib.targets import Grid
from s2s_lib.transcribe import Probabilities, Transcriber

VERSIONS = ("mir_eval", "numpy", "torch", "transformers")
CONVENTIONS = {
    "reference": "the notes of the MIDI file, never the model's own grid",
    "key": "offset = key release",
    "pedal": "pedal-extended offset = end of sound: both sides extended by their own sustain pedal",
    "frame": "key held, grid of 10 ms",
    "onset_offset_velocity": "offset = key release; velocity after mir_eval's linear fit",
    "note_accuracy": "TP / (TP + FP + FN) of onset matching",
    "deviations": "seconds, estimated minus reference, over onset-matched notes",
    "velocity_error": "mean absolute difference of MIDI velocities over onset-matched notes",
    "mean": "mean over files",
    "pooled": "counts of all files added first",
    "wrong_pitch_intervals": "octaves and fifths include their compounds, such as two octaves or a twelfth",
    "over_time": "onset matching in ten equal parts of each piece",
    "mistakes": "numbers of missed, invented and wrongly ended notes by kind, as s2s_lib.metrics.KINDS tells them",
    "truth": "digest of the notes and pedal that were played",
    "transcription": "MIDI file of what was transcribed, beside this report",
}
TRANSCRIPTIONS = "transcriptions"
KEPT_S = 1800.0  # of audio whose probabilities an evaluation keeps, some 200 MB; pieces after that are without


@dataclass(frozen=True, eq=False)
class SampleResult:
    """One transcription and its scores; `real_time_factor` is seconds of audio per second of transcription.

    `probabilities` are those that the transcription was made of, None where they were not kept.
    """

    source: Source
    est: Performance
    pairs: np.ndarray = field(repr=False)  # (k, 2) indices of onset-matched notes (ref, est)
    duration_s: float
    scores: metrics.Scores
    confusion: metrics.Confusion
    over_time: list[metrics.Counts]
    real_time_factor: float
    probabilities: Probabilities | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """Name of the piece."""
        return self.source.id

    @property
    def ref(self) -> Performance:
        """What was played."""
        return self.source.ref

    def waveform(self) -> np.ndarray:
        """The audio that was transcribed: mono float32 at `source.sample_rate`."""
        return self.source.waveform()

    def as_dict(self) -> dict[str, Any]:
        """Row of the report, without timings."""
        return {
            "id": self.id,
            "source": self.source.kind,
            "piano": self.source.piano,
            "duration_s": self.duration_s,
            "truth": digest(self.ref),
            **self.scores.as_dict(),
            "confusion": self.confusion.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All results of one evaluation."""

    config: Config
    model_path: Path
    device: str
    samples: tuple[SampleResult, ...]
    heard: frozenset[str] = frozenset()  # SHA-256 of the pianos that training heard; empty where that is unknown

    @functools.cached_property
    def mistakes(self) -> tuple[list[metrics.Mistake], ...]:
        """What went wrong in each of `samples`, by time."""
        return tuple(metrics.mistakes(s.ref, s.est, self.config.evaluation, s.pairs) for s in self.samples)

    def by_source(self) -> dict[str, list[SampleResult]]:
        """Results of each kind of source, in order of first appearance."""
        groups: dict[str, list[SampleResult]] = {}
        for sample in self.samples:
            groups.setdefault(sample.source.kind, []).append(sample)
        return groups

    def by_piano(self) -> dict[str, list[SampleResult]]:
        """Results of each soundfont, under its file name; recordings are left out.

        Different soundfonts of the same name are told apart by the beginning of their hash.
        """
        rendered = [sample for sample in self.samples if sample.source.piano]
        names = Counter(name for name, _ in {(s.source.piano, s.source.piano_sha256) for s in rendered})
        groups: dict[str, list[SampleResult]] = {}
        for sample in rendered:
            name, sha256 = sample.source.piano, sample.source.piano_sha256
            groups.setdefault(name if names[name] == 1 else f"{name} ({sha256[:8]})", []).append(sample)
        return groups

    def held_out(self, samples: list[SampleResult]) -> bool | None:
        """Whether training never heard the piano of these samples; None where the model does not say."""
        return samples[0].source.piano_sha256 not in self.heard if self.heard else None

    def ranked(self) -> list[SampleResult]:
        """Results from the best onset F1 to the worst."""
        return sorted(self.samples, key=lambda s: (-s.scores.onset.f1, s.id))

    def report(self) -> dict[str, Any]:
        """Content of evaluation_report.json; all but `speed` is the same whenever the notes are."""
        return {
            "model": str(self.model_path),
            "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
            "conventions": CONVENTIONS,
            "summary": {kind: _summary(samples) for kind, samples in self.by_source().items()},
            "pianos": {
                name: {"held_out": self.held_out(samples), **metrics.summarize([s.scores for s in samples])}
                for name, samples in self.by_piano().items()
            },
            "samples": [
                sample.as_dict() | {"mistakes": metrics.tally(found), "transcription": f"{TRANSCRIPTIONS}/{name}"}
                for sample, found, name in zip(
                    self.samples, self.mistakes, file_names([s.id for s in self.samples]), strict=True
                )
            ],
            "config": self.config.model_dump(mode="json"),
            "speed": {
                "device": self.device,
                "real_time_factor": [round(sample.real_time_factor, 2) for sample in self.samples],
            },
        }


def evaluate(config: Config) -> Evaluation:
    """Transcribes and scores all sources the config names, and writes both reports into `config.output.results`.

    Sources are the test split in `config.output.data`, if a dataset is there, and the files in
    `config.evaluation.midi` (with `audio`: recordings of them; else rendered on each soundfont of the test split,
    or the first of training's). Writes evaluation_report.json, evaluation_report.csv and transcriptions/, a MIDI file
    for each piece. Raises InputError if there is nothing to evaluate, or if the model or a file can't be read.
    """
    sources = find_sources(config)
    model_path = Path(config.evaluation.model_path or config.output.model)
    transcriber = Transcriber.load(model_path, config.model.device)
    results: list[SampleResult] = []
    with Progress(total=len(sources), label="transcribing", unit="piece") as progress:
        for source in sources:
            keep = sum(result.duration_s for result in results) < KEPT_S
            results.append(_judge(source, transcriber, config, keep))
            progress.advance(1, note=f"{source.id}: onset F1 {results[-1].scores.onset.f1:.2f}")
    heard = frozenset(transcriber.soundfonts)
    evaluation = Evaluation(config, model_path, str(transcriber.device), tuple(results), heard)
    _write_transcriptions(evaluation, config.output.results / TRANSCRIPTIONS)
    write_json(config.output.results / "evaluation_report.json", evaluation.report())
    write_csv(config.output.results / "evaluation_report.csv", _rows(evaluation))
    return evaluation


def _judge(source: Source, transcriber: Transcriber, config: Config, keep: bool) -> SampleResult:
    audio = source.waveform()
    grids: list[Grid] | None = [] if keep else None
    start = time.perf_counter()
    est = transcriber.transcribe(audio, source.sample_rate, config.evaluation, grids, name=source.id)
    seconds = time.perf_counter() - start
    duration_s = len(audio) / source.sample_rate
    return SampleResult(
        source=source,
        est=est,
        pairs=metrics.match(source.ref.notes, est.notes, config.evaluation),
        duration_s=duration_s,
        scores=metrics.score(source.ref, est, config.evaluation),
        confusion=metrics.confusion(source.ref, est, config.evaluation),
        over_time=metrics.over_time(source.ref, est, config.evaluation),
        real_time_factor=duration_s / seconds,
        probabilities=transcriber.probabilities(grids, config.evaluation, duration_s) if grids else None,
    )


def file_names(ids: Sequence[str]) -> list[str]:
    """A name for each piece's MIDI file, safe on any disk.

    It is the piece's own where that is safe and no other's, upper and lower case counting as the same; else a digest
    of the own one stands behind what is left of it.
    """
    plain = [re.sub(r"[^A-Za-z0-9_.-]+", "_", id_.removesuffix(".mid")).lstrip(".")[:80] for id_ in ids]
    alike = Counter(name.casefold() for name in plain)
    names = []
    for name, id_ in zip(plain, ids, strict=True):
        safe = name and name == id_.removesuffix(".mid") and alike[name.casefold()] == 1
        names.append(f"{name}.mid" if safe else f"{name}-{hashlib.sha256(id_.encode()).hexdigest()[:8]}.mid")
    return names


def _write_transcriptions(evaluation: Evaluation, folder: Path) -> None:
    """A MIDI file for each piece, in the place of those of an earlier evaluation."""
    with atomic_folder(folder) as temporary:
        names = file_names([sample.id for sample in evaluation.samples])
        for name, sample in zip(names, evaluation.samples, strict=True):
            write_midi(temporary / name, sample.est)


def _summary(samples: list[SampleResult]) -> dict[str, Any]:
    over_time = [functools.reduce(operator.add, part) for part in zip(*(s.over_time for s in samples), strict=True)]
    return {
        **metrics.summarize([sample.scores for sample in samples]),
        "confusion": functools.reduce(operator.add, (s.confusion for s in samples)).as_dict(),
        "over_time": [counts.as_dict() for counts in over_time],
    }


def _rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row per sample; an empty cell where nothing could be measured."""
    return [
        {"id": s.id, "source": s.source.kind, "piano": s.source.piano, "duration_s": s.duration_s, **s.scores.flat()}
        for s in evaluation.samples
    ]
