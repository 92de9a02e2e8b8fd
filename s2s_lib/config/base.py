"""What every section of the schema is built with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"starts at {pair[0]:g}, above its end {pair[1]:g}")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]  # lowest, highest


def _positive(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] <= 0:
        raise ValueError(f"starts at {pair[0]:g}, it must be above 0")
    return pair


PositiveRange = Annotated[Range, AfterValidator(_positive)]


def key(default: Any, description: str, flag: str | None = None, **limits: Any) -> Any:
    """A config key: its default, one line of help, its own command-line flag if it has one, and its limits."""
    extra = {"flag": flag} if flag else None
    if isinstance(default, list):
        return Field(default_factory=lambda: list(default), description=description, json_schema_extra=extra, **limits)
    return Field(default, description=description, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """A part of the config; refuses unknown keys and lossy conversions, but takes '1e-4' as the number it is."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=())
