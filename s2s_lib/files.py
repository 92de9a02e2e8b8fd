"""Files that are whole or not there, on a disk or behind an fsspec URL such as s3://bucket/folder.

On a disk a file is written to a temporary name in the same folder, then renamed; elsewhere it is sent in one piece.
A plain path is a `pathlib.Path`; a URL is a `upath.UPath`, which has the same methods.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from s2s_lib.errors import InputError

# by which recordings and MIDI files are known in folders
AUDIO_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".m4a", ".aac")
MIDI_ENDINGS = (".mid", ".midi")

OWN_PROCESS = "memory://"  # what is kept there is known to one process alone


def is_url(name: str | Path) -> bool:
    """Whether a file or folder is named by a URL, file:// included."""
    return "://" in str(name)


def as_path(name: str | Path) -> Path:
    """The path of a file or folder given by name, or of one given by URL through fsspec.

    Raises InputError (usage) if the URL's kind of storage is unknown or its package is not installed.
    """
    if not isinstance(name, str) or not is_url(name):
        return Path(name) if isinstance(name, str) else name
    if name.startswith(("file://", "local://")):
        return Path(url2pathname(urlsplit(name).path))
    from upath import UPath

    try:
        path = UPath(name)
        path.fs  # noqa: B018  the storage's package is imported here
    except ImportError as error:
        reason = str(error).rstrip(".")
        raise InputError(
            f"{name}: this storage needs a package of its own ({reason}): run 'pip install {_package(name)}'.",
            usage=True,
        ) from None
    except ValueError as error:
        raise InputError(
            f"{name}: is no URL that fsspec can use ({error}); name a folder or another.", usage=True
        ) from None
    return path


def _package(url: str) -> str:
    """What to install for a URL's kind of storage."""
    scheme = url.partition("://")[0]
    own = {
        "s3": "s3fs",
        "s3a": "s3fs",
        "gs": "gcsfs",
        "gcs": "gcsfs",
        "az": "adlfs",
        "abfs": "adlfs",
        "sftp": "paramiko",
    }
    return own.get(scheme, f"'fsspec[{scheme}]'")


@contextmanager
def readable(path: Path) -> Iterator[Path | BinaryIO]:
    """What a library may read a file from: a disk's file by its path, another as an open binary file.

    The storage is asked for anew, since one that works with threads can't be used in a forked process.
    """
    if isinstance(path, Path):
        yield path
        return
    import fsspec

    with fsspec.open(str(path), "rb", **path.storage_options) as file:
        yield file


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path with the same ending; it takes the place of `path` when the block ends without error."""
    path = as_path(path)
    if not isinstance(path, Path):
        with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
            temporary = Path(scratch) / path.name
            yield temporary
            path.fs.put_file(str(temporary), path.path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp's 0600 would hide shared reports from others
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder that takes the place of folder `path` when the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = path.rename(temporary.with_name(f"{temporary.name}-old"))
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def atomic_write(path: str | Path, content: bytes | str) -> None:
    """Writes `content` to `path` so that a killed process leaves the old file or the new one, never half of it."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON with the keys in the order given; the same value gives the same bytes."""
    atomic_write(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: str | Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows under the names of the longest; a cell is empty where a row has no such name, or None."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(max(rows, key=len)), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(path, buffer.getvalue())


def files_under(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """All files in a folder, whatever their depth, whose names end so in whatever case; in order, none hidden."""
    return sorted(
        Path(root) / name
        for root, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(endings) and not name.startswith(".")
    )
