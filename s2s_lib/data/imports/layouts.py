"""How published datasets of recorded piano music lie on disk: which audio belongs to which MIDI, and in which split.

- maestro (Hawthorne et al., ICLR 2019): a CSV file names each pair and its split.
- maps (Emiya, Badeau, David, IEEE TASLP 2010): `<piano>/MUS/MAPS_MUS-<piece>_<piano>.wav` and `.mid`; the isolated
  notes and chords in ISOL, RAND and UCHO are no music and are passed over. The two recorded pianos, ENSTDkAm and
  ENSTDkCl, are the test split, and pieces in it are left out of the other pianos (Sigtia, Benetos, Dixon, IEEE TASLP
  2016, configuration 2; Hawthorne et al., ISMIR 2018); validation pieces are taken from training.
- smd (Mueller et al., ISMIR late-breaking 2011): `<composer>_<work>_<performer>_<date>-SMD` as `.mid` in one folder
  and audio in another; it has no splits.
- pairs: audio and MIDI files of equal stem in any folders; split by piece.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from s2s_lib.errors import InputError
from s2s_lib.files import AUDIO_ENDINGS, MIDI_ENDINGS
from s2s_lib.wording import counted

MAPS_NAME = re.compile(r"MAPS_MUS-(?P<piece>.+)_(?P<piano>[A-Za-z0-9]+)$")
MAPS_TEST = ("ENSTDkAm", "ENSTDkCl")
SMD_NAME = re.compile(r"(?P<piece>[^_]+_[^_]+)_.+-SMD$", re.IGNORECASE)
MAESTRO_SPLITS = {"train": "train", "validation": "val", "test": "test"}
MAESTRO_COLUMNS = ("split", "midi_filename", "audio_filename")


@dataclass(frozen=True)
class Pair:
    """A recording and its MIDI file. `split` and `piece` are what the layout says of them, None for nothing."""

    audio: Path
    midi: Path
    split: str | None = None
    piece: str | None = None


@dataclass
class Found:
    """What a folder holds: pairs in order, faults that stand in the way (file and reason), and plain remarks."""

    pairs: list[Pair] = field(default_factory=list)
    faults: list[tuple[Path, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def find_pairs(folder: Path, layout: str) -> tuple[str, Found]:
    """The layout ("auto" is found out) and what the folder holds in it.

    Raises InputError (usage) for an unknown layout or a folder that has nothing in this layout.
    """
    if layout not in ("auto", *LAYOUTS):
        raise InputError(f"--format {layout}: choose one of auto, {', '.join(LAYOUTS)}.", usage=True)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder of recordings.", usage=True)
    files = sorted(
        Path(root) / name for root, _, names in os.walk(folder) for name in names if not name.startswith((".", "~"))
    )
    if layout == "auto":
        layout = _detect(files)
    found = LAYOUTS[layout](files)
    if not found.pairs and not found.faults:
        raise InputError(
            f"{folder}: holds no recordings in the layout {layout!r}; name the folder of the audio and MIDI files, or "
            "another --format.",
            usage=True,
        )
    return layout, found


def _detect(files: list[Path]) -> str:
    if any(_is_maestro(file) for file in files):
        return "maestro"
    midi = [file.stem for file in files if file.suffix.lower() in MIDI_ENDINGS]
    if any(MAPS_NAME.match(stem) for stem in midi):
        return "maps"
    return "smd" if any(SMD_NAME.match(stem) for stem in midi) else "pairs"


def _is_maestro(file: Path) -> bool:
    return file.name.lower().startswith("maestro-") and file.suffix.lower() == ".csv"


def _maestro(files: list[Path]) -> Found:
    tables = [file for file in files if _is_maestro(file)]
    if not tables:
        return Found()
    if len(tables) > 1:
        raise InputError(f"{tables[1]}: is a second table beside {tables[0].name}; keep one of them.", usage=True)
    table, found = tables[0], Found()
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{table}: not a readable CSV file ({error}).", usage=True) from None
    missing = [name for name in MAESTRO_COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"{table}: has no column {', '.join(missing)}, or no rows.", usage=True)
    for line, row in enumerate(rows, 2):
        split = MAESTRO_SPLITS.get(row["split"] or "")
        if split is None:
            found.faults.append((table, f"line {line} names no split of train, validation, test: {row['split']!r}"))
            continue
        audio, midi = (table.parent / (row[name] or "?") for name in ("audio_filename", "midi_filename"))
        absent = [file for file in (audio, midi) if not file.is_file()]
        if absent:
            found.faults.append((absent[0], f"is not there, but line {line} of {table.name} names it"))
        else:
            found.pairs.append(Pair(audio, midi, split))
    return found


def _maps(files: list[Path]) -> Found:
    music = [file for file in files if MAPS_NAME.match(file.stem)]
    found = _by_stem(music)
    names = {pair: MAPS_NAME.match(pair.midi.stem) for pair in found.pairs}
    tested = {name["piece"] for name in names.values() if name["piano"] in MAPS_TEST}
    pairs, left_out = [], 0
    for pair, name in names.items():
        if name["piano"] in MAPS_TEST:
            pairs.append(Pair(pair.audio, pair.midi, "test", name["piece"]))
        elif name["piece"] in tested:
            left_out += 1
        else:
            pairs.append(Pair(pair.audio, pair.midi, None, name["piece"]))
    if left_out:
        found.remarks.append(
            f"left out of training: {counted(left_out, 'recording')} of pieces that are in the test split"
        )
    found.pairs = pairs
    return found


def _smd(files: list[Path]) -> Found:
    found = _by_stem(files)
    names = {pair: SMD_NAME.match(pair.midi.stem) for pair in found.pairs}
    found.pairs = [Pair(pair.audio, pair.midi, None, name and name["piece"]) for pair, name in names.items()]
    return found


def _by_stem(files: list[Path]) -> Found:
    """Pairs of equal stem: in the same folder if it has the MIDI file, else in the only other one that has it."""
    audios = [file for file in files if file.suffix.lower() in AUDIO_ENDINGS]
    midis = [file for file in files if file.suffix.lower() in MIDI_ENDINGS]
    by_stem: dict[str, list[Path]] = {}
    for midi in midis:
        by_stem.setdefault(midi.stem, []).append(midi)
    found, used = Found(), set()
    for audio in audios:
        candidates = by_stem.get(audio.stem, [])
        beside = [midi for midi in candidates if midi.parent == audio.parent]
        chosen = beside or candidates
        if len(chosen) == 1:
            found.pairs.append(Pair(audio, chosen[0]))
            used.add(chosen[0])
        else:
            why = "has no MIDI file of the same name" if not chosen else f"has {len(chosen)} MIDI files of its name"
            found.faults.append((audio, why))
    found.faults += [(midi, "has no recording of the same name") for midi in midis if midi not in used]
    return found


LAYOUTS: dict[str, Callable[[list[Path]], Found]] = {
    "maestro": _maestro,
    "maps": _maps,
    "smd": _smd,
    "pairs": _by_stem,
}
