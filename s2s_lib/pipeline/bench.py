"""The benchmark's notebook, run in a run's folder like a stage, but anew each time: it measures time."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.config import Config
from s2s_lib.pipeline.checks import check_folders
from s2s_lib.pipeline.inputs import usage_errors
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.pipeline.single import run_single

NOTEBOOK, TABLE = "benchmark", "peers.md"


def run_benchmark(config: Config) -> tuple[str, Path]:
    """Runs the benchmark in the folder `<output_dir>/<name>/`; gives its table of tools, as Markdown, and its report.

    Raises InputError before anything runs if the input is at fault, and StageError if it fails; an earlier report is
    replaced only when this one is done.
    """
    from s2s_lib.benchmark import check_benchmark  # takes a second to import

    config = absolute_paths(config, Path.cwd())
    with usage_errors():
        check_benchmark(config)
    check_folders(config)
    page = run_single(NOTEBOOK, config, NOTEBOOK)
    return (config.output.results / TABLE).read_text(encoding="utf-8"), page


def install_peers(config: Config) -> str:
    """Installs the tools that the benchmark sets beside ours; says where each lies."""
    from s2s_lib.benchmark import install_peers  # takes a second to import

    folders = install_peers(absolute_paths(config, Path.cwd()).benchmark)
    return "\n".join(f"{name}: {folder}" for name, folder in folders.items())
