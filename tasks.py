"""Tasks of this project, for a machine that has nothing but Python and git.

python3 tasks.py demo   sets up .venv and runs parameters/quick.yaml: a dataset, a model, a report
python3 tasks.py test   sets up .venv and runs all tests, the notebooks and the whole chain on tiny parameters
python3 tasks.py lint   checks style and that the notebooks are committed without outputs
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TORCH = "torch==2.13.0"  # installed unless a torch is there; any version that pyproject.toml allows will do
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 11)
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def demo() -> None:
    """The whole pipeline on a small dataset, in about ten minutes on two cores."""
    install(".")
    call("-m", "s2s_lib", "run", "--config", "parameters/quick.yaml", "--name", "demo")


def test() -> None:
    """All tests, then the notebooks as they stand, in one pytest run."""
    install(".[test]")
    shutil.rmtree(ROOT / "runs" / "notebook", ignore_errors=True)  # the notebooks as they stand, from nothing
    call("-m", "pytest", "tests", "--nbmake", *(f"notebooks/{name}" for name in NOTEBOOKS))


def lint() -> None:
    """Style of code and notebooks."""
    install(".[test]")
    call("-m", "ruff", "check", ".")
    call("-m", "ruff", "format", "--check", ".")
    call("-m", "nbstripout", "--verify", *(f"notebooks/{name}" for name in NOTEBOOKS))


TASKS = {"demo": demo, "test": test, "lint": lint}


def install(target: str) -> None:
    """Installs the checkout into .venv, unless it is there with the pyproject.toml as it is now."""
    stamp = VENV / "installed.txt"
    wanted = f"{target} {hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()}\n"
    if stamp.is_file() and wanted in stamp.read_text():
        return
    make_venv()
    if subprocess.run([PYTHON, "-c", "import torch"], capture_output=True).returncode:
        pip(TORCH)
    pip("-e", target)
    with stamp.open("a") as file:
        file.write(wanted)


def make_venv() -> None:
    """Creates .venv if there is none."""
    if sys.version_info < OLDEST:
        sys.exit(f"tasks.py: needs Python {'.'.join(map(str, OLDEST))} or newer, this is {sys.version.split()[0]}.")
    if PYTHON.is_file():
        return
    try:
        import ensurepip  # noqa: F401  Debian leaves it out of python3
        import venv
    except ImportError:
        sys.exit("tasks.py: Python's venv module is missing; install it with 'apt install python3-venv'.")
    print(f"creating {VENV}", flush=True)
    venv.create(VENV, with_pip=True)


def pip(*arguments: str) -> None:
    """Runs pip in .venv."""
    call("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)


def call(*arguments: str) -> None:
    """Runs .venv's Python in the project's folder; ends this program if that fails."""
    print("$ python", *arguments, flush=True)
    done = subprocess.run([PYTHON, *arguments], cwd=ROOT)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        sys.exit(__doc__)
    try:
        TASKS[sys.argv[1]]()
    except KeyboardInterrupt:  # the program that was interrupted has said so
        sys.exit(130)
