"""Flags of the command line, taken from the config's schema, and a parser that refuses in one sentence."""

from __future__ import annotations

import argparse
import difflib
import re
from dataclasses import dataclass
from typing import Any, NoReturn, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from s2s_lib.config import Config
from s2s_lib.errors import InputError


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
