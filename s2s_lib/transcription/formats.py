"""The kinds of files a transcription is written as: their endings, their names, and what they need installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_lib.errors import InputError

if TYPE_CHECKING:
    from s2s_lib.transcription.result import Transcription


@dataclass(frozen=True)
class Format:
    """A kind of file: its ending, what it is called, its MIME type, packages it needs, whether each page is a file."""

    ending: str
    label: str
    mime: str
    packages: tuple[str, ...] = ()
    paged: bool = False


FORMATS = {
    "midi": Format(".mid", "MIDI", "audio/midi"),
    "musicxml": Format(".musicxml", "MusicXML", "application/vnd.recordare.musicxml+xml"),
    "svg": Format(".svg", "SVG", "image/svg+xml", ("verovio",), paged=True),
    "pdf": Format(".pdf", "PDF", "application/pdf", ("verovio", "typst")),
    "png": Format(".png", "PNG", "image/png", ("verovio", "typst"), paged=True),
    "json": Format(".json", "JSON", "application/json"),
    "html": Format(".html", "HTML", "text/html", ("verovio", "typst")),
}


def missing_package(name: str) -> str | None:
    """The first package that the format needs and this Python has not; None if all are there."""
    return next((package for package in FORMATS[name].packages if find_spec(package) is None), None)


def page_paths(path: Path, count: int) -> list[Path]:
    """Names for `count` pages: STEM-1.svg and on, as MuseScore numbers them, so that they sort: STEM-01.svg of 12."""
    width = len(str(count))
    return [path.with_name(f"{path.stem}-{page:0{width}d}{path.suffix}") for page in range(1, count + 1)]


def written_before(folder: Path, stem: str, name: str) -> list[Path]:
    """The files that are there already under the names which this format is written to, however many pages."""
    pages = r"-\d+" if FORMATS[name].paged else ""
    pattern = re.compile(re.escape(stem) + pages + re.escape(FORMATS[name].ending))
    return sorted(file for file in folder.iterdir() if pattern.fullmatch(file.name)) if folder.is_dir() else []


def write_files(
    transcription: Transcription, formats: Sequence[str], folder: Path, stem: str | None = None
) -> list[Path]:
    """Writes a transcription into a folder as STEM, by default its recording's; returns the files, each page its own.

    Pages that a longer score left there under the same name are removed. A format that can't be written costs the
    others nothing: the first InputError is raised once they are there.
    """
    files: list[Path] = []
    failed = None
    stem = stem or Path(transcription.source.name).stem
    for name in dict.fromkeys(formats):
        before, path = written_before(folder, stem, name), folder / f"{stem}{FORMATS[name].ending}"
        try:
            written = getattr(transcription, f"to_{name}")(path) or [path]
        except InputError as error:
            failed = failed or error
            continue
        for stale in set(before) - set(written):
            stale.unlink()
        files += written
    if failed is not None:
        raise failed
    return files
