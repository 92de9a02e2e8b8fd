"""One run's folder, read as far as it can be read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from s2s_lib.config import Config
from s2s_lib.runs.state import NOTEBOOKS, STAGES, STATE_FILE, broken_off

PARAMETERS = "parameters.yaml"
REPORT = "results/evaluation_report.json"
MARKS = (PARAMETERS, STATE_FILE)  # a folder with one of them is a run


@dataclass(frozen=True)
class PieceScores:
    """F1 of each metric on one piece, and what tells whether another run was judged by the same piece.

    `truth` is a digest of the notes and pedal that were played; reports of earlier versions have none, and there
    `notes` and `frames`, the numbers of notes and of pitch-frames of 10 ms that were played, stand for it.
    `transcription` is the MIDI file of what was transcribed, if it was kept.
    """

    id: str
    source: str
    piano: str
    f1: dict[str, float]
    notes: int
    frames: int | None = None
    truth: str | None = None
    transcription: Path | None = None
    transcribed_notes: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the run's other pieces: its name and piano."""
        return self.id, self.piano

    def is_same(self, other: PieceScores) -> bool:
        """Whether both are of the same piece: the same name, piano and truth."""
        if self.key != other.key:
            return False
        if self.truth is not None and other.truth is not None:
            return self.truth == other.truth
        frames = self.frames is None or other.frames is None or self.frames == other.frames
        return self.notes == other.notes and frames


@dataclass(frozen=True, eq=False)
class Run:
    """A run as its folder tells it.

    `parameters` is what parameters.yaml says, key by key, and `config` what this version makes of it, None where it
    can't be read. `stages` is `state.json`. `pieces` are the scores of the last evaluation, none if there was none.
    `epochs` are those of the training history; `stopped` says that a person stopped the training within one.
    `faults` are sentences about what could not be read.
    """

    folder: Path
    label: str
    config: Config | None
    parameters: dict[str, Any]
    stages: dict[str, dict[str, Any]] = field(repr=False)
    pieces: tuple[PieceScores, ...] = field(repr=False)
    epochs: tuple[dict[str, float], ...] = field(repr=False)
    stopped: bool = False
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def status(self, stage: str) -> str:
        """'done', 'outdated', 'failed', 'running', 'broken off' (its process is gone) or 'never'."""
        entry = self.stages.get(stage)
        if entry is None:
            return "never"
        return "broken off" if broken_off(entry) else entry["status"]

    @property
    def state(self) -> str:
        """How far the run came: 'evaluated', 'train failed', 'train stopped', 'evaluate outdated' and the like."""
        statuses = {stage: self.status(stage) for stage in STAGES}
        for telling in ("running", "broken off", "failed"):
            for stage in STAGES:
                if statuses[stage] == telling:
                    return f"{stage} {telling}"
        for stage in reversed(STAGES):
            if statuses[stage] == "done" and stage == "train" and self.stopped:
                return "train stopped"
            if statuses[stage] == "done":
                return f"{stage.removesuffix('e')}ed"
            if statuses[stage] == "outdated":
                return f"{stage} outdated"
        return "evaluated" if self.pieces else "not begun"

    @property
    def failed(self) -> bool:
        """Whether a stage failed or was broken off, and has not been done since."""
        return any(self.status(stage) in ("failed", "broken off") for stage in STAGES)

    @property
    def running(self) -> bool:
        """Whether a stage is noted as running, and not known to be broken off."""
        return any(self.status(stage) == "running" for stage in STAGES)

    @property
    def changed(self) -> datetime:
        """When it last did something: the time of its newest notebook or record."""
        names = (*MARKS, REPORT, *(f"{notebook}.ipynb" for notebook in NOTEBOOKS.values()))
        there = [path for path in (self.folder / name for name in names) if path.is_file()]
        return datetime.fromtimestamp(max(path.stat().st_mtime for path in there)).astimezone()

    @property
    def size(self) -> int:
        """Bytes of all files in the folder; what links lead to is not counted."""
        return sum(
            os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(self.folder) for name in names
        )

    def mean(self, metric: str) -> tuple[float | None, int]:
        """Mean F1 over the pieces of the test split, or where there is none over all, and their number."""
        pieces = [piece for piece in self.pieces if piece.source == "test split"] or self.pieces
        values = [piece.f1[metric] for piece in pieces if metric in piece.f1]
        return (sum(values) / len(values) if values else None), len(values)
