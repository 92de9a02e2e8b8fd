"""Datasets: composed and rendered to disk, described by manifests, cut into training windows."""

from s2s_lib.data.audio import read_audio
from s2s_lib.data.generate import generate
from s2s_lib.data.manifest import SPLITS, Manifest, Sample, check_dataset, load_manifests
from s2s_lib.data.windows import Windows, WindowShape

__all__ = [
    "SPLITS",
    "Manifest",
    "Sample",
    "WindowShape",
    "Windows",
    "check_dataset",
    "generate",
    "load_manifests",
    "read_audio",
]
