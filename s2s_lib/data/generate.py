"""Composed and rendered datasets. A sample is named by what made it, so generation goes on where it broke off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from s2s_lib.config import Config
from s2s_lib.data.audio import write_flac
from s2s_lib.data.manifest import SPLITS, Manifest, Sample, load_manifests, manifest_path, write_manifests
from s2s_lib.data.recipe import TRAIN, Recipe, Studio
from s2s_lib.data.workers import check_workers, in_order
from s2s_lib.errors import InputError
from s2s_lib.files import OWN_PROCESS, atomic_write
from s2s_lib.notes import NotatedNote, Performance, Piece, read_midi, write_piece
from s2s_lib.progress import Progress
from s2s_lib.render import fluidsynth_version

KINDS = ("audio", "midi", "score")
NAME = re.compile(r"(train|val|test)_\d{5,}_[0-9a-f]{8}$")
# where samples are made, and what they are compared with, says nothing about them
SAYS_NOTHING = {"num_workers", "backend", "scheduler", "reference_midi"}
RECORD = {field.name for field in fields(Sample)} - {"split", "sample_rate"}


@dataclass(frozen=True)
class Job:
    """One sample to make: its recipe, and the folder and name of its files."""

    id: str
    folder: Path
    sample_rate: int
    recipe: Recipe


def generate(config: Config) -> dict[str, Manifest]:
    """Composes, plays and writes the dataset of a run: MIDI, FLAC, scores and one manifest per split.

    The same config and seed give the same files whatever the number and place of the workers. Samples that are there
    already are kept; files that no manifest names any more are removed at the end. Raises InputError if the folder
    holds an imported dataset or can't be written to, or if the workers can't be reached.
    """
    folder, dataset = config.output.data, config.dataset
    if str(folder).startswith(OWN_PROCESS):  # no other process would see the files
        dataset = dataset.model_copy(update={"num_workers": 1, "backend": "local"})
    refuse_imported(folder)
    check_workers(dataset)
    studio = Studio(config)
    _make_folders(folder)
    sizes = {split: size for split, size in dataset.split_sizes().items() if not (split == TRAIN and dataset.stream)}
    total = sum(sizes.values())
    ids: set[str] = set()

    def records() -> Iterator[tuple[str, dict[str, Any]]]:
        minutes = 0.0
        splits = [split for split in SPLITS for _ in range(sizes.get(split, 0))]
        with closing(in_order(make_sample, _jobs(studio, sizes, folder, config), total, dataset)) as made:
            for split, record in zip(splits, made, strict=True):
                ids.add(record["id"])
                minutes += record["duration_s"] / 60
                progress.advance(1, note=f"{minutes:.1f} min of music")
                yield split, record

    with Progress(total, label="composing and rendering", unit="piece") as progress:
        write_manifests(folder, _header(config, studio), records())
    _remove_unnamed(folder, ids)
    return load_manifests(folder)


def make_sample(job: Job) -> dict[str, Any]:
    """Makes one sample's files unless they exist; returns its record for the manifest.

    The JSON file is written last: where it lies, the others are whole.
    """
    score = job.folder / "score" / f"{job.id}.json"
    record = _record(score, job)
    if record is not None:
        return record
    take = job.recipe.take()
    piece, piano = take.piece, take.piano
    midi = job.folder / "midi" / f"{job.id}.mid"
    write_piece(midi, piece)
    written = read_midi(midi)  # what is played is what the file says, to the tick
    record = {
        "id": job.id,
        "audio": f"audio/{job.id}.flac" if piano else None,
        "midi": f"midi/{midi.name}",
        "score": f"score/{score.name}",
        "duration_s": take.duration_s,
        "music_end_s": written.end_s,
        "source": piece.source,
        "tempo_bpm": piece.tempo_bpm,
        "key": piece.key,
        "time_signature": piece.time_signature and "/".join(map(str, piece.time_signature)),
        "complexity": piece.complexity,
        "notes": len(written.notes),
        "seed": list(job.recipe.seed),
        "soundfont": piano.soundfont.name if piano else "",
        "soundfont_sha256": piano.soundfont.sha256 if piano else "",
        "piano": piano.as_dict() if piano else None,
    }
    if piano:
        waveform = take.waveform(written, job.sample_rate)
        write_flac(job.folder / record["audio"], waveform, job.sample_rate)
    atomic_write(
        score, json.dumps({"sample": record, **_score(piece, written)}, ensure_ascii=False, allow_nan=False) + "\n"
    )
    return record


def _record(score: Path, job: Job) -> dict[str, Any] | None:
    """The record of a sample that is there and whole, else None."""
    try:
        record = json.loads(score.read_text(encoding="utf-8"))["sample"]
        whole = set(record) == RECORD and record["id"] == job.id
        return record if whole and all((job.folder / record[kind]).is_file() for kind in _files(record)) else None
    except (OSError, ValueError, TypeError, KeyError):  # not made yet, or damaged
        return None


def _files(record: dict[str, Any]) -> list[str]:
    return [kind for kind in KINDS if record[kind] is not None]


def _jobs(studio: Studio, sizes: dict[str, int], folder: Path, config: Config) -> Iterator[Job]:
    """The samples to make, split by split. Every sample draws from a seed of its own: (seed, split, number)."""
    rate = config.audio.sample_rate
    for number, split in enumerate(SPLITS):
        for index in range(sizes.get(split, 0)):
            recipe = studio.recipe(split, (config.dataset.seed, number, index))
            yield Job(f"{split}_{index:05d}_{recipe.digest(rate)}", folder, rate, recipe)


def _score(piece: Piece, written: Performance) -> dict[str, Any]:
    """What the composer knows of a piece beside its performance; `notes` has a row per note as the MIDI is read.

    Ticks round the onsets and with them their order, so a note written is known by its pitch and its nearest onset.
    """
    known: dict[int, list[tuple[float, NotatedNote]]] = {}
    for note, notated in zip(piece.performance.notes, piece.notated, strict=bool(piece.notated)):
        known.setdefault(note.pitch, []).append((note.onset_s, notated))
    rows = []
    for note in written.notes if known else ():
        _, s = min(known[note.pitch], key=lambda one, at=note.onset_s: abs(one[0] - at))
        rows.append([note.onset_s, note.pitch, s.hand, s.voice, s.onset_beat, s.duration_beats])
    return {
        "tags": list(piece.tags),
        "beats_s": list(piece.beats_s),
        "columns": ["onset_s", "pitch", "hand", "voice", "onset_beat", "duration_beats"],
        "notes": rows,
    }


def _header(config: Config, studio: Studio) -> dict[str, Any]:
    """What all samples of a dataset share."""
    return {
        "sample_rate": config.audio.sample_rate,
        "synthesizer": f"FluidSynth {fluidsynth_version()}" if config.dataset.synthesize_audio else "",
        "imported": "",
        "soundfonts": {font.sha256: font.name for font in studio.heard},
        "dataset": config.dataset.model_dump(mode="json", exclude=SAYS_NOTHING),
    }


def refuse_imported(folder: Path) -> None:
    """Raises InputError (usage) if the folder holds a dataset that was imported: recordings are not to be lost."""
    try:
        layout = json.loads(manifest_path(folder, TRAIN).read_text(encoding="utf-8"))["imported"]
    except (OSError, ValueError, TypeError, KeyError):  # nothing that could be read anyway
        return
    if layout:
        raise InputError(
            f"{folder}: holds an imported dataset (layout {layout!r}), which generating would replace; choose "
            "another output.name (--name).",
            usage=True,
        )


def _make_folders(folder: Path) -> None:
    try:
        for kind in KINDS:
            (folder / kind).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot write there ({error.strerror or error}); choose another --output-dir."
        ) from None


def _remove_unnamed(folder: Path, ids: set[str]) -> None:
    """Removes samples of an earlier config; a dataset holds what its manifests name and nothing else."""
    for kind in KINDS:
        for path in (folder / kind).iterdir():
            if NAME.match(path.stem) and path.stem not in ids:  # what is not named by us is not ours
                path.unlink()
