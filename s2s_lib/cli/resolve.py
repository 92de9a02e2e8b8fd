"""The config of a command: command line over YAML over defaults."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from s2s_lib.cli.flags import Flag, schema_flags
from s2s_lib.config import Config, merge, read_yaml
from s2s_lib.errors import InputError
from s2s_lib.pipeline import bundled


def resolve(options: argparse.Namespace, stages: Sequence[str]) -> Config:
    """The config: command line > YAML > defaults. A later stage alone takes its run's own parameters as YAML."""
    flags = [flag for flags in schema_flags().values() for flag in flags]
    given = merge(given_flags(options, flags), _assigned(options))
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
        raise InputError(name_flags(str(error), options, flags), usage=True) from None
    if file and not options.config:
        print(f"s2s: taking the parameters of {source}", file=sys.stderr)
    return config


def _config_file(name: str) -> Path:
    """A file, or one of the package's own by its bare name."""
    path, own = Path(name).expanduser(), bundled(f"parameters/{name}.yaml")
    return own if not path.exists() and re.fullmatch(r"\w+", name) and own.is_file() else path


def given_flags(options: argparse.Namespace, flags: Sequence[Flag]) -> dict[str, Any]:
    """What `flags` set on the command line, as nested sections."""
    given: dict[str, Any] = {}
    for flag in flags:
        if hasattr(options, flag.variable):
            for path in flag.paths:
                given = merge(given, _nested(path, getattr(options, flag.variable)))
    return given


def _assigned(options: argparse.Namespace) -> dict[str, Any]:
    """What --set sets, as nested sections."""
    given: dict[str, Any] = {}
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


def name_flags(message: str, options: argparse.Namespace, flags: Sequence[Flag]) -> str:
    """The message with '--samples (dataset.samples)' for keys that a flag was given for."""
    for flag in flags:
        if hasattr(options, flag.variable):
            for path in flag.paths:
                message = re.sub(rf"(?<![\w.]){re.escape('.'.join(path))}\b", f"{flag.name} (\\g<0>)", message)
    return message
