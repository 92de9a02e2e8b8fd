"""Tools run on audio files, each in a fresh process: their notes, and what they cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_lib.benchmark.peers import PEERS, folder_of, python_of, version_of
from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.notes import Note, PedalEvent, Performance, read_midi
from s2s_lib.provenance import package_version
from s2s_lib.smf import read_music

OURS = "sound2sheet"
RUNNERS = Path(__file__).with_name("runners")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Transcription:
    """What a tool made of one file: notes and seconds, of processor (all threads) and of wall time; or its error."""

    notes: Performance | None = None
    cpu_s: float | None = None
    wall_s: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class ToolRun:
    """One tool on all files. `start_*_s`: imports, loading the model and a warm-up of two seconds of audio."""

    name: str
    version: str
    parameters: int | None
    bytes: int
    device: str
    start_cpu_s: float
    start_wall_s: float
    transcriptions: tuple[Transcription, ...] = field(repr=False)


@dataclass(frozen=True)
class _Command:
    """How a tool is started, and what its job says beside the files."""

    python: Path
    runner: str
    version: str
    suffix: str
    job: dict[str, Any]


def run_tool(
    name: str, config: Config, model: Path, warm_up: Path, files: Sequence[Path], done: Callable[[], None]
) -> ToolRun:
    """Runs our transcriber (OURS) or an installed peer on `files`; `done` is called after each of them.

    A file that a tool fails on has its error. Raises InputError if the tool does not even start.
    """
    command = _command(name, config, model)
    with tempfile.TemporaryDirectory(prefix="s2s-") as folder:
        scratch = Path(folder)
        targets = [scratch / f"{number}{command.suffix}" for number in range(len(files))]
        job = command.job | {
            "warm_up": str(warm_up), "target": str(scratch / f"warm{command.suffix}"),
            "files": [[str(audio), str(target)] for audio, target in zip(files, targets, strict=True)],
            "num_threads": config.benchmark.num_threads,
        }  # fmt: skip
        lines, fate = _talk(command, job, scratch / "said.txt", done)
        if not lines:
            raise InputError(f"{name} does not start: {fate}")
        results = [_read(line, target) for line, target in zip(lines[1:], targets, strict=False)]
    results += [Transcription(error=fate)] * (len(files) - len(results))
    start = lines[0]
    return ToolRun(
        name, command.version, start["parameters"], start["bytes"], start["device"], start["cpu_s"], start["wall_s"],
        tuple(results),
    )  # fmt: skip


def _command(name: str, config: Config, model: Path) -> _Command:
    if name == OURS:
        evaluation = config.evaluation.model_dump(mode="json", exclude={"midi", "audio"})
        job = {"model": str(model), "device": config.model.device, "evaluation": evaluation}
        return _Command(Path(sys.executable), "run_ours.py", package_version("sound2sheet"), ".json", job)
    folder, peer = folder_of(name, config.benchmark), PEERS[name]
    job = {"has_torchaudio": version_of("torchaudio", folder) is not None}
    return _Command(python_of(folder), peer.runner, version_of(peer.package, folder) or peer.version, ".mid", job)


def _talk(
    command: _Command, job: dict[str, Any], said: Path, done: Callable[[], None]
) -> tuple[list[dict[str, Any]], str]:
    """Starts the runner and gives it its job; returns the lines it told, and how it ended where it ended too soon."""
    threads = dict.fromkeys(THREADS, str(job["num_threads"]))
    # a peer must not find our packages, and ours must, in a checkout that is not installed
    ours = str(RUNNERS.parents[2]) if command.runner == "run_ours.py" else ""
    environment = {**os.environ, **threads, "PYTHONPATH": ours}
    lines = []
    with said.open("w") as errors:
        process = subprocess.Popen(
            [command.python, RUNNERS / command.runner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            text=True, env=environment,
        )  # fmt: skip
        try:
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            for line in process.stdout:
                lines.append(json.loads(line))
                if len(lines) > 1:
                    done()
        except BrokenPipeError:
            pass  # it ended before it had read its job; its own words say why
        finally:
            process.stdout.close()
            if process.poll() is None and sys.exc_info()[0] is not None:
                process.kill()
            process.wait()
    words = [line for line in said.read_text(errors="replace").splitlines() if line.strip()]
    return lines, f"its process ended with code {process.returncode}: {words[-1].strip() if words else 'no word why'}"


def _read(line: dict[str, Any], target: Path) -> Transcription:
    if "error" in line:
        return Transcription(error=line["error"])
    try:
        notes = _performance(json.loads(target.read_text())) if target.suffix == ".json" else _peers_notes(target)
    except (InputError, OSError, ValueError) as error:
        return Transcription(error=f"its notes can't be read: {error}")
    return Transcription(notes, line["cpu_s"], line["wall_s"])


def _performance(content: dict[str, Any]) -> Performance:
    """A Performance from the JSON of its fields."""
    notes, extended = (
        None if rows is None else tuple(Note(**row) for row in rows) for rows in (content["notes"], content["extended"])
    )
    return Performance(notes, tuple(PedalEvent(**event) for event in content["pedal"]), extended)


def _peers_notes(path: Path) -> Performance:
    """A peer's MIDI file; one without notes is a transcription without notes."""
    music, _ = read_music(path)
    return read_midi(path) if len(music) or music.left_out else Performance(())
