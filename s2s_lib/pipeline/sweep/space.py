"""What the trials of a sweep are: combinations of values, what Optuna draws from, and each trial's config."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_lib.config import VARIED, Config, SweepConfig, SweepRange, merge, values_of
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.pipeline.stages import WITHOUT_EFFECT
from s2s_lib.runs import flat

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Values = dict[str, Any]  # 'section.key': value


def grid(sweep: SweepConfig) -> Iterator[Values]:
    """Every combination, the last key varying fastest."""
    for row in itertools.product(*map(values_of, sweep.keys.values())):
        yield dict(zip(sweep.keys, row, strict=True))


def probes(sweep: SweepConfig) -> Iterator[Values]:
    """Combinations in which each listed value and each end of a range occurs at least once."""
    ends = {
        name: [choice.low, choice.high] if isinstance(choice, SweepRange) else choice
        for name, choice in sweep.keys.items()
    }
    first = {name: values[0] for name, values in ends.items()}
    yield first
    for name, values in ends.items():
        yield from (first | {name: value} for value in values[1:])


def distributions(sweep: SweepConfig) -> dict[str, BaseDistribution]:
    """What Optuna draws each key from; lists as categories, named by `category`."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, choice in sweep.keys.items():
        if not isinstance(choice, SweepRange):
            found[name] = CategoricalDistribution([category(value) for value in choice])
            continue
        kind = IntDistribution if isinstance(choice.low, int) else FloatDistribution
        high = choice.high if choice.count is None else choice.at(choice.count - 1)
        steps = {} if choice.step is None else {"step": choice.step}
        found[name] = kind(choice.low, high, log=choice.log, **steps)
    return found


def category(value: Any) -> Any:
    """A listed value as Optuna takes it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def drawn(sweep: SweepConfig, parameters: dict[str, Any]) -> Values:
    """The values that Optuna's parameters stand for, in the order of the sweep's keys."""
    found = {}
    for name, choice in sweep.keys.items():
        value = parameters[name]
        if isinstance(choice, SweepRange):
            found[name] = float(f"{value:.12g}") if isinstance(value, float) else value
        else:
            found[name] = next(option for option in choice if category(option) == value)
    return found


def identity(config: Config, values: Values) -> str:
    """Twelve hex digits of all that a trial's result depends on, the varied keys in any case.

    Keys at their defaults don't count, so that a later version's new keys change nothing.
    """
    return _digest(_set(_lasting(config) | values))


def definition(config: Config) -> str:
    """Twelve hex digits that change with what a sweep is about, and not with how many trials it has or where."""
    sweep = config.sweep.model_dump(mode="json", exclude={"trials", "parallel", "scheduler"}, exclude_defaults=True)
    return _digest([sweep, _set(_lasting(config))])


def trial_config(config: Config, values: Values, name: str) -> Config:
    """The config of a trial: a run beside the sweep's folder. Raises InputError (usage) if it can't be."""
    sections = config.model_dump(mode="json", exclude={"sweep", "comparison"})
    for key, value in values.items():
        sections = merge(sections, _nested(key, value))
    output = {"name": name}
    for folder in ("checkpoint_dir", "log_dir"):
        if sections["output"][folder] is not None:
            output[folder] = f"{sections['output'][folder]}/{name}"
    said = ", ".join(f"{key} {value}" for key, value in values.items())
    return absolute_paths(Config.resolve(sections, {"output": output}, source=f"a trial with {said}"), Path.cwd())


def dataset_config(config: Config, trial: Config) -> Config:
    """The config of the run that makes a trial's dataset, in the sweep's folder; trials alike in it share one."""
    keys = {name: value for name, value in _lasting(trial).items() if name.startswith("dataset.")}
    digest = _digest(_set(keys | {"audio.sample_rate": trial.audio.sample_rate}))
    output: dict[str, Any] = {"output_dir": str(config.output.run_dir), "name": f"dataset-{digest}"}
    own, varies = config.output.data_dir, any(name.startswith("dataset.") for name in config.sweep.keys)
    if own is not None:
        varies = varies or "audio.sample_rate" in config.sweep.keys
        output["data_dir"] = f"{own}/{digest}" if varies else own
    sections = trial.model_dump(mode="json", exclude={"output"})
    return Config.resolve(sections, {"output": {"html": config.output.html, **output}})


def with_dataset(trial: Config, dataset: Config) -> Config:
    """The trial's config, its dataset being the one that run makes."""
    output = trial.output.model_copy(update={"data_dir": str(dataset.output.data)})
    return trial.model_copy(update={"output": output})


def _lasting(config: Config) -> Values:
    """The keys that a run's result depends on."""
    keys = flat(config.model_dump(mode="json", include=set(VARIED)))
    return {name: value for name, value in keys.items() if name not in WITHOUT_EFFECT}


def _set(values: Values) -> Values:
    """Those that are not at their defaults."""
    defaults = flat(Config().model_dump(mode="json"))
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
