"""Finds runs: all of a folder, or those that a user names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from s2s_lib.errors import InputError
from s2s_lib.runs.read import Reader
from s2s_lib.runs.run import MARKS, Run


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: its parameters or the record of its stages."""
    return any((folder / mark).is_file() for mark in MARKS)


def open_run(folder: Path) -> Run:
    """Reads a run's folder. Raises InputError (usage) if there is none or it is no run."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such run.", usage=True)
    if not is_run(folder):
        raise InputError(f"{folder}: is no run, since it holds neither {' nor '.join(MARKS)}.", usage=True)
    reader = Reader(folder)
    config, parameters = reader.parameters()
    stages, pieces, (epochs, stopped) = reader.stages(), reader.pieces(), reader.history()
    return Run(folder, folder.name, config, parameters, stages, pieces, epochs, stopped, tuple(reader.faults))


def find_runs(output_dir: Path) -> list[Run]:
    """All runs in a folder, by name; other folders, and hidden ones, are passed over."""
    try:
        folders = sorted(path for path in output_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    return [open_run(folder) for folder in folders if is_run(folder)]


def choose_runs(names: Sequence[str], output_dir: Path) -> tuple[list[Run], list[str]]:
    """The runs that `names` stand for, in that order, and a sentence for each name that stands for none.

    A bare name is that of a run in `output_dir`, anything else a folder. A run named twice counts once; runs of the
    same name in different folders are told apart by their labels.
    """
    runs: dict[Path, Run] = {}
    sentences = []
    for name in names:
        folder = Path(os.path.normpath(output_dir / Path(name).expanduser()))
        if folder.resolve() in runs:
            sentences.append(f"{name}: is named twice and counts once.")
            continue
        try:
            runs[folder.resolve()] = open_run(folder)
        except InputError as error:
            sentences.append(str(error))
    return _labelled(list(runs.values())), sentences


def _labelled(runs: list[Run]) -> list[Run]:
    """The runs, those of the same name with as much of their paths in the label as tells them apart."""
    alike = Counter(run.name for run in runs)
    return [run if alike[run.name] == 1 else replace(run, label=_label(run, runs)) for run in runs]


def _label(run: Run, runs: Sequence[Run]) -> str:
    others = [other.folder.parts for other in runs if other is not run]
    parts = run.folder.parts
    for length in range(2, len(parts) + 1):
        if all(other[-length:] != parts[-length:] for other in others):
            return "/".join(parts[-length:])
    return str(run.folder)
