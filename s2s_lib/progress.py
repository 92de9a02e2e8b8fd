"""Progress of long work: one live line in a terminal or notebook, one tidy line in a saved report.

A notebook run by papermill has no terminal of its own, so `Progress` also writes a small JSON file, named by the
environment variable S2S_PROGRESS_FILE, and `follow` shows that file live in the process that started the notebook.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from s2s_lib.files import atomic_write
from s2s_lib.wording import counted

PROGRESS_FILE = "S2S_PROGRESS_FILE"
FILE_PERIOD_S = 0.25  # the file is replaced at most four times a second
LINE_PERIOD_S = 0.5  # a notebook stores every update it is sent, so it gets few
LOG_PERIOD_S = 10.0  # where lines can't be rewritten (a log file), one every ten seconds will do


class Progress:
    """Counts work done and shows it; use as a context manager.

    `total` is the number of units expected, `unit` the name of one, `before` how many were done in an earlier go.
    In a child process nothing is drawn, since the terminal and the notebook belong to the parent; the file is still
    written.
    """

    def __init__(self, total: int, label: str, unit: str = "step", before: int = 0):
        self.total, self.label, self.unit, self.before = total, label, unit, before
        self.done, self.note = before, ""
        self._line = _line()
        self._file = os.environ.get(PROGRESS_FILE)
        self._start = self._written = time.monotonic()

    def __enter__(self) -> Progress:
        self._start = time.monotonic()
        self._publish(force=True)
        return self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Counts `steps` more as done; `note` is a short text shown behind the figures."""
        self.done += steps
        self.note = note or self.note
        self._publish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._publish(force=True)
        count = counted(self.done, self.unit)
        if kind is not None:
            count = f"broke off at {self.done}/{counted(self.total, self.unit)}"
        if self.before:
            count += f", {self.done - self.before} of them"
        self._line.finish(f"{self.label}: {count} in {duration(time.monotonic() - self._start)}")

    def state(self) -> dict[str, Any]:
        """What is known now, as written to the progress file."""
        return {
            "label": self.label,
            "done": self.done,
            "before": self.before,
            "total": self.total,
            "unit": self.unit,
            "note": self.note,
            "seconds": round(time.monotonic() - self._start, 2),
        }

    def _publish(self, force: bool = False) -> None:
        state = self.state()
        self._line.show(describe(state), share=self.done / max(self.total, 1))
        now = time.monotonic()
        if self._file and (force or now - self._written >= FILE_PERIOD_S):
            self._written = now
            atomic_write(self._file, json.dumps(state))


def describe(state: dict[str, Any]) -> str:
    """A progress state as one line: label, count, share, time left, note."""
    done, total, now = state["done"], state["total"], state["done"] - state["before"]
    text = f"{state['label']}: {done}/{counted(total, state['unit'])}"
    if now and done < total:
        text += f" ({100 * done // total} %, about {duration(state['seconds'] * (total - done) / now)} left)"
    return f"{text}  {state['note']}" if state["note"] else text


def read_state(file: Path) -> dict[str, Any] | None:
    """What a progress file says; None while it is not written yet."""
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def duration(seconds: float) -> str:
    """Seconds as a person says them: '0.4 s', '14 s', '3 min 20 s', '2 h 05 min'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@contextmanager
def follow(file: Path, prefix: str, stream: TextIO | None = None) -> Iterator[None]:
    """Shows the progress file that another process writes, live on `stream` (stderr), while the block runs.

    Sets S2S_PROGRESS_FILE for the processes started inside the block.
    """
    line = TerminalLine(stream or sys.stderr)
    stop, start = threading.Event(), time.monotonic()
    before = os.environ.get(PROGRESS_FILE)
    os.environ[PROGRESS_FILE] = str(file)
    watcher = threading.Thread(target=_watch, args=(file, prefix, line, stop), daemon=True)
    watcher.start()
    outcome = "broke off after"
    try:
        yield
        outcome = "done in"
    finally:
        stop.set()
        watcher.join()
        if before is None:
            del os.environ[PROGRESS_FILE]
        else:
            os.environ[PROGRESS_FILE] = before
        line.finish(f"{prefix}: {outcome} {duration(time.monotonic() - start)}")


def _watch(file: Path, prefix: str, line: TerminalLine, stop: threading.Event) -> None:
    start = time.monotonic()
    while not stop.wait(FILE_PERIOD_S):
        state = read_state(file)
        if state is None:
            line.show(f"{prefix}: {duration(time.monotonic() - start)}", share=0)
        else:
            line.show(f"{prefix}: {describe(state)}", share=state["done"] / max(state["total"], 1))


class TerminalLine:
    """One line on a stream: rewritten in place in a terminal, a new line now and then in a log file."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._live = stream.isatty()
        self._shown = time.monotonic() if not self._live else 0.0
        self._tenth = 0
        self._text = ""

    def show(self, text: str, share: float) -> None:
        """Shows `text` if it is time for it; `share` of the work, 0-1, is done."""
        now = time.monotonic()
        if self._live:
            if now - self._shown < FILE_PERIOD_S:
                return
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{text[:width]}\x1b[K")
        else:
            # a log gets a line when ten seconds or another tenth of the work have passed, not more than one a second
            tenth = int(10 * share)
            due = now - self._shown >= LOG_PERIOD_S or (tenth > self._tenth and now - self._shown >= 1)
            if not due or text == self._text:
                return
            self._tenth, self._text = tenth, text
            self._stream.write(f"{text}\n")
        self._shown = now
        self._stream.flush()

    def finish(self, text: str) -> None:
        """Leaves `text` as the last word."""
        self._stream.write(f"\r{text}\x1b[K\n" if self._live else f"{text}\n")
        self._stream.flush()


class NotebookLine:
    """One output in a notebook cell, updated in place, so that a saved notebook keeps the last text only."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = 0.0

    def show(self, text: str, share: float) -> None:
        """Shows `text` if it is time for it."""
        now = time.monotonic()
        if now - self._shown >= LINE_PERIOD_S:
            self._shown = now
            self.finish(text)

    def finish(self, text: str) -> None:
        """Shows `text` at once."""
        from IPython.display import display

        if self._handle is None:
            self._handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": text}, raw=True)


class NoLine:
    """Draws nothing; for child processes."""

    def show(self, text: str, share: float) -> None:
        """Draws nothing."""

    def finish(self, text: str) -> None:
        """Draws nothing."""


def _line() -> TerminalLine | NotebookLine | NoLine:
    if multiprocessing.parent_process() is not None:
        return NoLine()
    return NotebookLine() if in_notebook() else TerminalLine(sys.stderr)


def in_notebook() -> bool:
    """Whether the code runs in a Jupyter kernel (IPython in a terminal does not count)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
