"""A folder of MIDI files as a source of music: read, judged, and split so that no piece is in two splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from s2s_lib.config import DatasetConfig
from s2s_lib.data.excerpts import Limits, Places, cut, find_places
from s2s_lib.data.manifest import SPLITS
from s2s_lib.data.pieces import Print, assign, fingerprint, group
from s2s_lib.errors import InputError
from s2s_lib.files import MIDI_ENDINGS, files_under
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Piece
from s2s_lib.smf import Music, read_music
from s2s_lib.wording import counted

MOST_OFF_KEYBOARD = 0.02  # share of notes outside the 88 keys that is dropped; a file with more is not for the piano
CACHED_FILES = 64  # read files that a process remembers, some 100 KB each


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class MidiFile:
    """A usable MIDI file: digest of its bytes, number of piano notes, and the last key release in seconds."""

    path: Path
    sha256: str
    notes: int
    seconds: float

    def excerpt(self, rng: np.random.Generator, dataset: DatasetConfig) -> Piece:
        """A random excerpt within the dataset's limits on duration and notes; `cut` and `find_places` tell how.

        Raises InputError if the file is gone, has changed since the scan, or holds no such excerpt.
        """
        music, places = _load(self.path, self.sha256, _limits(dataset))
        if not len(places):
            raise InputError(f"{self.path}: {_no_place(_limits(dataset))}.")
        return cut(music, places, rng, self.path.name)


@dataclass(frozen=True)
class Library:
    """The usable files of a folder, by split and piece; `left_out` counts the notes dropped for being off the keys."""

    folder: Path
    pieces: dict[str, tuple[tuple[MidiFile, ...], ...]]
    skipped: tuple[Skipped, ...]
    left_out: int

    @classmethod
    def scan(cls, dataset: DatasetConfig) -> Library:
        """Reads all MIDI files under `dataset.midi_dir`, whatever their depth, and splits them by piece.

        Files with the same piece (see `pieces`) go to the same split; shares and seed are the dataset's. Raises
        InputError (usage) if the folder is missing, or holds too few pieces for the splits that have a share.
        """
        folder = Path(dataset.midi_dir or "")
        files, prints, skipped, left_out = [], [], [], 0
        for path in midi_files(folder):
            result = _scan_file(path, _stamp(path), _limits(dataset))
            if isinstance(result, Skipped):
                skipped.append(result)
            else:
                file, print_, dropped = result
                files.append(file)
                prints.append(print_)
                left_out += dropped
        pieces: dict[int, list[int]] = {}
        for index, piece in enumerate(group(prints)):
            pieces.setdefault(piece, []).append(index)
        # a piece's name comes from its notes, so that neither its place in the folder nor its file's name matters
        names = [f"{min(prints[index].whole for index in members):016x}" for members in pieces.values()]
        splits: dict[str, list[tuple[MidiFile, ...]]] = {split: [] for split in SPLITS}
        assigned = assign(names, dataset.seed, dataset.shares()) if names else []
        for members, split in zip(pieces.values(), assigned, strict=True):
            splits[split].append(tuple(files[index] for index in members))
        by_split = {split: tuple(members) for split, members in splits.items()}
        library = cls(folder, by_split, tuple(skipped), left_out)
        library._check(dataset)
        return library

    def draw(self, rng: np.random.Generator, split: str) -> MidiFile:
        """A file of the split: each piece is equally likely, and so is each file of a piece."""
        pieces = self.pieces[split]
        if not pieces:
            raise InputError(f"{self.folder}: has no piece for the {split} split.")
        files = pieces[rng.integers(len(pieces))]
        return files[rng.integers(len(files))]

    def report(self) -> str:
        """What is used and what is not, for the log: one line of figures, one for each skipped file."""
        counts = ", ".join(f"{len(self.pieces[split])} {split}" for split in SPLITS)
        files = sum(len(piece) for split in SPLITS for piece in self.pieces[split])
        pieces = sum(map(len, self.pieces.values()))
        lines = [f"{self.folder}: {counted(files, 'MIDI file')} of {counted(pieces, 'piece')} ({counts})"]
        if self.left_out:
            lines.append(f"left out for being off the piano's keys: {counted(self.left_out, 'note')}")
        return "\n".join([*lines, *(f"skipped {skip.path}: {skip.reason}" for skip in self.skipped)])

    def _check(self, dataset: DatasetConfig) -> None:
        """Raises InputError if a split with a share has no piece."""
        needed = [split for split, share in dataset.shares().items() if share]
        if all(self.pieces[split] for split in needed):
            return
        pieces = sum(map(len, self.pieces.values()))
        found = counted(pieces, "usable MIDI piece") if pieces else "no usable MIDI pieces"
        why = f"; {len(self.skipped)} skipped, the first: {_short(self.skipped[0])}" if self.skipped else ""
        raise InputError(
            f"{self.folder}: holds {found}, but {', '.join(needed)} need one each{why}; add MIDI files to "
            "dataset.midi_dir.",
            usage=True,
        )


def _short(skip: Skipped) -> str:
    return f"{skip.path.name} {skip.reason}"


def _limits(dataset: DatasetConfig) -> Limits:
    return Limits(dataset.min_duration, dataset.max_duration, dataset.min_notes, dataset.max_notes)


def _no_place(limits: Limits) -> str:
    return (
        f"has no excerpt of {limits.min_duration:g}-{limits.max_duration:g} s with {limits.min_notes}-"
        f"{limits.max_notes} notes"
    )


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change; a link to nowhere has none, and reading it tells why."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=20_000)
def _scan_file(path: Path, _stamp: tuple[int, int], limits: Limits) -> tuple[MidiFile, Print, int] | Skipped:
    """What a scan wants to know of a file; its stamp tells whether that is known already."""
    try:
        music, sha256 = read_music(path)
        music, dropped = _playable(music, path)
    except InputError as error:
        return Skipped(path, str(error).removeprefix(f"{path}: ").rstrip("."))
    if not len(find_places(music, limits)):
        return Skipped(path, _no_place(limits))
    return MidiFile(path, sha256, len(music), float(music.offset_s.max())), fingerprint(music), dropped


@lru_cache(maxsize=CACHED_FILES)
def _load(path: Path, sha256: str, limits: Limits) -> tuple[Music, Places]:
    """A scanned file's music, and where an excerpt may be cut."""
    music, found = read_music(path)
    if found != sha256:
        raise InputError(f"{path}: has changed since dataset.midi_dir was read; start again.")
    music, _ = _playable(music, path)
    return music, find_places(music, limits)


