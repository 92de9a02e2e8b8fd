"""Where a result comes from: versions, code, machine, time."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "sound2sheet", "torch", "transformers", "accelerate", "pretty_midi", "pyfluidsynth", "mir_eval", "numpy", "verovio",
)  # fmt: skip


def collect() -> dict[str, str]:
    """Time, code, versions and machine, each as a short text; imports none of the packages it names."""
    return {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "git commit": git_commit(),
        "python": platform.python_version(),
        **{name: package_version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": f"{processor()}, {cores()} cores",
        "GPU": gpus() or "none",
    }


def package_version(name: str) -> str:
    """Version of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def git_commit() -> str:
    """Commit of the checkout this package runs from, with a word on uncommitted changes."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():  # installed as a package: another repository around it would be a lie
        return "not a checkout"
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{commit} with uncommitted changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def processor() -> str:
    """Model name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # no Linux
        pass
    return platform.processor() or platform.machine()


def gpus() -> str:
    """Names of NVIDIA's GPUs; asking torch would keep it from starting training processes later."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ", ".join(done.stdout.strip().splitlines())


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
