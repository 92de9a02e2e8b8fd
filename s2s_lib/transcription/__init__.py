"""A recording, or a MIDI performance, to its notes, its score and files of every kind that hold them."""

from s2s_lib.transcription.formats import FORMATS, missing_package, page_paths, write_files, written_before
from s2s_lib.transcription.recording import (
    load_transcriber,
    model_folder,
    read_performance,
    transcribe,
    wishes,
)
from s2s_lib.transcription.result import Transcription

__all__ = [
    "FORMATS",
    "Transcription",
    "load_transcriber",
    "missing_package",
    "model_folder",
    "page_paths",
    "read_performance",
    "transcribe",
    "wishes",
    "write_files",
    "written_before",
]
