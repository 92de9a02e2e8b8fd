"""Nested dicts that make up a config: read from YAML, laid over each other, and their faults told in a sentence."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from s2s_lib.errors import InputError


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a YAML mapping. Raises InputError (usage) if the file is missing, no YAML, or no mapping."""
    path = Path(path)
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such config file.", usage=True) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).", usage=True) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise InputError(f"{path}: not valid YAML{line}.", usage=True) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: holds a {type(loaded).__name__}, not sections like 'dataset:'.", usage=True)
    return loaded


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, mapping by mapping; lists and values are replaced whole."""
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def sentence(error: ValidationError, schema: type[BaseModel]) -> str:
    """All problems of a validation against `schema` as one sentence."""
    return "; ".join(_problem(detail, schema) for detail in error.errors()) + "."


def _problem(detail: Any, schema: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{place}'{_nearest(detail['loc'], schema)}"
    if detail["type"] == "value_error":  # raised by the validators above, which name the keys themselves
        return f"{place}: {detail['ctx']['error']}" if place else str(detail["ctx"]["error"])
    return f"{place} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _nearest(location: tuple[Any, ...], section: type[BaseModel]) -> str:
    """A hint with the known key that looks most like an unknown one."""
    for part in location[:-1]:
        annotation = section.model_fields[part].annotation
        section = annotation if isinstance(annotation, type) else get_args(annotation)[0]
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f" (known: {', '.join(section.model_fields)})"
