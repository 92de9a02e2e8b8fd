"""A run whose dataset is imported instead of generated."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.config import Config
from s2s_lib.pipeline.checks import check_data_folder, check_folders
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.pipeline.run import PARAMETERS
from s2s_lib.pipeline.stages import RunState


def import_dataset(config: Config, folder: Path, layout: str, skip_bad: bool, copy: bool) -> str:
    """Makes paired recordings and MIDI files the dataset of a run; returns what was taken and what left out.

    The run's generate stage then counts as done, so `s2s run` goes on with training. Raises InputError as
    `import_recordings` does, and leaves the run as it was.
    """
    from s2s_lib.data.imports import import_recordings  # takes a second to import

    config = absolute_paths(config, Path.cwd())
    check_folders(config)
    check_data_folder(config)
    summary = import_recordings(folder, layout, config, skip_bad=skip_bad, copy=copy)
    with RunState(config.output).attempt("generate", {"audio.sample_rate": config.audio.sample_rate}):
        config.save(config.output.run_dir / PARAMETERS)
    return summary
