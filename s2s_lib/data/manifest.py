"""Manifests: what a dataset holds and how each sample was made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib.config import Config
from s2s_lib.data.audio import read_audio, read_segment
from s2s_lib.errors import InputError
from s2s_lib.files import as_path, atomic_path, is_url
from s2s_lib.notes import Performance, read_midi

SPLITS = ("train", "val", "test")
FORMAT = 2


@dataclass(frozen=True)
class Sample:
    """One piece of a dataset. Paths are absolute here and relative to the manifest in its file.

    `duration_s` is the audio's length, `music_end_s` the last key release; `audio` is None in a dataset of MIDI alone.
    `source` is "composed" or the name of the MIDI file it was cut from; what such a file does not state is None.
    `score` is a JSON file with what made the sample, and for composed pieces the beats, hands, voices and notated
    rhythm; `piano` is all that was drawn of the instrument. Recordings have neither.
    """

    id: str
    split: str
    audio: Path | None
    midi: Path
    score: Path | None
    sample_rate: int
    duration_s: float
    music_end_s: float
    source: str
    tempo_bpm: float | None
    key: str | None
    time_signature: str | None
    complexity: str | None
    notes: int
    seed: tuple[int, ...]
    soundfont: str
    soundfont_sha256: str
    piano: dict[str, Any] | None

    def performance(self) -> Performance:
        """The notes and pedal, read from the MIDI file."""
        return read_midi(self.midi)

    def waveform(self, seconds: float | None = None) -> np.ndarray:
        """The audio, or its first `seconds`, mono float32 of shape (samples,). Raises InputError if there is none."""
        if self.audio is None:
            raise InputError(f"{self.id} has no audio: generate the dataset with dataset.synthesize_audio true.")
        if seconds is None or seconds >= self.duration_s:
            return read_audio(self.audio, self.sample_rate)
        return read_segment(self.audio, 0, round(seconds * self.sample_rate), self.sample_rate)


@dataclass(frozen=True)
class Manifest:
    """One split of a dataset."""

    split: str
    path: Path
    sample_rate: int
    synthesizer: str
    imported: str  # the layout it was imported from, such as "maestro"; empty for a generated one
    soundfonts: dict[str, str]  # the pianos that training hears: SHA-256 to file name
    dataset: dict[str, Any]  # the config's section it was generated with
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        """Length of all audio together."""
        return sum(sample.duration_s for sample in self.samples)


def manifest_path(data_dir: Path, split: str) -> Path:
    """Where the manifest of a split lies."""
    return data_dir / f"{split}_manifest.json"


def write_manifests(data_dir: Path, header: dict[str, Any], records: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Writes the manifests of all splits; `records` gives each sample's split and its own description, in order.

    They are written as they come, a line each, and take their places together when the last one is there.
    """
    with ExitStack() as stack:
        files = {}
        for split in SPLITS:
            temporary = stack.enter_context(atomic_path(manifest_path(data_dir, split)))
            files[split] = stack.enter_context(temporary.open("w", encoding="utf-8"))
            head = json.dumps({"format": FORMAT, "split": split, **header}, indent=2, ensure_ascii=False)
            files[split].write(head.removesuffix("\n}") + ',\n  "samples": [')
        before = dict.fromkeys(SPLITS, "\n")
        for split, record in records:
            files[split].write(f"{before[split]}    {json.dumps(record, ensure_ascii=False, allow_nan=False)}")
            before[split] = ",\n"
        for file in files.values():
            file.write("\n  ]\n}\n")


def load_manifests(data_dir: str | Path) -> dict[str, Manifest]:
    """The manifests of a dataset by split. Raises InputError if one is missing or unreadable."""
    data_dir = as_path(data_dir)
    return {split: _load(manifest_path(data_dir, split)) for split in SPLITS}


def _load(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no dataset; run the generate stage with the same name first.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable manifest ({error}); generate the dataset again.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: is of another version; generate the dataset again.")
    header = {
        "split": str, "sample_rate": int, "synthesizer": str, "imported": str, "soundfonts": dict, "dataset": dict,
        "samples": list,
    }  # fmt: skip
    wrong = [name for name, kind in header.items() if not isinstance(content.get(name), kind)]
    if wrong:
        raise InputError(f"{path}: has no proper {', '.join(wrong)}; generate the dataset again.")
    samples = tuple(_sample(path, content, record) for record in content["samples"])
    return Manifest(path=path, **{name: content[name] for name in header if name != "samples"}, samples=samples)


def _sample(path: Path, manifest: dict[str, Any], record: Any) -> Sample:
    """A record as Sample. Raises InputError unless it has just the entries that a sample has."""
    names = {field.name for field in fields(Sample)} - {"split", "sample_rate"}
    if not isinstance(record, dict) or set(record) != names:
        wrong = ", ".join(sorted(names ^ set(record))) if isinstance(record, dict) else "all its entries"
        raise InputError(f"{path}: a sample lacks or has too much: {wrong}; generate the dataset again.")
    try:
        paths = {name: record[name] and _beside(path, record[name]) for name in ("audio", "midi", "score")}
        own = {"split": manifest["split"], "sample_rate": manifest["sample_rate"], "seed": tuple(record["seed"])}
    except TypeError:
        raise InputError(
            f"{path}: sample {record['id']} has a file name or seed of another type; generate the dataset again."
        ) from None
    return Sample(**{**record, **paths, **own})


def _beside(manifest: Path, name: str) -> Path:
    """A file named in a manifest: relative to it, or absolute where a recording was not copied."""
    return as_path(name) if is_url(name) or Path(name).is_absolute() else manifest.parent / name


def check_dataset(manifests: dict[str, Manifest], config: Config) -> None:
    """Raises InputError (usage) that names the keys if the dataset was generated with others than the config's.

    Soundfonts are told apart by file name, since their folder may differ; where and by how many workers it was made
    does not matter.
    """
    manifest = manifests["train"]
    if manifest.imported and config.dataset.stream and config.dataset.midi_dir is not None:
        raise InputError(
            f"{manifest.path.parent}: is an imported dataset, and dataset.midi_dir may hold the music it is judged by; "
            "stream composed music alone beside it.",
            usage=True,
        )
    made = {**manifest.dataset, "sample_rate": manifest.sample_rate}
    asked = {**config.model_dump(mode="json")["dataset"], "sample_rate": config.audio.sample_rate}
    changed = [name for name in asked if name in made and _plain(name, made[name]) != _plain(name, asked[name])]
    if changed:
        keys = ", ".join(f"{'audio' if name == 'sample_rate' else 'dataset'}.{name}" for name in changed)
        raise InputError(
            f"{manifest.path.parent}: this dataset was generated with other {keys}; generate it again with these "
            "settings, or choose another output.name (--name).",
            usage=True,
        )


def _plain(name: str, value: Any) -> Any:
    return [Path(font).name for font in value] if name.endswith("soundfonts") else value
