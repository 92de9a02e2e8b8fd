"""A soundfont as its own tables describe it, read without loading a sample.

The layout is that of the SoundFont Technical Specification 2.04 (E-mu, 2006): a RIFF file of form 'sfbk' with the
lists INFO (texts), sdta (samples) and pdta (tables). SF3 is the same with each sample packed as Ogg Vorbis.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from s2s_lib.config import PRESET_PROGRAMS
from s2s_lib.errors import InputError
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH

PIANO_BANK = 0
EMBEDDED_LICENCE = "GPL-2.0"  # as Debian packages it; the file itself states none
LICENCE_WORDS = re.compile(r"licen[cs]e|public domain|creative commons|\bCC\b|\bCC0\b|\bGPL|\bMIT\b", re.IGNORECASE)
LICENCE_LENGTH = 100
SOFTEST = 32  # a piano with silent keys at this velocity is no whole piano
VORBIS_RATIO = 10  # about what an SF3's samples grow by when they are decoded
INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, SAMPLE = 41, 43, 44, 53  # generators, section 8.1.2
TABLES = {
    "phdr": np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("zone", "<u2"), ("rest", "V12")]),
    "inst": np.dtype([("name", "S20"), ("zone", "<u2")]),
    "pbag": np.dtype([("generator", "<u2"), ("rest", "V2")]),
    "ibag": np.dtype([("generator", "<u2"), ("rest", "V2")]),
    "pgen": np.dtype([("kind", "<u2"), ("value", "<u2")]),
    "igen": np.dtype([("kind", "<u2"), ("value", "<u2")]),
    "shdr": np.dtype([("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("rest", "V18")]),
}  # section 7; the last record of each only marks the end


@dataclass(frozen=True)
class Preset:
    """An instrument of a soundfont; bank 0 and program 0 is General MIDI's acoustic grand piano.

    From the velocity `softest` upwards all 88 keys sound, below some may stay silent. `sample_bytes` is about what
    its samples take in memory.
    """

    bank: int
    program: int
    name: str
    softest: int
    sample_bytes: int


@dataclass(frozen=True)
class Soundfont:
    """A soundfont file and what it says of itself.

    `pianos` are the presets that General MIDI calls pianos and that sound on all 88 keys, acoustic grand first.
    `licence` is "" where the file says nothing about it; `size` is in bytes.
    """

    path: Path
    pianos: tuple[Preset, ...]
    licence: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's content as 64 hex digits."""
        return file_sha256(self.path)


def embedded_path() -> Path:
    """Path of the soundfont that comes with pretty_midi."""
    return Path(str(importlib.resources.files("pretty_midi"))) / "TimGM6mb.sf2"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content as 64 hex digits, computed once as long as size and time of the file stay."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


def read_soundfont(path: Path) -> Soundfont:
    """Reads what a file holds. Raises InputError (usage) if it is no soundfont, truncated, broken or has no piano."""
    try:
        status = path.stat()
        return _read(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).", usage=True) from None


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=256)
def _read(path: Path, size: int, *_state: int) -> Soundfont:
    with path.open("rb") as file:
        header = file.read(12)
        if header[:4] != b"RIFF" or header[8:12] != b"sfbk":
            raise InputError(f"{path}: not a soundfont (its content is neither SF2 nor SF3).", usage=True)
        end = int.from_bytes(header[4:8], "little") + 8
        if size < end:
            raise InputError(f"{path}: the soundfont is truncated; get a complete copy.", usage=True)
        lists = {file.read(4): (start + 4, start + length) for _, start, length in _chunks(file, 12, end)}
        texts = {name: _text(raw) for name, raw in _content(file, lists.get(b"INFO", (0, 0)))}
        tables = dict(_content(file, lists.get(b"pdta", (0, 0))))
    try:
        pianos, silent = _pianos({name: np.frombuffer(tables[name], dtype) for name, dtype in TABLES.items()}, texts)
    except (KeyError, IndexError, ValueError):
        raise InputError(f"{path}: its tables of instruments are broken; get another copy.", usage=True) from None
    if silent and not pianos:
        raise InputError(
            f"{path}: its piano stays silent on {silent}; name one that sounds on all 88 keys.", usage=True
        )
    if not pianos:
        raise InputError(f"{path}: it has no piano (bank 0, program 0 to 3); name one that has.", usage=True)
    licence = EMBEDDED_LICENCE if path == embedded_path() else _licence(texts)
    return Soundfont(path, tuple(pianos), licence, size)


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """(name, start of the content, length) of each chunk between two positions; the file stands at the content."""
    while start + 8 <= end:
        file.seek(start)
        name, length = struct.unpack("<4sI", file.read(8))
        length = min(length, end - start - 8)
        yield name.decode("latin-1"), start + 8, length
        start += 8 + length + length % 2


