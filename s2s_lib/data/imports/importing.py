"""Paired recordings and MIDI files as a dataset: found, checked, split and described by manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from s2s_lib.config import Config
from s2s_lib.data.audio import AudioStream
from s2s_lib.data.imports.check import Checked, check_pair
from s2s_lib.data.imports.layouts import Found, Pair, find_pairs
from s2s_lib.data.manifest import SPLITS, Manifest, load_manifests, manifest_path, write_manifests
from s2s_lib.data.pieces import assign, group
from s2s_lib.data.workers import in_order
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_path, atomic_write
from s2s_lib.progress import Progress
from s2s_lib.wording import counted

NAMED_FAULTS = 5  # as many are told in an error; with skip_bad the report has all


@dataclass(frozen=True)
class Recording:
    """A pair that fits, in its split."""

    pair: Pair
    checked: Checked
    split: str


def import_recordings(folder: Path, layout: str, config: Config, *, skip_bad: bool, copy: bool) -> str:
    """Makes the recordings under `folder` the dataset of a run; returns a text of what was taken and left out.

    `layout` is "maestro", "maps", "smd", "pairs" or "auto" (see `layouts`). The manifests name the files where they
    lie; with `copy` the dataset gets its own, the audio as mono FLAC at `audio.sample_rate`, and without it only of
    audio that ffmpeg had to decode. Splits that the layout does not give are drawn by piece as `dataset.seed`,
    `train_split` and `val_split` say.

    Raises InputError if the run has a dataset already, if any pair does not fit and `skip_bad` is false, or if a
    split stays empty. Nothing is written then.
    """
    data_dir = config.output.data
    if any(manifest_path(data_dir, split).is_file() for split in SPLITS):
        raise InputError(
            f"{data_dir}: holds a dataset already; remove it, or choose another output.name (--name).", usage=True
        )
    layout, found = find_pairs(folder.resolve(), layout)
    checked = _check(found, config)
    if found.faults and not skip_bad:
        raise InputError(_refusal(found))
    recordings = _split(checked, config, folder)
    _write(recordings, layout, config, copy)
    return _report(folder, layout, found, load_manifests(data_dir), recordings)


def _check(found: Found, config: Config) -> dict[Pair, Checked]:
    """The pairs that fit; the others are added to the faults."""
    checked: dict[Pair, Checked] = {}
    here = config.dataset.model_copy(update={"backend": "local", "scheduler": None})
    with Progress(len(found.pairs), label="checking recordings", unit="pair") as progress:
        results = in_order(check_pair, found.pairs, len(found.pairs), here)
        for pair, result in zip(found.pairs, results, strict=True):
            if isinstance(result, str):
                found.faults.append((pair.audio, result))
            else:
                checked[pair] = result
            progress.advance()
    return checked


def _refusal(found: Found) -> str:
    """One sentence that names the first faults."""
    named = "; ".join(f"{path}: {reason}" for path, reason in found.faults[:NAMED_FAULTS])
    more = len(found.faults) - NAMED_FAULTS
    return f"{named}{f'; and {more} more' if more > 0 else ''}; mend this, or leave out what is bad with --skip-bad."


def _split(checked: dict[Pair, Checked], config: Config, folder: Path) -> list[Recording]:
    """Each pair in its split: the layout's own, or one by piece. Raises InputError if one that has a share is empty."""
    shares = config.dataset.shares()
    splits = {pair: pair.split for pair in checked if pair.split is not None}
    left = {split: share for split, share in shares.items() if share and split not in splits.values()}
    splits |= _draw_splits({pair: checked[pair] for pair in checked if pair not in splits}, left, config.dataset.seed)
    empty = [split for split, share in shares.items() if share and split not in splits.values()]
    if empty:
        raise InputError(
            f"{folder}: has {counted(len(checked), 'recording')} of use and none for the {' and the '.join(empty)} "
            "split; add recordings of other pieces, or import with --format pairs to split them anew.",
        )
    return [Recording(pair, checked[pair], split) for split in SPLITS for pair in splits if splits[pair] == split]


def _draw_splits(checked: dict[Pair, Checked], shares: dict[str, float], seed: int) -> dict[Pair, str]:
    """A split for each pair, by piece; `shares` are scaled to add up to 1."""
    if not checked or not shares:
        return {}
    pieces = _pieces(list(checked), checked)
    names = sorted(set(pieces.values()))
    assigned = assign(names, seed, {split: share / sum(shares.values()) for split, share in shares.items()})
    by_piece = dict(zip(names, assigned, strict=True))
    return {pair: by_piece[pieces[pair]] for pair in checked}


