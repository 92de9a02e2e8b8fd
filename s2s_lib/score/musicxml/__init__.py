"""A piece as MusicXML: bars of written symbols, marks about them, and the text of the file."""

from __future__ import annotations

from s2s_lib.score.musicxml.write import musicxml

__all__ = ["musicxml"]
