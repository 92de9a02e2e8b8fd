"""Datasets: composed and rendered to disk, described by manifests, cut into training windows."""

from s2s_lib.data.audio import AudioStream, level_gain, read_audio
from s2s_lib.data.generate import generate, refuse_imported
from s2s_lib.data.library import Library, midi_files
from s2s_lib.data.manifest import SPLITS, Manifest, Sample, check_dataset, load_manifests
from s2s_lib.data.stream import Stream
from s2s_lib.data.truth import read_piece
from s2s_lib.data.whole import Passage, training_pieces, validation_pieces
from s2s_lib.data.windows import Batches, Windows, WindowShape

__all__ = [
    "SPLITS",
    "AudioStream",
    "Batches",
    "Library",
    "Manifest",
    "Passage",
    "Sample",
    "Stream",
    "WindowShape",
    "Windows",
    "check_dataset",
    "generate",
    "level_gain",
    "load_manifests",
    "midi_files",
    "read_audio",
    "read_piece",
    "refuse_imported",
    "training_pieces",
    "validation_pieces",
]
