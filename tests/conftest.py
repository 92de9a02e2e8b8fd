"""What several tests share: the command line in this process, and one small run of the whole chain."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small import small_config
from trainings import Runs

from s2s_lib import Config, RunResult, run_pipeline
from s2s_lib.cli import main
from s2s_lib.data import generate

if TYPE_CHECKING:
    from lab import Lab

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "parameters" / "tiny.yaml"


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line left."""

    code: int
    out: str
    err: str


@pytest.fixture
def s2s(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs `s2s` with these arguments in this process, in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ending:  # argparse leaves this way after --help
            code = ending.code
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(s2s: Callable[..., Outcome], tmp_path: Path) -> Callable[..., str]:
    """Runs `s2s`, expects it to refuse with exit 2 and one sentence, and nothing written; returns the sentence."""

    def call(*arguments: str, code: int = 2) -> str:
        before = sorted(tmp_path.rglob("*"))
        outcome = s2s(*arguments)
        assert outcome.code == code, outcome
        lines = outcome.err.strip().splitlines()
        assert len(lines) == 1, outcome.err
        assert lines[0].startswith("s2s: error: ")
        assert "Traceback" not in outcome.err
        assert outcome.out == ""
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0]

    return call


@pytest.fixture
def fake_model(tmp_path: Path) -> Path:
    """A model folder that looks whole from outside: what is known before anything runs."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "sound2sheet"}')
    save_file({"weight": np.zeros(100, np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small dataset on disk."""
    config = small_config(tmp_path_factory.mktemp("shared"))
    generate(config)
    return config.output.data


@pytest.fixture
def run(small_data: Path, tmp_path: Path) -> Runs:
    """Makes configs of runs over the small dataset."""
    return Runs(small_data, tmp_path)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The whole chain on tiny parameters: generate, train, evaluate, as `s2s run` does it."""
    config = Config.load(TINY, {"output": {"name": "tiny", "output_dir": str(tmp_path_factory.mktemp("runs"))}})
    return run_pipeline(config)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab over the folders of all tests, and one browser to look at it."""
    from lab import opened_lab  # which asks this module where the project is

    with opened_lab(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the report's functions display, in order, in the place of displaying it."""
    from s2s_lib import report  # takes a second to import

    seen: list[Any] = []
    for found in pkgutil.iter_modules(report.__path__, "s2s_lib.report."):
        module = importlib.import_module(found.name)
        if hasattr(module, "display"):
            monkeypatch.setattr(module, "display", lambda *things: seen.extend(things))
    return seen


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ffmpeg that gives `decoded.flac` if it is there, as the file that its last argument names."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    decoded = tmp_path / "decoded.flac"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\n/bin/cp "{decoded}" "$last" 2>/dev/null && exit\n'
                       'echo "ffmpeg is at a loss." >&2\nexit 1\n')  # fmt: skip
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return decoded


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a line of Python in a fresh interpreter."""

    def call(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    return call
