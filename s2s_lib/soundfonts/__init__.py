"""Soundfonts: where they lie, what pianos they hold, and under which licence."""

from s2s_lib.soundfonts.find import (
    Unusable,
    find_soundfonts,
    soundfont_files,
    split_soundfonts,
    survey,
    system_folders,
)
from s2s_lib.soundfonts.read import Preset, Soundfont, file_sha256, read_soundfont

__all__ = [
    "Preset", "Soundfont", "Unusable", "file_sha256", "find_soundfonts", "read_soundfont", "soundfont_files",
    "split_soundfonts", "survey", "system_folders",
]  # fmt: skip
