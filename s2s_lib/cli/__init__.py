"""`s2s`: the command line, a thin shell over the pipeline, the data layer and the config."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from s2s_lib.cli.compare import add_compare, compare_config, verdicts
from s2s_lib.cli.flags import Flag, Parser, schema_flags
from s2s_lib.cli.listing import soundfonts_listing
from s2s_lib.cli.report import add_report, run_report
from s2s_lib.cli.resolve import resolve
from s2s_lib.cli.runs import add_runs, run_runs
from s2s_lib.cli.sweep import sweep_runs
from s2s_lib.cli.transcribe import add_transcribe, run_transcribe
from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline import (
    STAGES,
    StageError,
    import_dataset,
    install_peers,
    run_benchmark,
    run_comparison,
    run_pipeline,
    scores_summary,
)

__all__ = ["Flag", "main", "schema_flags"]

COMMANDS = {
    "run": "generate, train and evaluate",
    "generate": "compose and render a dataset",
    "import": "take paired recordings and MIDI files as a dataset: MAESTRO, MAPS, SMD or any folder of pairs",
    "train": "train a model on the run's dataset",
    "sweep": "run a grid or a random search over config keys, and compare the runs",
    "evaluate": "transcribe and score the run's test split, MIDI files or recordings",
    "transcribe": "turn recordings into MIDI files and sheet music",
    "runs": "list runs with their state, scores, age and size, or remove some",
    "compare": "set runs beside each other: which is better, by how much, on which pieces",
    "report": "put all stages of a run into one file to hand on: web page, notebook or PDF",
    "bench": "set our transcriber beside other tools on the same recordings",
    "soundfonts": "list soundfonts and their pianos",
    "config": "print the resolved config as YAML and run nothing",
}


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of `s2s` and those of its commands."""
    parser = Parser(
        prog="s2s", allow_abbrev=False, description="Sound2Sheet: piano music composed, rendered, learnt, transcribed."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    parsers = {}
    for command, text in COMMANDS.items():
        parsers[command] = commands.add_parser(command, help=text, description=text, allow_abbrev=False)
    flags = schema_flags()
    for command in ("sweep", "config"):
        _add_flags(parsers[command], flags)
    one_run = {section: flags[section] for section in flags if section != "sweep"}
    for command in {*STAGES, "run", "bench"}:
        _add_flags(parsers[command], one_run)
    for command in {*STAGES, "run"}:
        parsers[command].add_argument(
            "--eval-only", action="store_true", help="evaluate the model that is there and do nothing else"
        )
    parsers["bench"].add_argument(
        "--install-peers", action="store_true", help="install the tools to set beside ours, and do nothing else"
    )
    _add_import(parsers["import"])
    add_transcribe(parsers["transcribe"])
    add_runs(parsers["runs"])
    add_report(parsers["report"])
    _add_compare(parsers["compare"])
    parsers["soundfonts"].add_argument(
        "names", metavar="NAME", nargs="*", default=["system"],
        help="soundfont files, folders of them, 'embedded' or 'system' (default: system, all that are installed)",
    )  # fmt: skip
    return parser, parsers


def _add_flags(parser: Parser, sections: dict[str, list[Flag]]) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="YAML file with what differs from the defaults, or quick, default, production"
    )
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="any config key, the value as in YAML"
    )
    for section, flags in sections.items():
        group = parser.add_argument_group(section)
        for flag in flags:
            flag.add_to(group)


def _add_import(parser: Parser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="folder of the recordings and their MIDI files")
    parser.add_argument(
        "--format", default="auto", help="maestro, maps, smd, pairs, or auto, which looks (default: auto)"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out pairs that do not fit, and list them")
    parser.add_argument("--copy", action="store_true", help="copy the files into the dataset instead of naming them")
    flags = schema_flags()
    _add_flags(parser, {section: flags[section] for section in ("audio", "output")})


def _add_compare(parser: Parser) -> None:
    add_compare(parser)
    _add_flags(parser, {"output": schema_flags()["output"]})


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `s2s`; returns 0 when done, 1 for a failed run, 2 for bad usage or config, 130 when interrupted."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except (InputError, StageError) as error:
        print(f"s2s: error: {error}", file=sys.stderr)
        return 2 if error.usage else 1
    except KeyboardInterrupt:
        print("s2s: interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"s2s: error: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 1


def _run(arguments: Sequence[str]) -> int:
    parser, parsers = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    if options.command == "transcribe" and not any(word.startswith("-") for word in unknown):
        options.inputs += unknown  # argparse takes only the first row of them, not those behind a flag
    elif unknown:
        parsers[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.command == "soundfonts":
        print(soundfonts_listing(options.names))
        return 0
    if options.command == "transcribe":
        return run_transcribe(options)
    if options.command == "import":
        config = resolve(options, ("generate",))
        print(import_dataset(config, Path(options.folder), options.format, options.skip_bad, options.copy))
        return 0
    if options.command == "runs":
        return run_runs(options)
    if options.command == "report":
        return run_report(options)
    if options.command == "compare":
        return _compare(compare_config(options))
    if options.command == "bench":
        return _bench(resolve(options, ("bench",)), options.install_peers)
    if options.command == "sweep":
        return sweep_runs(resolve(options, STAGES))
    stages = _stages(options)
    config = resolve(options, stages)
    if options.command == "config":
        print(config.to_yaml(), end="")
        return 0
    result = run_pipeline(config, stages)
    if result.scores:
        print(scores_summary(result.scores))
    for stage, page in result.reports.items():
        print(f"{stage}: {_short(page)}")
    return 0


def _compare(config: Config) -> int:
    page = run_comparison(config)
    print("\n".join([*verdicts(config), f"compare: {_short(page)}"]))
    return 0


def _bench(config: Config, install: bool) -> int:
    if install:
        print(install_peers(config))
        return 0
    table, page = run_benchmark(config)
    print(f"{table}\nbench: {_short(page)}")
    return 0


def _stages(options: argparse.Namespace) -> tuple[str, ...]:
    eval_only = getattr(options, "eval_only", False)
    if eval_only and options.command in ("generate", "train"):
        raise InputError(
            f"--eval-only leaves nothing for 's2s {options.command}' to do; use 's2s evaluate'.", usage=True
        )
    if options.command == "evaluate" or eval_only:
        if hasattr(options, "flag__no_eval"):
            raise InputError("--no-eval leaves nothing to do when only the evaluation is asked for.", usage=True)
        return ("evaluate",)
    return (options.command,) if options.command in STAGES else STAGES


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
