"""`s2s report`: its arguments, and what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from s2s_lib.cli.flags import Parser
from s2s_lib.config import OutputConfig
from s2s_lib.errors import InputError
from s2s_lib.pipeline import ReportJob, share_run
from s2s_lib.pipeline.share import FORMATS


def add_report(parser: Parser) -> None:
    """Declares the arguments of `s2s report`."""
    folder = OutputConfig.model_fields["output_dir"].default
    parser.add_argument("run", metavar="RUN", help="name of a run under the folder of runs, or its folder")
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write (default: RUN.html in this folder)")
    parser.add_argument(
        "--format", metavar="NAMES",
        help=f"kinds of files, with commas between: {', '.join(FORMATS)} (default: by the file's ending, else html)",
    )  # fmt: skip
    parser.add_argument("--no-audio", action="store_true", help="leave out the sounds, for a smaller file")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there already")
    parser.add_argument("--output-dir", metavar="DIR", default=folder, help=f"folder of all runs (default: {folder})")


def run_report(options: argparse.Namespace) -> int:
    """Runs `s2s report`: a line for each file, and a sentence for each thing that is missing in them."""
    target = None if options.output is None else Path(options.output).expanduser()
    job = ReportJob(
        options.run, Path(options.output_dir).expanduser(), _formats(options.format, target), target,
        not options.no_audio, options.force,
    )  # fmt: skip
    shared = share_run(job)
    for notice in shared.notices:
        print(f"s2s: {notice}", file=sys.stderr)
    for file in shared.files:
        print(f"{file}  ({file.stat().st_size / 1e6:.1f} MB)")
    return 0


def _formats(asked: str | None, target: Path | None) -> tuple[str, ...]:
    if asked is None:
        ending = target.suffix.lower().removeprefix(".") if target else ""
        return (ending,) if ending in FORMATS else ("html",)
    formats = tuple(dict.fromkeys(name.strip().lower() for name in asked.split(",") if name.strip()))
    if not formats:
        raise InputError("--format: names no format, such as html or pdf.", usage=True)
    return formats
