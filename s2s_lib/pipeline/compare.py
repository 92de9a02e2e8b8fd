"""The comparison's notebook, run in a folder of its own beside the runs that it compares."""

from __future__ import annotations

import sys
from pathlib import Path

from s2s_lib.config import Config
from s2s_lib.pipeline.checks import check_folders
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.pipeline.single import run_single

NOTEBOOK = "05_compare"


def run_comparison(config: Config) -> Path:
    """Compares `config.comparison.runs` in the folder `<output_dir>/<name>/`; gives the report's path.

    A run at fault is told of on stderr and in the report, and the rest compared. Raises InputError (usage) before
    anything runs if none has scores, and StageError if the notebook fails; an earlier report is replaced only when
    this one is done.
    """
    from s2s_lib.comparison import check_comparison  # takes a second to import

    config = absolute_paths(config, Path.cwd())
    sentences = check_comparison(config)
    check_folders(config)
    for sentence in sentences:
        print(f"s2s: {sentence}", file=sys.stderr)
    return run_single(NOTEBOOK, config, "compare")
