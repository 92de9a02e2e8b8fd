"""Transcribes audio and scores the result against the notes that were really played.

Three sources of truth: the run's own test split, MIDI files rendered here, and recordings with their MIDI files.
"""

from __future__ import annotations

import functools
import importlib.metadata
import operator
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib import metrics
from s2s_lib.compose import bwv846
from s2s_lib.config import Config
from s2s_lib.data import check_dataset, load_manifests, read_audio
from s2s_lib.errors import InputError
from s2s_lib.files import write_csv, write_json
from s2s_lib.notes import Performance, read_midi
from s2s_lib.pianos import Piano
from s2s_lib.progress import Progress
from s2s_lib.render import render
from s2s_lib.soundfonts import Soundfont, find_soundfonts
from s2s_lib.transcribe import Transcriber

TEST_SPLIT, MIDI, RECORDING = "test split", "midi", "recording"
BUILT_IN = {"bwv846": lambda: bwv846().performance}
VERSIONS = ("mir_eval", "numpy", "torch", "transformers")
CONVENTIONS = {
    "reference": "the notes of the MIDI file, never the model's own grid",
    "key": "offset = key release",
    "pedal": "offset = end of sound: both sides extended by their own sustain pedal",
    "frame": "key held, grid of 10 ms",
    "onset_offset_velocity": "offset = key release; velocity after mir_eval's linear fit",
    "note_accuracy": "TP / (TP + FP + FN) of onset matching",
    "deviations": "seconds, estimated minus reference, over onset-matched notes",
    "velocity_error": "mean absolute difference of MIDI velocities over onset-matched notes",
    "mean": "mean over files",
    "pooled": "counts of all files added first",
    "wrong_pitch_intervals": "octaves and fifths include their compounds, such as two octaves or a twelfth",
    "over_time": "onset matching in ten equal parts of each piece",
}


@dataclass(frozen=True, eq=False)
class Source:
    """One piece of audio and the notes that were played in it; the audio is read when asked for.

    `piano` is the soundfont's file name, empty for a recording, and `piano_sha256` tells it from others.
    """

    id: str
    kind: str  # "test split", "midi" or "recording"
    ref: Performance
    sample_rate: int
    waveform: Callable[[], np.ndarray] = field(repr=False)
    piano: str = ""
    piano_sha256: str = ""


@dataclass(frozen=True, eq=False)
class SampleResult:
    """One transcription and its scores; `real_time_factor` is seconds of audio per second of transcription."""

    source: Source
    est: Performance
    pairs: np.ndarray = field(repr=False)  # (k, 2) indices of onset-matched notes (ref, est)
    duration_s: float
    scores: metrics.Scores
    confusion: metrics.Confusion
    over_time: list[metrics.Counts]
    real_time_factor: float

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
            "samples": [sample.as_dict() for sample in self.samples],
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
    or the first of training's). Writes evaluation_report.json and evaluation_report.csv. Raises InputError if there
    is nothing to evaluate, or if the model or a file can't be read.
    """
    sources = _sources(config)
    model_path = Path(config.evaluation.model_path or config.output.model)
    transcriber = Transcriber.load(model_path, config.model.device)
    results = []
    with Progress(total=len(sources), label="transcribing", unit="pieces") as progress:
        for source in sources:
            results.append(_judge(source, transcriber, config))
            progress.advance(1, note=f"{source.id}: onset F1 {results[-1].scores.onset.f1:.2f}")
    heard = frozenset(transcriber.soundfonts)
    evaluation = Evaluation(config, model_path, str(transcriber.device), tuple(results), heard)
    write_json(config.output.results / "evaluation_report.json", evaluation.report())
    write_csv(config.output.results / "evaluation_report.csv", _rows(evaluation))
    return evaluation


def _judge(source: Source, transcriber: Transcriber, config: Config) -> SampleResult:
    audio = source.waveform()
    start = time.perf_counter()
    est = transcriber.transcribe(audio, source.sample_rate, config.evaluation)
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
    )


def _sources(config: Config) -> list[Source]:
    """Everything the config asks to evaluate, named by file name where that tells them apart, else by path."""
    sources = _test_split(config)
    if config.evaluation.audio:
        pairs = zip(config.evaluation.audio, config.evaluation.midi, strict=True)
        sources += [_recording(audio, midi, config) for audio, midi in pairs]
    elif config.evaluation.midi:
        fonts = find_soundfonts(config.dataset.test_soundfonts, "dataset.test_soundfonts")
        fonts = fonts or find_soundfonts(config.dataset.soundfonts, "dataset.soundfonts")[:1]
        sources += [_rendered(name, font, config, len(fonts) > 1) for name in config.evaluation.midi for font in fonts]
    if not sources:
        raise InputError(
            f"{config.output.data}: holds no test split to evaluate; generate a dataset first (s2s generate), or name "
            "MIDI files with --midi FILE ('bwv846' is built in), or recordings with --audio FILE --midi FILE."
        )
    names = Counter(Path(source.id).name for source in sources)
    return [replace(s, id=Path(s.id).name) if names[Path(s.id).name] == 1 else s for s in sources]


def _test_split(config: Config) -> list[Source]:
    """The test split of the run's dataset; nothing if there is no dataset."""
    if not (config.output.data / "test_manifest.json").is_file():
        return []
    manifests = load_manifests(config.output.data)
    check_dataset(manifests, config)
    samples = manifests["test"].samples
    silent = [sample.id for sample in samples if sample.audio is None]
    if silent:
        raise InputError(
            f"{config.output.data}: the dataset was made without audio (dataset.synthesize_audio false), so there is "
            "nothing to transcribe; generate it with audio under another --name."
        )
    return [
        Source(s.id, TEST_SPLIT, s.performance(), s.sample_rate, s.waveform, s.soundfont, s.soundfont_sha256)
        for s in samples
    ]


def _rendered(name: str, font: Soundfont, config: Config, tell_piano: bool) -> Source:
    """A MIDI file, or a piece that is built in, played on a soundfont's piano as it is, without effects."""
    ref, rate = BUILT_IN[name]() if name in BUILT_IN else read_midi(name), config.audio.sample_rate
    piano = Piano.plain(font)
    id_ = f"{name} on {font.name}" if tell_piano else name
    return Source(id_, MIDI, ref, rate, lambda: render(ref, piano, rate), font.name, font.sha256)


def _recording(audio: str, midi: str, config: Config) -> Source:
    """A recording and the MIDI file of what was played in it, both starting at the same moment."""
    ref = BUILT_IN[midi]() if midi in BUILT_IN else read_midi(midi)
    rate = config.audio.sample_rate
    seconds, last = len(read_audio(audio, rate)) / rate, ref.notes[-1].onset_s
    if last > seconds:
        raise InputError(
            f"{audio}: is {seconds:.1f} s long, but {midi} has notes until {last:.1f} s; name the MIDI file that "
            "belongs to this recording."
        )
    return Source(audio, RECORDING, ref, rate, lambda: read_audio(audio, rate))


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
