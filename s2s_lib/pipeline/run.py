"""The chain: checks first, then each stage that is not done yet, then the scores."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_lib.config import RELEASED_FOLDER, Config, EvaluationConfig
from s2s_lib.pipeline.checks import check
from s2s_lib.pipeline.execute import execute_notebook
from s2s_lib.pipeline.export import export_html
from s2s_lib.pipeline.paths import absolute_paths, bundled
from s2s_lib.pipeline.stages import RunState, stage_inputs
from s2s_lib.runs import NOTEBOOKS, PRODUCTS, STAGES

PARAMETERS = "parameters.yaml"


@dataclass(frozen=True)
class RunResult:
    """What a run left: its folder, the HTML report per stage, and the evaluation report's content."""

    run_dir: Path
    reports: dict[str, Path] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)


def run_pipeline(config: Config, stages: Sequence[str] = STAGES) -> RunResult:
    """Runs `stages` in the folder `<output_dir>/<name>/`; relative paths are taken from the working folder.

    A stage that is done with the same parameters is skipped. Raises InputError before anything runs if the input is
    at fault, and StageError if a stage fails; running again then goes on from that stage.
    """
    config = absolute_paths(config, Path.cwd())
    stages = [stage for stage in STAGES if stage in stages and (stage != "evaluate" or config.evaluation.enabled)]
    run_dir = config.output.run_dir
    state = RunState(config.output)
    ours = stages == ["evaluate"] and config.evaluation.model_path is None and not state.holds_file("train")
    if ours:
        config.evaluation.model_path = str(RELEASED_FOLDER)
    check(config, stages, state)
    if ours:
        print(f"{run_dir}: holds no model of its own, so the released one is evaluated", file=sys.stderr)
    lasting = _lasting(config, stages)
    run_dir.mkdir(parents=True, exist_ok=True)
    lasting.save(run_dir / PARAMETERS)
    redo = False
    for stage in stages:
        redo = redo or not state.is_current(stage, config) or (stage == "train" and config.training.resume is not None)
        if redo:
            _execute(stage, config, state)
        else:
            print(f"{stage}: done before with the same parameters, skipped", file=sys.stderr)
        _export(stage, config, renew=redo)
    return _result(run_dir, stages)


def _lasting(config: Config, stages: Sequence[str]) -> Config:
    """What the run's parameters.yaml is to say.

    An evaluation alone may look at another model or at other pieces; the run's own stay what they were.
    """
    if stages != ["evaluate"]:
        return config
    path = config.output.run_dir / PARAMETERS
    own = Config.load(path).evaluation if path.is_file() else EvaluationConfig()
    update = {name: getattr(own, name) for name in ("model_path", "midi", "audio")}
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update=update)})


def _execute(stage: str, config: Config, state: RunState) -> None:
    """Runs a stage's notebook; beside the one of an earlier result, which is replaced only when this one is done."""
    source, target = bundled(f"notebooks/{NOTEBOOKS[stage]}.ipynb"), _notebook(stage, config)
    keep = state.holds(stage)
    with state.attempt(stage, stage_inputs(config, stage)):
        execute_notebook(source, target, config, stage, keep)


def _notebook(stage: str, config: Config) -> Path:
    return config.output.run_dir / f"{NOTEBOOKS[stage]}.ipynb"


def _export(stage: str, config: Config, renew: bool) -> None:
    notebook = _notebook(stage, config)
    if config.output.html and notebook.is_file() and (renew or not notebook.with_suffix(".html").is_file()):
        export_html(notebook, f"{config.output.name}: {stage}")


def _result(run_dir: Path, stages: Sequence[str]) -> RunResult:
    pages = {stage: run_dir / f"{NOTEBOOKS[stage]}.html" for stage in stages}
    report = run_dir / PRODUCTS["evaluate"]
    scores = json.loads(report.read_text()) if "evaluate" in stages else {}
    return RunResult(run_dir, {stage: page for stage, page in pages.items() if page.is_file()}, scores)