def _content(file: BinaryIO, place: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    for name, _, length in _chunks(file, *place):
        yield name, file.read(length)


def _pianos(tables: dict[str, np.ndarray], texts: dict[str, str]) -> tuple[list[Preset], str]:
    """The whole pianos by program, and what keys the last piano that is not whole leaves silent."""
    packed = texts.get("ifil", "").startswith("\x03")
    presets = tables["phdr"]
    found: dict[int, Preset] = {}
    silent = ""
    for number in np.flatnonzero(presets["bank"][:-1] == PIANO_BANK).tolist():
        program = int(presets["program"][number])
        if program not in PRESET_PROGRAMS.values():
            continue
        sounding, samples = _zones(tables, number)
        keys = sounding[LOWEST_PITCH : HIGHEST_PITCH + 1]
        softest = int(np.flatnonzero(~keys.all(axis=0)).max(initial=0)) + 1
        if softest > SOFTEST:
            mute = np.flatnonzero(~keys[:, SOFTEST:].all(axis=1)) + LOWEST_PITCH
            silent = f"{mute.size} of the 88 keys (MIDI pitch {mute[0]} is one)"
            continue
        lengths = tables["shdr"]["end"][samples].astype(np.int64) - tables["shdr"]["start"][samples]
        memory = int(lengths.sum()) * (VORBIS_RATIO if packed else 2)
        found[program] = Preset(PIANO_BANK, program, _text(bytes(presets["name"][number])), softest, memory)
    return [found[program] for program in sorted(found)], silent


def _zones(tables: dict[str, np.ndarray], preset: int) -> tuple[np.ndarray, list[int]]:
    """Where a preset sounds, as bool (key 128, velocity 128), and the numbers of its samples."""
    sounding, samples = np.zeros((128, 128), dtype=bool), set()
    for instrument, (keys, velocities) in _ranges(tables, "phdr", "pbag", "pgen", preset, INSTRUMENT):
        for sample, (low_high, soft_loud) in _ranges(tables, "inst", "ibag", "igen", instrument, SAMPLE):
            key = slice(max(keys[0], low_high[0]), min(keys[1], low_high[1]) + 1)
            velocity = slice(max(velocities[0], soft_loud[0]), min(velocities[1], soft_loud[1]) + 1)
            sounding[key, velocity] = True
            samples.add(sample)
    return sounding, sorted(samples)


def _ranges(
    tables: dict[str, np.ndarray], owners: str, zones: str, generators: str, number: int, target: int
) -> Iterator[tuple[int, tuple[tuple[int, int], tuple[int, int]]]]:
    """(what it leads to, (keys, velocities)) of each zone of a preset or an instrument, ranges with both ends.

    A first zone that leads nowhere holds the defaults of the others (section 7.3).
    """
    ranges = {KEY_RANGE: 127 << 8, VELOCITY_RANGE: 127 << 8}
    first, last = tables[owners]["zone"][number : number + 2].tolist()
    for zone in range(first, last):
        start, end = tables[zones]["generator"][zone : zone + 2].tolist()
        values = dict(tables[generators][start:end].tolist())
        if target in values:
            keys, velocities = (values.get(kind, default) for kind, default in ranges.items())
            yield values[target], ((keys & 255, keys >> 8), (velocities & 255, velocities >> 8))
        elif zone == first:
            ranges |= {kind: values[kind] for kind in ranges if kind in values}


def _text(raw: bytes) -> str:
    raw = raw.split(b"\0")[0]
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()


def _licence(texts: dict[str, str]) -> str:
    """The line of comment or copyright that speaks of a licence, else the copyright."""
    lines = [line.strip() for name in ("ICMT", "ICOP") for line in texts.get(name, "").splitlines()]
    line = next((line for line in lines if LICENCE_WORDS.search(line)), texts.get("ICOP", ""))
    return line if len(line) <= LICENCE_LENGTH else line[: LICENCE_LENGTH - 1] + "…"
