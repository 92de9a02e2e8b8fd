"""A notebook that is no stage of a run, executed in a folder of its own, anew each time."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.config import Config
from s2s_lib.pipeline.execute import execute_notebook
from s2s_lib.pipeline.export import export_html
from s2s_lib.pipeline.paths import bundled


def run_single(notebook: str, config: Config, stage: str) -> Path:
    """Runs the project's notebook of that name in `<output_dir>/<name>/`; gives its report.

    Raises StageError if it fails; an earlier report is replaced only when this one is done.
    """
    target = config.output.run_dir / f"{notebook}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    execute_notebook(bundled(f"notebooks/{notebook}.ipynb"), target, config, stage, keep=target.exists())
    return export_html(target, f"{config.output.name}: {stage}") if config.output.html else target
