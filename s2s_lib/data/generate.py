"""Composed and rendered datasets. A sample is named by what made it, so generation goes on where it broke off."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from s2s_lib.compose import compose
from s2s_lib.config import Config, DatasetConfig
from s2s_lib.data.audio import write_flac
from s2s_lib.data.manifest import SPLITS, Manifest, load_manifests, write_manifest
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.notes import Piece, read_midi, write_piece
from s2s_lib.progress import Progress
from s2s_lib.render import (
    TAIL_S,
    RenderSettings,
    Reverb,
    file_sha256,
    fluidsynth_version,
    render,
    resolve_soundfont,
)

RECIPE = 1  # raise when composing or rendering changes, so that old files are not taken for new ones
NO_INFLUENCE = ("dataset.num_workers", "dataset.samples", "dataset.train_split", "dataset.val_split")


@dataclass(frozen=True)
class Job:
    """All that makes one sample; its name is a digest of it."""

    id: str
    folder: Path
    seed: tuple[int, int, int]
    dataset: DatasetConfig
    sample_rate: int
    soundfont: Path | None
    soundfont_sha256: str


def generate(config: Config) -> dict[str, Manifest]:
    """Composes, plays and writes the dataset of a run: MIDI, FLAC, scores and one manifest per split.

    The same config and seed give the same MIDI files and manifests whatever the number of workers. Samples that
    are there already are kept; files that no manifest names any more are removed at the end.
    """
    folder = config.output.data
    try:
        for kind in ("audio", "midi", "score"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot write there ({error.strerror}); choose another --output-dir.") from None
    jobs = _jobs(config, folder)
    workers = config.dataset.num_workers or joblib.cpu_count()
    total = sum(map(len, jobs.values()))
    every = [job for split in SPLITS for job in jobs[split]]
    records = []
    with Progress(total, label="composing and rendering", unit="pieces") as progress:
        for record in joblib.Parallel(n_jobs=min(workers, total), return_as="generator")(
            joblib.delayed(make_sample)(job) for job in every
        ):
            records.append(record)
            progress.advance(1, note=f"{sum(r['duration_s'] for r in records) / 60:.1f} min of music")
    by_id = {record["id"]: record for record in records}
    for split in SPLITS:
        write_manifest(folder, split, _header(config), [by_id[job.id] for job in jobs[split]])
    _remove_unnamed(folder, set(by_id))
    return load_manifests(folder)


def make_sample(job: Job) -> dict[str, Any]:
    """Makes one sample's files unless they exist; returns its record for the manifest.

    The JSON file is written last: where it lies, the others are whole.
    """
    score = job.folder / "score" / f"{job.id}.json"
    if score.is_file():
        return json.loads(score.read_text(encoding="utf-8"))["sample"]
    rng = np.random.default_rng(job.seed)
    piece = compose(rng, job.dataset)
    midi = job.folder / "midi" / f"{job.id}.mid"
    write_piece(midi, piece)
    reverb, tuning_cents = _draw_room(rng, job.dataset)
    record = {
        "id": job.id,
        "audio": f"audio/{job.id}.flac" if job.soundfont else None,
        "midi": f"midi/{midi.name}",
        "score": f"score/{score.name}",
        "duration_s": round(min(piece.performance.end_s + TAIL_S, job.dataset.max_duration), 4),
        "music_end_s": piece.performance.end_s,
        "tempo_bpm": piece.tempo_bpm,
        "key": piece.key,
        "time_signature": "/".join(map(str, piece.time_signature)),
        "complexity": piece.complexity,
        "notes": len(piece.performance.notes),
        "seed": list(job.seed),
        "soundfont": job.soundfont.name if job.soundfont else "",
        "soundfont_sha256": job.soundfont_sha256,
        "reverb": asdict(reverb) if reverb else None,
        "tuning_cents": tuning_cents,
    }
    if job.soundfont:
        settings = RenderSettings(job.sample_rate, reverb, tuning_cents)
        # what is played is what the file says, to the tick
        waveform = render(read_midi(midi), job.soundfont, settings, record["duration_s"])
        write_flac(job.folder / record["audio"], waveform, job.sample_rate)
    write_json(score, {"sample": record, **_score(piece)})
    return record


def _jobs(config: Config, folder: Path) -> dict[str, list[Job]]:
    """The samples to make, by split. Every sample draws from a seed of its own: (seed, split, number)."""
    dataset = config.dataset
    fonts, synthesizer = {}, ""
    if dataset.synthesize_audio:
        train = [resolve_soundfont(name) for name in dataset.soundfonts]
        test = [resolve_soundfont(name) for name in dataset.test_soundfonts] or train
        fonts = {"train": train, "val": train, "test": test}
        synthesizer = fluidsynth_version()
    made_by = config.fingerprint("dataset", without=(*NO_INFLUENCE, "dataset.soundfonts", "dataset.test_soundfonts"))
    jobs: dict[str, list[Job]] = {}
    for number, split in enumerate(SPLITS):
        jobs[split] = []
        for index in range(dataset.split_sizes()[split]):
            seed = (dataset.seed, number, index)
            font, sha = None, ""
            if fonts:
                # a generator of its own: the choice of piano must not change the music
                font = fonts[split][np.random.default_rng((*seed, 1)).integers(len(fonts[split]))]
                sha = file_sha256(font)
            recipe = f"{RECIPE} {made_by} {seed} {config.audio.sample_rate} {sha} {synthesizer}"
            name = f"{split}_{index:05d}_{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
            jobs[split].append(Job(name, folder, seed, dataset, config.audio.sample_rate, font, sha))
    return jobs


def _draw_room(rng: np.random.Generator, dataset: DatasetConfig) -> tuple[Reverb | None, float]:
    """A random reverb, or none, and a random master tuning in cents."""
    tuning_cents = round(float(rng.uniform(-dataset.tuning_cents, dataset.tuning_cents)), 2)
    wet = rng.random() < dataset.reverb_probability
    room, damping, level = (round(float(value), 3) for value in rng.uniform((0.1, 0.0, 0.1), (0.9, 0.8, 0.9)))
    return (Reverb(room, damping, 0.5, level) if wet else None), tuning_cents


def _score(piece: Piece) -> dict[str, Any]:
    """What the composer knows of a piece beside its performance; `notes` has a row per note in the MIDI's order."""
    rows = [
        [n.onset_s, n.pitch, s.hand, s.voice, s.onset_beat, s.duration_beats]
        for n, s in zip(piece.performance.notes, piece.notated, strict=True)
    ]
    return {
        "tags": list(piece.tags),
        "beats_s": list(piece.beats_s),
        "columns": ["onset_s", "pitch", "hand", "voice", "onset_beat", "duration_beats"],
        "notes": rows,
    }


def _header(config: Config) -> dict[str, Any]:
    """What all samples of a dataset share."""
    without = {"dataset": {"num_workers"}}
    return {
        "sample_rate": config.audio.sample_rate,
        "synthesizer": f"FluidSynth {fluidsynth_version()}" if config.dataset.synthesize_audio else "",
        "dataset": config.model_dump(mode="json", include={"dataset"}, exclude=without)["dataset"],
    }


def _remove_unnamed(folder: Path, ids: set[str]) -> None:
    """Removes samples of an earlier config; a dataset holds what its manifests name and nothing else."""
    for kind in ("audio", "midi", "score"):
        for path in (folder / kind).iterdir():
            if path.stem not in ids:
                path.unlink()
