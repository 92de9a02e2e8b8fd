"""`s2s runs`: lists runs, and removes those that are asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from s2s_lib.cli.flags import Parser
from s2s_lib.config import OutputConfig
from s2s_lib.errors import InputError
from s2s_lib.runs import Run, check_prunable, choose_runs, find_runs, prune
from s2s_lib.wording import aligned, counted

COLUMNS = ("run", "state", "onset F1", "+ key release F1", "pieces", "age", "size")
TEXT_COLUMNS = 2


def add_runs(parser: Parser) -> None:
    """Declares the arguments of `s2s runs`."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="runs to list (default: all), or to remove")
    default = OutputConfig().output_dir
    parser.add_argument("--output-dir", metavar="DIR", default=default, help=f"folder of all runs (default: {default})")
    parser.add_argument("--failed", action="store_true", help="those of which a stage failed or was broken off")
    parser.add_argument("--prune", action="store_true", help="remove the runs named, or with --failed the failed ones")
    parser.add_argument("--yes", action="store_true", help="remove without asking")


def run_runs(options: argparse.Namespace) -> int:
    """Runs `s2s runs`. Raises InputError (usage) for a name that is no run, and for a run not to be removed."""
    folder = Path(options.output_dir).expanduser()
    if not folder.is_dir():
        raise InputError(f"--output-dir {folder}: there is no such folder.", usage=True)
    if options.prune and not (options.names or options.failed):
        raise InputError("--prune: name the runs to remove, or add --failed.", usage=True)
    if options.yes and not options.prune:
        raise InputError("--yes: answers what only --prune asks; leave it out.", usage=True)
    runs = [run for run in _chosen(options.names, folder) if run.failed or not options.failed]
    if options.prune:
        return _prune(runs, folder, options.yes)
    print(runs_listing(runs, folder))
    for fault in (fault for run in runs for fault in run.faults):
        print(f"s2s: {fault}", file=sys.stderr)
    return 0


def runs_listing(runs: Sequence[Run], folder: Path) -> str:
    """A table of runs, a line each, with their main scores."""
    if not runs:
        return f"{folder}: no such runs"
    return "\n".join(aligned([COLUMNS, *map(_row, runs)], TEXT_COLUMNS))


def _chosen(names: Sequence[str], folder: Path) -> list[Run]:
    """The runs of these names in the folder, or all; a path may stand for a name, as a shell completes it."""
    if not names:
        return find_runs(folder)
    places = [name if Path(name).name == name else str(Path(name).expanduser().absolute()) for name in names]
    runs, sentences = choose_runs(places, folder.absolute())
    if sentences:
        raise InputError(sentences[0], usage=True)
    return runs


def _prune(runs: Sequence[Run], folder: Path, sure: bool) -> int:
    check_prunable(runs, folder)
    if not runs:
        print(f"{folder}: nothing to remove")
        return 0
    print(runs_listing(runs, folder))
    if not sure:
        if not sys.stdin.isatty():
            raise InputError("--prune: nothing is removed without --yes where nobody can be asked.", usage=True)
        answer = input(f"Remove {counted(len(runs), 'run')} with all their files? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing removed")
            return 0
    for run in runs:
        prune(run)
        print(f"removed {folder / run.name}")
    return 0


def _row(run: Run) -> tuple[str, ...]:
    onset, pieces = run.mean("onset")
    release, _ = run.mean("onset_offset_key")
    scores = ("–" if value is None else f"{value:.3f}" for value in (onset, release))
    age = (datetime.now().astimezone() - run.changed).total_seconds()
    return run.label, run.state, *scores, str(pieces or "–"), _age(age), _size(run.size)


def _age(seconds: float) -> str:
    """'now', '5 min', '3 h', '12 d'."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"


def _size(size: int) -> str:
    """'12 KB', '3.4 MB', '1.2 GB'."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size / 1e3:.0f} KB"
