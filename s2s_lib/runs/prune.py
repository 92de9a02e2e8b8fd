"""Removes runs: what was asked for and nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from s2s_lib.errors import InputError
from s2s_lib.files import as_path, is_url
from s2s_lib.runs.find import find_runs, is_run
from s2s_lib.runs.run import Run

OWN_FOLDERS = ("output.data_dir", "output.checkpoint_dir", "output.log_dir")


def check_prunable(runs: Sequence[Run], output_dir: Path) -> None:
    """Raises InputError (usage) for the first run whose folder must not be removed.

    That is one that lies elsewhere than in `output_dir`, is a link, is running, holds other runs, or holds the
    dataset, checkpoints or logs of a run that is to stay.
    """
    going = {run.folder.resolve() for run in runs}
    staying = [run for run in find_runs(output_dir) if run.folder.resolve() not in going]
    for run in runs:
        if run.folder.is_symlink():
            raise InputError(f"{run.folder}: is a link to {run.folder.resolve()}; remove it by hand.", usage=True)
        if run.folder.resolve().parent != output_dir.resolve():
            raise InputError(
                f"{run.folder}: lies elsewhere than in {output_dir}; name its folder with --output-dir.", usage=True
            )
        if run.running:
            raise InputError(f"{run.folder}: is running ({run.state}); stop it first.", usage=True)
        inner = _runs_inside(run.folder)
        if inner:
            raise InputError(f"{run.folder}: holds other runs, {inner[0]} among them; remove those first.", usage=True)
        for other in staying:
            _check_apart(run, other)


def prune(run: Run) -> None:
    """Removes a run's folder; links in it are removed, and what they lead to stays.

    It is renamed first, so that a removal that is broken off leaves no half of a run under its name.
    """
    grave = Path(tempfile.mkdtemp(dir=run.folder.parent, prefix=f".{run.name}-removed-"))
    run.folder.rename(grave / run.name)
    shutil.rmtree(grave)


def _runs_inside(folder: Path) -> list[Path]:
    return [Path(root, name) for root, names, _ in os.walk(folder) for name in names if is_run(Path(root, name))]


def _check_apart(run: Run, other: Run) -> None:
    for key in OWN_FOLDERS:
        place = other.parameters.get(key)
        if not isinstance(place, str) or (is_url(place) and not place.startswith("file://")):
            continue
        if as_path(place).resolve().is_relative_to(run.folder.resolve()):
            raise InputError(
                f"{run.folder}: holds {place}, the {key} of run {other.name}, which is to stay.", usage=True
            )
