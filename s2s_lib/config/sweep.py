"""Many runs that differ in a few keys: which keys and values, how they are chosen, and by what they are judged."""

from __future__ import annotations

import difflib
import math
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from s2s_lib.config.base import Section, key
from s2s_lib.config.layers import sentence

VARIED = ("dataset", "audio", "model", "training", "evaluation")  # sections that a run's result depends on
MOST_TRIALS = 10000


class SweepRange(Section):
    """Numbers from `low` to `high`, both included: any of them, or those that lie whole `step`s above `low`."""

    low: int | float = key(..., "lowest value")
    high: int | float = key(..., "highest value")
    log: bool = key(False, "draw on a logarithmic scale, so that each decade is as likely")
    step: int | float | None = key(None, "distance between values; null means any, or for whole numbers 1", gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> SweepRange:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low:g} has no logarithm; log needs a low above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step don't go together; give one of them")
        return self

    @property
    def count(self) -> int | None:
        """How many values there are; None without a step."""
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def at(self, place: int) -> int | float:
        """The value so many steps above the lowest, without the dust of floating point."""
        assert self.step is not None
        value = self.low + place * self.step
        return value if isinstance(value, int) else float(f"{value:.12g}")


class SweepConfig(Section):
    """The trials of a sweep; no keys mean that there is none."""

    search: Literal["grid", "random", "tpe"] = key(
        "grid", "'grid' runs every combination, 'random' draws, 'tpe' draws near what did well (Optuna's Parzen trees)",
        "--search",
    )  # fmt: skip
    trials: int | None = key(
        None, "runs to draw, by random or tpe; a grid has as many as it has combinations", "--trials", ge=1,
        le=MOST_TRIALS,
    )  # fmt: skip
    seed: int = key(42, "seed of the draws", ge=0, lt=2**32)
    keys: dict[str, list[Any] | SweepRange] = key(
        {}, "what varies: 'section.key' and a list of values or a range {low, high, log, step}"
    )
    metric: str = key(
        "onset.f1", "what the runs are judged by: a mean of the evaluation report, or val_loss, val_onset_f1 or "
        "val_onset_offset_key_f1 of the best epoch", "--metric", min_length=1,
    )  # fmt: skip
    source: Literal["test split", "midi", "recording"] | None = key(
        None, "which pieces of the evaluation count; null means the first of these that there are"
    )
    direction: Literal["maximize", "minimize"] | None = key(
        None, "what is better; null means more of a score, and less of a loss, deviation or error"
    )
    parallel: int | None = key(
        None, "runs at a time; null means as many as this machine's cores, memory and GPUs, or the cluster, allow",
        "--parallel", ge=1, le=1024,
    )  # fmt: skip
    scheduler: str | None = key(
        None, "address of a Dask cluster's scheduler, such as tcp://host:8786, whose workers run the trials",
        "--scheduler", min_length=1,
    )  # fmt: skip

    @field_validator("keys", mode="before")
    @classmethod
    def _choices(cls, keys: Any) -> Any:
        return {name: _choice(name, value) for name, value in _dotted(keys).items()} if isinstance(keys, dict) else keys

    @model_validator(mode="after")
    def _number(self) -> SweepConfig:
        if self.keys and self.search == "grid" and self.trials is not None:
            raise ValueError(
                f"trials {self.trials} with search 'grid', which runs every combination; drop trials, or set search "
                "to random"
            )
        if self.keys and self.search != "grid" and self.trials is None:
            raise ValueError(f"search {self.search!r} needs trials, the number of runs to draw")
        return self

    def combinations(self) -> int | None:
        """How many there are; None where a range has any number of values."""
        counts = [choice.count if isinstance(choice, SweepRange) else len(choice) for choice in self.keys.values()]
        return None if None in counts else math.prod(counts)

    def fit(self, schema: type[BaseModel]) -> None:
        """Turns the values into what the keys of `schema` take. Raises ValueError for the first that can't be."""
        self.keys = {name: _fitted(name, choice, schema) for name, choice in self.keys.items()}
        if not self.keys:
            return
        for name, choice in self.keys.items():
            if self.search == "grid" and isinstance(choice, SweepRange) and choice.step is None:
                raise ValueError(f"sweep.keys.{name}: a grid needs a step, or a list of values")
        combinations = self.combinations()
        if combinations is not None and self.search == "grid" and combinations > MOST_TRIALS:
            raise ValueError(f"sweep.keys: a grid of {combinations} runs; at most {MOST_TRIALS} can be, so vary less")
        if combinations is not None and self.trials is not None and self.trials > combinations:
            raise ValueError(
                f"sweep.trials {self.trials} are more than the {combinations} combinations there are; ask for fewer, "
                "or set sweep.search to grid"
            )


