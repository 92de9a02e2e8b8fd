"""Recordings with their MIDI files, taken as a dataset without rendering anything."""

from s2s_lib.data.imports.importing import import_recordings

__all__ = ["import_recordings"]
