"""Soundfonts by name: files, folders, the one that comes with the package, and what is installed."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s_lib.config import EMBEDDED_SOUNDFONT, SYSTEM_SOUNDFONTS
from s2s_lib.errors import InputError
from s2s_lib.soundfonts.read import Soundfont, embedded_path, read_soundfont

SUFFIXES = (".sf2", ".sf3")
INSIDE_DATA = ("sounds/sf2", "sounds/sf3", "soundfonts", "sf2", "fluid-synth/sf2")  # Debian, Fedora and Arch, Homebrew


@dataclass(frozen=True)
class Unusable:
    """A file that ends in .sf2 or .sf3 and can't be used, and why."""

    path: Path
    reason: str


def find_soundfonts(names: Sequence[str], key: str = "dataset.soundfonts") -> tuple[Soundfont, ...]:
    """The soundfonts with a piano that `names` stand for, in the order of `names`, each content once.

    A name is a file, a folder (searched with its subfolders), 'embedded' or 'system'. Raises InputError (usage) if
    a named file is missing, broken or has no piano, or if a folder or 'system' holds no soundfont with a piano;
    useless ones among good ones are left out, which standard error says once for each.
    """
    found: list[Soundfont] = []
    for name in names:
        looked_at = [_look(path) for path in soundfont_files(name)]
        good = [font for font in looked_at if isinstance(font, Soundfont)]
        bad = [font for font in looked_at if isinstance(font, Unusable)]
        if not good:
            reasons = "; ".join(f"{font.path}: {font.reason}" for font in bad)
            raise InputError(f"{key}: {reasons or _nothing(name)}.", usage=True)
        for font in bad:
            _say_left_out(font)
        found += good
    return tuple(_distinct(found))


def split_soundfonts(
    names: Sequence[str], test_names: Sequence[str]
) -> tuple[tuple[Soundfont, ...], tuple[Soundfont, ...]]:
    """The soundfonts that training hears and those held out for the test split, by content.

    Raises InputError (usage) as `find_soundfonts` does, and if nothing is left to train on.
    """
    held_out = find_soundfonts(test_names, "dataset.test_soundfonts")
    unheard = {font.sha256 for font in held_out}
    found = find_soundfonts(names)
    heard = tuple(font for font in found if font.sha256 not in unheard)
    if not heard:
        raise InputError(
            f"dataset.test_soundfonts holds out all of dataset.soundfonts ({', '.join(font.name for font in found)}); "
            "name another piano to train on.",
            usage=True,
        )
    return heard, held_out


def survey(names: Sequence[str]) -> list[Soundfont | Unusable]:
    """All that `names` stand for, usable or not, each content once. Raises InputError (usage) for a name of nothing."""
    files = {name: soundfont_files(name) for name in names}
    for name, paths in files.items():
        if not paths:
            raise InputError(f"{_nothing(name)}.", usage=True)
    looked_at = [_look(path) for paths in files.values() for path in paths]
    usable = _distinct([font for font in looked_at if isinstance(font, Soundfont)])
    return [*usable, *dict.fromkeys(font for font in looked_at if isinstance(font, Unusable))]


def soundfont_files(name: str) -> list[Path]:
    """The files that a file, folder, 'embedded' or 'system' stands for, links followed; none if there is nothing."""
    if name == EMBEDDED_SOUNDFONT:
        return [embedded_path()]
    if name == SYSTEM_SOUNDFONTS:
        return [*_behind_links(path for folder in system_folders() for path in _inside(folder)), embedded_path()]
    path = Path(name).expanduser()
    if path.is_dir():
        return _behind_links(_inside(path))
    return [path.resolve()] if path.is_file() else []


def system_folders() -> list[Path]:
    """The folders that exist of those where soundfonts are usually installed.

    These are the data folders of the XDG Base Directory Specification, of conda and of Homebrew, macOS's folders of
    sound banks and MuseScore's own.
    """
    home, environment = Path.home(), os.environ
    data = [
        environment.get("XDG_DATA_HOME") or home / ".local/share",
        *(environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(os.pathsep),
        Path(environment.get("CONDA_PREFIX") or sys.prefix) / "share",
        Path(environment.get("HOMEBREW_PREFIX") or "/opt/homebrew") / "share",
        "/usr/local/share",
        "/usr/share",
    ]
    folders = [Path(folder) / inside for folder in data for inside in INSIDE_DATA]
    folders += [root / "Library/Audio/Sounds/Banks" for root in (home, Path("/"))]
    folders += sorted(Path("/usr/share").glob("mscore*/sound"))
    folders += sorted(Path("/Applications").glob("MuseScore*.app/Contents/Resources/sound"))
    folders += sorted(home.glob("Documents/MuseScore*/SoundFonts"))
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _inside(folder: Path) -> list[Path]:
    """Soundfont files of a folder and its subfolders, sorted by path; hidden ones are left out."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent) / name for name in sorted(files) if name.lower().endswith(SUFFIXES) and name[0] != "."]
    return found


def _behind_links(paths: Iterable[Path]) -> list[Path]:
    """The files behind links, each once; a link that leads nowhere is none."""
    return [path for path in dict.fromkeys(path.resolve() for path in paths) if path.is_file()]


def _distinct(fonts: list[Soundfont]) -> list[Soundfont]:
    """Each content once. Only files of equal size are hashed."""
    by_path = {font.path: font for font in fonts}
    sizes = [font.size for font in by_path.values()]
    content = {path: font.sha256 if sizes.count(font.size) > 1 else path for path, font in by_path.items()}
    first = {content[path]: path for path in reversed(by_path)}
    return [font for path, font in by_path.items() if first[content[path]] == path]


def _look(path: Path) -> Soundfont | Unusable:
    try:
        return read_soundfont(path)
    except InputError as error:
        return Unusable(path, str(error).removeprefix(f"{path}: ").rstrip("."))


@functools.cache  # a notebook asks for the same folder many times
def _say_left_out(font: Unusable) -> None:
    print(f"s2s: {font.path} is left out: {font.reason}", file=sys.stderr)


def _nothing(name: str) -> str:
    """What is wrong with a name that no file belongs to."""
    if Path(name).expanduser().is_dir():
        return f"{name}: holds no .sf2 or .sf3 file"
    return (
        f"{name}: there is no such soundfont; name an .sf2 or .sf3 file, a folder of them, "
        f"'{EMBEDDED_SOUNDFONT}' or '{SYSTEM_SOUNDFONTS}'"
    )
