"""Manifests: what a dataset holds and how each sample was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib.data.audio import read_audio
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.notes import Performance, read_midi

SPLITS = ("train", "val", "test")
FORMAT = 1


@dataclass(frozen=True)
class Sample:
    """One piece of a dataset. Paths are absolute here and relative to the manifest in its file.

    `duration_s` is the audio's length, `music_end_s` the last key release; `score` is a JSON file with the beats,
    hands, voices and notated rhythm; `audio` is None in a dataset of MIDI alone.
    """

    id: str
    split: str
    audio: Path | None
    midi: Path
    score: Path
    sample_rate: int
    duration_s: float
    music_end_s: float
    tempo_bpm: float
    key: str
    time_signature: str
    complexity: str
    notes: int
    seed: tuple[int, ...]
    soundfont: str
    soundfont_sha256: str
    reverb: dict[str, float] | None
    tuning_cents: float

    def performance(self) -> Performance:
        """The notes and pedal, read from the MIDI file."""
        return read_midi(self.midi)

    def waveform(self) -> np.ndarray:
        """The audio, mono float32 of shape (samples,). Raises InputError if the dataset has none."""
        if self.audio is None:
            raise InputError(f"{self.id} has no audio: generate the dataset with dataset.synthesize_audio true.")
        return read_audio(self.audio, self.sample_rate)


@dataclass(frozen=True)
class Manifest:
    """One split of a dataset."""

    split: str
    path: Path
    sample_rate: int
    synthesizer: str
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        """Length of all audio together."""
        return sum(sample.duration_s for sample in self.samples)


def manifest_path(data_dir: Path, split: str) -> Path:
    """Where the manifest of a split lies."""
    return data_dir / f"{split}_manifest.json"


def write_manifest(data_dir: Path, split: str, header: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """Writes a manifest; `records` are the samples' own descriptions in order."""
    write_json(manifest_path(data_dir, split), {"format": FORMAT, "split": split, **header, "samples": records})


def load_manifests(data_dir: str | Path) -> dict[str, Manifest]:
    """The manifests of a dataset by split. Raises InputError if one is missing or unreadable."""
    data_dir = Path(data_dir)
    return {split: _load(manifest_path(data_dir, split)) for split in SPLITS}


def _load(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no dataset; run the generate stage with the same name first.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable manifest ({error}); generate the dataset again.") from None
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: is of another version; generate the dataset again.")
    samples = tuple(_sample(path.parent, content, record) for record in content["samples"])
    return Manifest(content["split"], path, content["sample_rate"], content["synthesizer"], samples)


def _sample(folder: Path, manifest: dict[str, Any], record: dict[str, Any]) -> Sample:
    paths = {name: record[name] and folder / record[name] for name in ("audio", "midi", "score")}
    own = {"split": manifest["split"], "sample_rate": manifest["sample_rate"], "seed": tuple(record["seed"])}
    return Sample(**{**record, **paths, **own})