def values_of(choice: list[Any] | SweepRange) -> list[Any]:
    """The values of a list, or of a range with a step."""
    return list(map(choice.at, range(choice.count or 0))) if isinstance(choice, SweepRange) else choice


def _dotted(keys: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Keys written as nested sections beside those written with dots; a later one takes the place of an earlier."""
    found: dict[str, Any] = {}
    for name, value in keys.items():
        section = isinstance(value, dict) and value and not {"low", "high"} & set(value)
        found |= _dotted(value, f"{prefix}{name}.") if section else {f"{prefix}{name}": value}
    return found


def _choice(name: str, value: Any) -> list[Any] | SweepRange:
    """A list of different values, or a range."""
    if isinstance(value, SweepRange):
        return value
    if isinstance(value, dict):
        if not {"low", "high"} <= set(value):
            raise ValueError(f"{name}: a range needs low and high, and may have log or step")
        try:
            return SweepRange.model_validate(value)
        except ValidationError as error:
            raise ValueError(f"{name}: {sentence(error, SweepRange).rstrip('.')}") from None
    if not isinstance(value, list):
        raise ValueError(f"{name} is {value!r}; give a list of values, or a range such as {{low: 1, high: 4}}")
    if not value:
        raise ValueError(f"{name} is an empty list; give it values to try")
    return value


def _fitted(name: str, choice: list[Any] | SweepRange, schema: type[BaseModel]) -> list[Any] | SweepRange:
    field = _field(name, schema)
    if isinstance(choice, SweepRange):
        return _fitted_range(name, choice, field)
    values = [_value(f"sweep.keys.{name}", value, field) for value in choice]
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"sweep.keys.{name}: names {value!r} twice")
    return values


def _fitted_range(name: str, choice: SweepRange, field: FieldInfo) -> SweepRange:
    """The range in the key's own kind of numbers: whole ones in whole steps."""
    place, kinds = f"sweep.keys.{name}", _kinds(field.annotation)
    kind = next((kind for kind in (float, int) if kind in kinds), None)
    if kind is None:
        raise ValueError(f"{place}: is no number, so it has no range; give a list of values")
    low, high = (_value(f"{place}.{end}", getattr(choice, end), field) for end in ("low", "high"))
    step = choice.step
    if kind is int and not choice.log:
        step = 1 if step is None else step
        if step != int(step):
            raise ValueError(f"{place}.step is {step:g}, and this key takes whole numbers alone")
    return SweepRange(low=kind(low), high=kind(high), log=choice.log, step=None if step is None else kind(step))


def _field(name: str, schema: type[BaseModel]) -> FieldInfo:
    """The schema's field of a key 'section.key' that a sweep can vary."""
    section, path = schema, name.split(".")
    for depth, part in enumerate(path):
        known = [field for field in section.model_fields if depth or field in VARIED]
        if part not in known:
            if not depth and part in section.model_fields:
                raise ValueError(f"sweep.keys.{name}: no run's result depends on section '{part}'; vary another key")
            close = difflib.get_close_matches(part, known, n=1)
            hint = f"did you mean '{'.'.join([*path[:depth], *close])}'?" if close else f"known: {', '.join(known)}"
            raise ValueError(f"sweep.keys: unknown key '{name}' ({hint})")
        field = section.model_fields[part]
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        if nested == (depth == len(path) - 1):
            fault = "is a section; name one of its keys" if nested else f"has no parts; '{part}' is one value"
            raise ValueError(f"sweep.keys.{name}: {fault}")
        section = field.annotation
    return field


def _value(place: str, value: Any, field: FieldInfo) -> Any:
    """A value as the key takes it and as YAML can hold it."""
    adapter = TypeAdapter(Annotated[field.annotation, field], config=ConfigDict(allow_inf_nan=False))
    try:
        return adapter.dump_python(adapter.validate_python(value), mode="json")
    except ValidationError as error:
        detail = error.errors()[0]
        reason = detail["ctx"]["error"] if detail["type"] == "value_error" else detail["msg"]
        raise ValueError(f"{place} is {value!r}: {str(reason)[0].lower()}{str(reason)[1:]}") from None


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made up of."""
    parts = [part for part in get_args(annotation) if isinstance(part, type) or get_args(part)]
    return {annotation}.union(*map(_kinds, parts))
