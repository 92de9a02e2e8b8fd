"""`s2s`: the command line, its flags taken from the config's schema."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from s2s_lib.config import Config, merge, read_yaml
from s2s_lib.errors import InputError
from s2s_lib.pipeline import STAGES, StageError, bundled, run_pipeline, scores_summary

COMMANDS = {
    "run": "generate, train and evaluate",
    "generate": "compose and render a dataset",
    "train": "train a model on the run's dataset",
    "evaluate": "transcribe and score the run's test split, MIDI files or recordings",
    "config": "print the resolved config as YAML and run nothing",
}


@dataclass(frozen=True)
class Flag:
    """A command-line flag and the config keys it sets, each a path such as ('dataset', 'seed')."""

    name: str
    paths: tuple[tuple[str, ...], ...]
    field: FieldInfo

    @property
    def variable(self) -> str:
        """Name under which argparse keeps the value."""
        return "flag" + self.name.replace("-", "_")

    def add_to(self, group: argparse._ArgumentGroup) -> None:
        """Declares the flag; values stay text, since the schema converts and checks them."""
        text = (self.field.description or "").replace("%", "%%")
        default = self.field.get_default(call_default_factory=True)
        options: dict[str, Any] = {"dest": self.variable, "default": argparse.SUPPRESS}
        if isinstance(default, bool):
            value = not self.name.startswith("--no-")
            text = text if value else f"switch off: {text}"
            group.add_argument(self.name, action="store_const", const=value, help=text, **options)
            return
        options["metavar"] = self.name.lstrip("-").rsplit("-", 1)[-1].upper()
        if get_origin(self.field.annotation) is list:
            options |= {"nargs": "+", "action": "extend"}
        shown = " ".join(default) if isinstance(default, list) else default
        group.add_argument(self.name, help=f"{text} (default: {shown})" if shown else text, **options)


def schema_flags() -> dict[str, list[Flag]]:
    """All flags by the config section that help lists them under; a flag that two keys share is listed once."""
    found: dict[str, tuple[FieldInfo, list[tuple[str, ...]]]] = {}
    for path, field in _fields(Config, ()):
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "flag" in extra:
            found.setdefault(str(extra["flag"]), (field, []))[1].append(path)
    sections: dict[str, list[Flag]] = {}
    for name, (field, paths) in found.items():
        sections.setdefault(paths[0][0], []).append(Flag(name, tuple(paths), field))
    return sections


def _fields(section: type[BaseModel], prefix: tuple[str, ...]) -> list[tuple[tuple[str, ...], FieldInfo]]:
    fields = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        fields += _fields(kind, (*prefix, name)) if nested else [((*prefix, name), field)]
    return fields


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses bad usage with one sentence instead of a page."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError; names the flag that an unknown one looks like."""
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown:
            close = difflib.get_close_matches(unknown[1].partition("=")[0], self._option_string_actions, n=1)
            message = f"unknown argument {unknown[1]}" + (f" (did you mean {close[0]}?)" if close else "")
        raise InputError(f"{message}; see '{self.prog} --help'.", usage=True)


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of `s2s` and those of its commands."""
    parser = Parser(
        prog="s2s", allow_abbrev=False, description="Sound2Sheet: piano music composed, rendered, learnt, transcribed."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    parsers = {}
    for command, text in COMMANDS.items():
        parsers[command] = commands.add_parser(command, help=text, description=text, allow_abbrev=False)
        _add_flags(parsers[command], command)
    return parser, parsers


def _add_flags(parser: Parser, command: str) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="YAML file with what differs from the defaults, or quick, default, production"
    )
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="any config key, the value as in YAML"
    )
    if command != "config":
        parser.add_argument(
            "--eval-only", action="store_true", help="evaluate the model that is there and do nothing else"
        )
    for section, flags in schema_flags().items():
        group = parser.add_argument_group(section)
        for flag in flags:
            flag.add_to(group)


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
    if unknown:
        parsers[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    stages = _stages(options)
    config = _resolve(options, stages)
    if options.command == "config":
        print(config.to_yaml(), end="")
        return 0
    result = run_pipeline(config, stages)
    if result.scores:
        print(scores_summary(result.scores))
    for stage, page in result.reports.items():
        print(f"{stage}: {_short(page)}")
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


def _resolve(options: argparse.Namespace, stages: Sequence[str]) -> Config:
    """The config: command line > YAML > defaults. A later stage alone takes its run's own parameters as YAML."""
    given = _given(options)
    file, source = {}, "command line"
    if options.config:
        path = _config_file(options.config)
        source, file = str(path), read_yaml(path)
        file = merge({"output": {"name": path.stem}}, file) if isinstance(file.get("output", {}), dict) else file
    elif options.command != "config" and "generate" not in stages:
        path = Config.resolve(given, source=source).output.run_dir / "parameters.yaml"
        if path.is_file():
            source, file = str(path), merge(read_yaml(path), {"training": {"resume": None}})
    if stages == ("evaluate",):
        given = merge(given, {"evaluation": {"enabled": True}})
    try:
        config = Config.resolve(file, given, source="command line")
    except InputError as error:
        if file:
            Config.resolve(file, source=source)  # if the file alone is wrong, it is the one to name
        raise InputError(_name_flags(str(error), options), usage=True) from None
    if file and not options.config:
        print(f"s2s: taking the parameters of {source}", file=sys.stderr)
    return config


def _config_file(name: str) -> Path:
    """A file, or one of the package's own by its bare name."""
    path, own = Path(name).expanduser(), bundled(f"parameters/{name}.yaml")
    return own if not path.exists() and re.fullmatch(r"\w+", name) and own.is_file() else path


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line sets, as nested sections; --set comes last."""
    given: dict[str, Any] = {}
    for flag in (flag for flags in schema_flags().values() for flag in flags):
        if hasattr(options, flag.variable):
            for path in flag.paths:
                given = merge(given, _nested(path, getattr(options, flag.variable)))
    for assignment in options.set:
        name, equals, value = assignment.partition("=")
        if not equals or "." not in name:
            raise InputError(f"--set {assignment}: write it as section.key=value.", usage=True)
        try:
            given = merge(given, _nested(name.strip().split("."), yaml.safe_load(value)))
        except yaml.YAMLError:
            raise InputError(f"--set {assignment}: the value is not valid YAML.", usage=True) from None
    return given


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return value


def _name_flags(message: str, options: argparse.Namespace) -> str:
    """The message with '--samples (dataset.samples)' for keys that a flag was given for."""
    for flag in (flag for flags in schema_flags().values() for flag in flags):
        if hasattr(options, flag.variable):
            for path in flag.paths:
                message = re.sub(rf"(?<![\w.]){re.escape('.'.join(path))}\b", f"{flag.name} (\\g<0>)", message)
    return message


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