def _playable(music: Music, path: Path) -> tuple[Music, int]:
    """The music without notes off the 88 keys, and how many those are. Raises InputError if little is left."""
    if not len(music):
        left_out = ", ".join(f"{count} {reason}" for reason, count in music.left_out.items())
        raise InputError(f"{path}: holds no piano notes{f' (left out: {left_out})' if left_out else ''}.")
    inside = (music.pitch >= LOWEST_PITCH) & (music.pitch <= HIGHEST_PITCH)
    dropped = int((~inside).sum())
    if dropped > MOST_OFF_KEYBOARD * len(music):
        raise InputError(f"{path}: has {dropped} of {len(music)} notes outside the piano's 88 keys.")
    return _select(music, inside), dropped


def _select(music: Music, kept: np.ndarray) -> Music:
    """The notes marked in `kept`, each ending at the latest where its key is struck again, doubles left out."""
    order = np.flatnonzero(kept)
    order = order[np.lexsort((music.onset_s[order], music.pitch[order]))]
    onset_s, pitch = music.onset_s[order], music.pitch[order]
    next_s = np.where(np.diff(pitch, append=-1) == 0, np.append(onset_s[1:], np.inf), np.inf)
    offset_s = np.minimum(music.offset_s[order], next_s)
    single = next_s - onset_s >= 0.001
    again = np.lexsort((pitch[single], onset_s[single]))
    columns = {"onset_s": onset_s, "offset_s": offset_s, "pitch": pitch, "velocity": music.velocity[order]}
    return replace(music, **{name: column[single][again] for name, column in columns.items()})


def midi_files(folder: str | Path, key: str = "dataset.midi_dir") -> list[Path]:
    """All MIDI files under a folder, in order of their names. Raises InputError (usage), naming `key`, if none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; {key} names one of MIDI files.", usage=True)
    found = files_under(folder, MIDI_ENDINGS)
    if not found:
        raise InputError(f"{folder}: holds no MIDI files (.mid, .midi); {key} needs some.", usage=True)
    return found
