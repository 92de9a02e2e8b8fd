"""A transcription: what was played, the score found in it, and both as files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write, write_json
from s2s_lib.notes import Note, PedalEvent, Performance, Piece, extend_by_pedal, write_midi, write_piece
from s2s_lib.score import FEWEST_NOTES, Engraving, Wishes, musicxml, notate
from s2s_lib.transcription.formats import FORMATS, page_paths
from s2s_lib.wording import counted


@dataclass(frozen=True)
class Model:
    """The model that heard the notes: 'released' or its folder, and the SHA-256 of its weights."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """What a transcription was made from: its name, and the recording where there is one, as AudioStream takes it."""

    name: str
    audio: str | Path | np.ndarray | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class Transcription:
    """What was played, in seconds; the score is found when first asked for, and kept.

    `wishes` is what the score is to be in the place of what would be found. `model` is None where no model was asked:
    the performance came from a MIDI file. All `to_*` methods write whole files or none, over what is there.
    """

    performance: Performance
    title: str
    source: Source
    wishes: Wishes
    model: Model | None = None

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes sorted by onset, ending at the key's release."""
        return self.performance.notes

    @property
    def pedal(self) -> tuple[PedalEvent, ...]:
        """Movements of the sustain pedal."""
        return self.performance.pedal

    @cached_property
    def extended(self) -> tuple[Note, ...]:
        """The notes with their pedal-extended ends; see `extend_by_pedal`."""
        return extend_by_pedal(self.performance)

    @cached_property
    def has_score(self) -> bool:
        """Whether there are notes enough for a beat to be told from."""
        return len(self.notes) >= FEWEST_NOTES

    def to_score(self) -> Piece:
        """The score, note by note. Raises InputError if there are too few notes for one."""
        return self._piece

    def to_midi(self, path: str | Path) -> None:
        """Performed timing, velocities and pedal; where there is a score, its beats are the file's tempo map."""
        if self.has_score:
            # the score may be without the pedal's marks, the performance never is without its pedal
            write_piece(path, replace(self.to_score(), performance=self.performance))
        else:
            write_midi(path, self.performance)

    def to_musicxml(self, path: str | Path) -> None:
        """The score as MusicXML. Raises InputError as `to_score`, as do all below but `to_json`."""
        atomic_write(path, self.musicxml)

    def to_svg(self, path: str | Path) -> list[Path]:
        """The engraved pages as STEM-1.svg and on; returns their paths."""
        return _save_pages(path, [page.encode() for page in self.svgs])

    def to_png(self, path: str | Path) -> list[Path]:
        """The engraved pages as STEM-1.png and on; returns their paths."""
        return _save_pages(path, [self.engraving.png(page) for page in range(1, self.engraving.pages + 1)])

    def to_pdf(self, path: str | Path) -> None:
        """All engraved pages in one file."""
        atomic_write(path, self.engraving.pdf())

    def to_json(self, path: str | Path) -> None:
        """Everything that is known, as `describe` gives it."""
        from s2s_lib.transcription.description import describe

        write_json(path, describe(self))

    def to_html(self, path: str | Path) -> None:
        """A page that needs nothing else: what was found, the recording, the engraved score, all files to download."""
        from s2s_lib.transcription.page import page

        atomic_write(path, page(self))

    def content(self, name: str) -> bytes:
        """The file of a format that has one, as bytes."""
        with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
            path = Path(scratch) / f"content{FORMATS[name].ending}"
            getattr(self, f"to_{name}")(path)
            return path.read_bytes()

    @cached_property
    def musicxml(self) -> str:
        """The score's MusicXML."""
        return musicxml(self.to_score(), self.title)

    @cached_property
    def engraving(self) -> Engraving:
        """The score's engraved pages."""
        source = self.musicxml  # which names the input itself where it is refused
        with self._named():
            return Engraving(source)

    @property
    def svgs(self) -> list[str]:
        """The engraved pages as SVG."""
        return [self.engraving.svg(page) for page in range(1, self.engraving.pages + 1)]

    def summary(self) -> str:
        """What was found, in a line: notes, tempo, key, metre, pages if they are engraved already."""
        found = [counted(len(self.notes), "note")]
        if self.has_score:
            piece = self.to_score()
            numerator, denominator = piece.time_signature
            mode = "minor" if piece.key.endswith("m") else "major"
            key = f"{piece.key.removesuffix('m')} {mode}"
            found += [f"{piece.tempo_bpm:.0f} bpm", key, f"{numerator}/{denominator}"]
        if "engraving" in vars(self):
            found.append(counted(self.engraving.pages, "page"))
        return ", ".join(found)

    @cached_property
    def _piece(self) -> Piece:
        with self._named():
            return notate(self.performance, self.wishes)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What is refused inside names the input."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.source.name}: {error}") from None


def _save_pages(path: str | Path, contents: list[bytes]) -> list[Path]:
    paths = page_paths(Path(path), len(contents))
    for page, content in zip(paths, contents, strict=True):
        atomic_write(page, content)
    return paths
