"""One trial's work, done by a process of its own, on this machine or by a worker of a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "s2s_lib.pipeline.sweep.child")
DONE, FAILED, STOPPED = 0, 1, 130  # exit codes
PERIOD_S = 0.2
GRACE_S = 30.0  # what a process that is told to stop is given to end its kernel and note its state


@dataclass(frozen=True)
class Job:
    """What to run: a config's sections and stages; where its words go; the file at whose coming it stops."""

    config: dict[str, Any]
    stages: tuple[str, ...]
    log: str
    stop: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: why it failed, if it did, or that it was stopped."""

    error: str | None = None
    stopped: bool = False


def run_job(job: Job) -> Outcome:
    """Runs a job in a process of its own and waits for it.

    The process is in a session of its own, so that Ctrl-C in a terminal reaches it once, from here.
    """
    log = Path(job.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as words:
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE, stdout=words, stderr=words, text=True, start_new_session=True,
            env={**os.environ, **job.environment},
        )  # fmt: skip
        try:
            with suppress(BrokenPipeError), process.stdin as stdin:  # type: ignore[union-attr]
                stdin.write(json.dumps(asdict(job)))
            while process.poll() is None and not os.path.exists(job.stop):
                time.sleep(PERIOD_S)
        finally:
            if process.poll() is None:
                _stop(process)
    stopped = process.returncode != DONE and os.path.exists(job.stop)
    return Outcome(stopped=True) if stopped else _outcome(process.returncode, log)


def last_words(log: Path) -> str:
    """The last line of a job's log; nothing if there is none yet."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    except OSError:
        return ""


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _outcome(code: int, log: Path) -> Outcome:
    if code == DONE:
        return Outcome()
    if code == STOPPED:
        return Outcome(stopped=True)
    if code == FAILED:
        return Outcome(error=last_words(log) or f"failed without a word; see {log}")
    return Outcome(error=f"its process died (exit status {code}), perhaps for lack of memory; see {log}")
