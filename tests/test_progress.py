"""Progress lines: one live line, one tidy last line, a file for the parent."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pytest

from s2s_lib import progress
from s2s_lib.progress import PROGRESS_FILE, Progress, TerminalLine, describe, duration, follow


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRESS_FILE, raising=False)


def test_log_keeps_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=120, label="rendering", unit="piece") as bar:
        for _ in range(120):
            bar.advance(1, note="fast")
    assert capsys.readouterr().err == "rendering: 120 pieces in 0.0 s\n"


def test_terminal_rewrites_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "FILE_PERIOD_S", 0.0)
    with Progress(total=2, label="rendering", unit="piece") as bar:
        bar.advance(1, note="first")
        bar.advance(1)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert "\rrendering: 1/2 pieces (50 %" in text
    assert "first" in text
    assert text.rstrip().split("\r")[-1].startswith("rendering: 2 pieces in ")


def test_line_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    TerminalLine(stream).show("x" * 100, share=0.5)
    assert stream.getvalue().count("x") == 19


def test_file_holds_the_state_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "progress.json"
    monkeypatch.setenv(PROGRESS_FILE, str(file))
    with Progress(total=8, label="training", unit="batch") as bar:
        assert json.loads(file.read_text())["done"] == 0
        for step in range(8):
            bar.advance(note=f"loss {step}")
    state = json.loads(file.read_text())
    assert (state["label"], state["done"], state["total"], state["unit"]) == ("training", 8, 8, "batch")
    assert state["note"] == "loss 7"
    assert list(tmp_path.iterdir()) == [file]


def test_file_is_not_written_for_every_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    writes = []
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "progress.json"))
    monkeypatch.setattr(progress, "atomic_write", lambda path, content: writes.append(content))
    monkeypatch.setattr(progress, "FILE_PERIOD_S", 1000.0)
    with Progress(total=5000, label="training") as bar:
        for _ in range(5000):
            bar.advance()
    assert len(writes) == 2  # on entry and at the end


def test_broken_off_work_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with Progress(total=3, label="rendering", unit="piece") as bar:
            bar.advance()
            raise KeyError("x")

    with pytest.raises(KeyError):
        work()
    assert capsys.readouterr().err.startswith("rendering: broke off at 1/3 pieces in ")


@pytest.mark.parametrize(("unit", "several"), [("piece", "pieces"), ("batch", "batches")])
def test_one_unit_is_singular(unit: str, several: str, capsys: pytest.CaptureFixture[str]) -> None:
    for total in (1, 2):
        with Progress(total, "training", unit) as bar:
            assert describe(bar.state()) == f"training: 0/{total} {unit if total == 1 else several}"
            bar.advance(total)
    one, two = capsys.readouterr().err.splitlines()
    assert one.startswith(f"training: 1 {unit} in ")
    assert two.startswith(f"training: 2 {several} in ")


def test_what_an_earlier_go_did_is_not_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=8, label="training", unit="batch", before=5) as bar:
        bar.advance(3)
    assert capsys.readouterr().err.startswith("training: 8 batches, 3 of them in ")


def test_nothing_to_do_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=0, label="rendering", unit="piece"):
        pass
    assert capsys.readouterr().err.startswith("rendering: 0 pieces in ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.9, "1 h 00 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left_is_estimated() -> None:
    state = {"label": "a", "done": 25, "before": 0, "total": 100, "unit": "step", "note": "n", "seconds": 10.0}
    assert describe(state) == "a: 25/100 steps (25 %, about 30 s left)  n"
    assert describe(state | {"done": 0}) == "a: 0/100 steps  n"
    assert describe(state | {"before": 20}) == "a: 25/100 steps (25 %, about 2 min 30 s left)  n"


def test_parent_shows_what_the_child_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(progress, "FILE_PERIOD_S", 0.01)
    stream = Terminal()
    file = tmp_path / "progress.json"
    with follow(file, "train", stream):
        assert os.environ[PROGRESS_FILE] == str(file)
        state = {"label": "training", "done": 3, "before": 0, "total": 4, "unit": "batch", "note": "", "seconds": 3.0}
        file.write_text(json.dumps(state))
        deadline = time.monotonic() + 10
        while "3/4" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert PROGRESS_FILE not in os.environ
    assert "train: training: 3/4 batches (75 %, about 1.0 s left)" in stream.getvalue()
    assert stream.getvalue().rstrip("\n").split("\r")[-1].startswith("train: done in ")
