"""The other tools: what each is, how it is installed in a virtual environment of its own, and where that lies."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s_lib.config import BenchmarkConfig
from s2s_lib.errors import InputError


@dataclass(frozen=True)
class Peer:
    """A tool: its package and version, what pip is told in turn, and the runner that starts it."""

    package: str
    version: str
    installs: tuple[tuple[str, ...], ...]  # the package itself comes last, so that where it is nothing is missing
    runner: str


PEERS = {
    "transkun": Peer(
        "transkun", "2.0.1",
        (
            ("setuptools<81", "torch==2.13.0"),
            ("numpy", "scipy", "pretty_midi", "mir_eval", "pydub", "soxr", "moduleconf",
             'audioop-lts; python_version >= "3.13"'),
            ("--no-deps", "transkun==2.0.1"),  # it asks for torchaudio, of which it needs one function
        ),
        "run_transkun.py",
    ),
    "basic-pitch": Peer(
        "basic_pitch", "0.4.0",
        (
            ("setuptools<81", "onnxruntime", "librosa", "mir_eval", "pretty_midi", "resampy<0.4.3", "scipy",
             "scikit-learn"),
            ("--no-deps", "basic-pitch==0.4.0"),  # it asks for TensorFlow, beside which it has an ONNX model
        ),
        "run_basic_pitch.py",
    ),
}  # fmt: skip


def folder_of(name: str, settings: BenchmarkConfig) -> Path:
    """The virtual environment of a peer."""
    return Path(settings.peers_dir).expanduser() / name


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def version_of(package: str, folder: Path) -> str | None:
    """The version of a package that is installed in a virtual environment, None if it is not."""
    pattern = f"{package}-*.dist-info"
    found = [*folder.glob(f"lib/python*/site-packages/{pattern}"), *folder.glob(f"Lib/site-packages/{pattern}")]
    return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else None


def commands(name: str, folder: Path) -> list[list[str]]:
    """The command lines that install a peer into `folder`, in turn."""
    pip = [str(python_of(folder)), "-m", "pip", "install"]
    return [[sys.executable, "-m", "venv", str(folder)], *([*pip, *words] for words in PEERS[name].installs)]


def missing(settings: BenchmarkConfig) -> dict[str, str]:
    """The peers that were asked for and are not installed, each with a sentence that says so and the way out."""
    return {
        name: f"{name} {PEERS[name].version} is left out: it is not installed in {folder_of(name, settings)}; run "
        "'s2s bench --install-peers'."
        for name in settings.peers
        if version_of(PEERS[name].package, folder_of(name, settings)) is None
    }


def install_peers(settings: BenchmarkConfig) -> dict[str, Path]:
    """Installs those of `settings.peers` that are missing; gives the folder of each.

    Progress goes to standard error. Raises InputError with pip's own words if it fails; what it leaves does not count
    as installed, and the next installation goes on from there.
    """
    for name in missing(settings):
        folder = folder_of(name, settings)
        print(f"s2s: installing {name} into {folder}", file=sys.stderr)
        for command in commands(name, folder):
            _run(command, name)
    return {name: folder_of(name, settings) for name in settings.peers}


def _run(command: Sequence[str], name: str) -> None:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise InputError(f"{name}: can't be installed ({error}).") from None
    if done.returncode:
        words = [line for line in done.stdout.splitlines() if line.strip()]
        said = next((line for line in words if "ERROR" in line), words[-1] if words else "nothing")
        raise InputError(f"{name}: can't be installed: '{shlex.join(command)}' says: {said.strip()}")