def _pieces(pairs: list[Pair], checked: dict[Pair, Checked]) -> dict[Pair, str]:
    """A name for the piece of each pair: equal where the layout's names or the notes say that it is the same one."""
    groups = group([checked[pair].print for pair in pairs], [pair.piece for pair in pairs])
    wholes: dict[int, int] = {}
    for pair, number in zip(pairs, groups, strict=True):
        whole = checked[pair].print.whole
        wholes[number] = min(whole, wholes.get(number, whole))
    return {pair: f"{wholes[number]:016x}" for pair, number in zip(pairs, groups, strict=True)}


def _write(recordings: list[Recording], layout: str, config: Config, copy: bool) -> None:
    """Writes the dataset, manifests last; removes its copies if that fails."""
    data_dir, rate = config.output.data, config.audio.sample_rate
    header = {"sample_rate": rate, "synthesizer": "", "imported": layout, "soundfonts": {}, "dataset": {}}
    copies: list[Path] = []

    def records() -> Iterator[tuple[str, dict[str, Any]]]:
        for number, recording in enumerate(recordings):
            name = f"{recording.split}_{number:05d}_{re.sub(r'[^A-Za-z0-9.-]+', '_', recording.pair.midi.stem)[:60]}"
            audio, midi = str(recording.pair.audio), str(recording.pair.midi)
            if copy or recording.checked.decoded:
                audio = f"audio/{name}.flac"
                copies.append(data_dir / audio)
                _copy_audio(recording.pair.audio, data_dir / audio, rate)
            if copy:
                midi = f"midi/{name}.mid"
                copies.append(data_dir / midi)
                atomic_write(data_dir / midi, recording.pair.midi.read_bytes())
            yield recording.split, _record(name, recording, audio, midi)
            progress.advance()

    try:
        with Progress(len(recordings), label="copying" if copy else "describing", unit="recording") as progress:
            write_manifests(data_dir, header, records())
    except BaseException:
        for path in copies:
            path.unlink(missing_ok=True)
        raise


def _copy_audio(source: Path, target: Path, sample_rate: int) -> None:
    """Writes a recording as mono 16-bit FLAC, block by block."""
    try:
        with (
            atomic_path(target) as temporary,
            soundfile.SoundFile(temporary, "w", sample_rate, 1, "PCM_16", format="FLAC") as copy,
        ):
            for block in AudioStream(source, sample_rate):
                copy.write(block)
    except soundfile.SoundFileError as error:
        raise InputError(f"{source}: can't be copied ({str(error).split(': ')[-1].rstrip('.')}).") from None


def _record(name: str, recording: Recording, audio: str, midi: str) -> dict[str, Any]:
    """A recording's entry in its manifest."""
    return {
        "id": name,
        "audio": audio,
        "midi": midi,
        "score": None,
        "duration_s": round(recording.checked.seconds, 4),
        "music_end_s": recording.checked.music_end_s,
        "source": recording.pair.midi.name,
        "tempo_bpm": None,
        "key": None,
        "time_signature": None,
        "complexity": None,
        "notes": recording.checked.notes,
        "seed": [],
        "soundfont": "",
        "soundfont_sha256": "",
        "piano": None,
    }


def _report(
    folder: Path, layout: str, found: Found, manifests: dict[str, Manifest], recordings: list[Recording]
) -> str:
    """What was taken, how well it is aligned, and what was left out."""
    parts = [
        f"{split} {len(manifest.samples)} ({manifest.seconds / 60:.1f} min)" for split, manifest in manifests.items()
    ]
    largest = max(abs(recording.checked.offset_s) for recording in recordings)
    decoded = sum(recording.checked.decoded for recording in recordings)
    lines = [
        f"{folder}: {counted(len(recordings), 'recording')} taken as {layout}: {', '.join(parts)}",
        f"largest offset between audio and MIDI: {largest * 1000:.0f} ms",
        *([f"decoded by ffmpeg into the dataset: {counted(decoded, 'recording')}"] if decoded else []),
        *found.remarks,
        *(f"left out {path}: {reason}" for path, reason in found.faults),
    ]
    return "\n".join(lines)
