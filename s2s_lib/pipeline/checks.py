"""What can be known to fail is refused before anything runs. Nothing here imports torch or leaves a file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2s_lib.config import RELEASED, RELEASED_FOLDER, Config
from s2s_lib.errors import InputError
from s2s_lib.files import OWN_PROCESS
from s2s_lib.pianos import draw_piano
from s2s_lib.pipeline.inputs import check_checkpoint, check_pieces, usage_errors
from s2s_lib.pipeline.stages import RunState, differences, stage_inputs
from s2s_lib.render import fluidsynth_version
from s2s_lib.soundfonts import find_soundfonts, split_soundfonts
from s2s_lib.weights import check_model

DEVICE_TRIAL = """
import sys
from s2s_lib.devices import resolve_device
from s2s_lib.errors import InputError
try:
    resolve_device(sys.argv[1])
except InputError as error:
    sys.exit(str(error))
"""


def check(config: Config, stages: Sequence[str], state: RunState) -> None:
    """Raises InputError with one sentence if `stages` can't work with this config in this run folder."""
    if not stages:
        raise InputError("evaluation.enabled is false, so there is nothing to do.", usage=True)
    _check_alone()
    check_folders(config)
    if "generate" in stages:
        check_data_folder(config)
        _check_imported(config, state)
        _check_workers(config)
    _check_splits(config, stages)
    _check_sound(config, stages)
    _check_music(config, stages)
    if "train" in stages:
        _check_training(config, stages, state)
    if "evaluate" in stages:
        _check_evaluation(config, stages, state)
    _check_earlier_results(config, stages, state)
    if "train" in stages or "evaluate" in stages:
        _check_device(config.model.device)


def _check_alone() -> None:
    """Each rank of a launcher would run the whole chain in the same folder."""
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes not in ("", "0", "1"):
        raise InputError(
            f"a launcher has started {processes} of this program (WORLD_SIZE), but the chain runs once: set "
            "training.num_processes for this machine's processes, or give 'accelerate launch' the training alone "
            "for several machines.",
            usage=True,
        )


def check_folders(config: Config) -> None:
    """Raises InputError (usage) unless the run's folders can be written to.

    Tries to make a folder in each place; asking for permissions would be fooled by root and by /proc.
    """
    for folder in (config.output.run_dir, config.output.checkpoints, config.output.logs):
        try_folder(folder, "--output-dir")


def check_data_folder(config: Config) -> None:
    """Raises InputError (usage) unless the dataset's folder can be written to and may be."""
    folder = config.output.data
    if isinstance(folder, Path):
        try_folder(folder, "--data-dir" if config.output.data_dir else "--output-dir")
    elif str(folder).startswith(OWN_PROCESS):
        raise InputError(
            f"output.data_dir {folder} is forgotten when a stage's process ends; name a folder or another URL.",
            usage=True,
        )
    else:
        trial = folder / ".s2s-trial"
        try:
            trial.write_bytes(b"")
            trial.unlink()
        except Exception as error:  # each kind of storage has its own: no such bucket, no credentials, no network
            reason = str(error).strip().replace("\n", " ").rstrip(".") or type(error).__name__
            raise InputError(
                f"output.data_dir {folder} can't be written to ({reason}); name another with --data-dir.", usage=True
            ) from None


def try_folder(folder: Path, flag: str) -> None:
    """Raises InputError (usage), naming `flag`, unless the folder or one that can hold it can be written to."""
    nearest = folder
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".s2s-", dir=nearest):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: can't be written to ({error.strerror}); choose another folder with {flag}.", usage=True
        ) from None


def _check_imported(config: Config, state: RunState) -> None:
    """Imported recordings are not to be replaced by music made anew."""
    if state.holds_file("generate") and not state.is_current("generate", config):
        from s2s_lib.data import refuse_imported  # takes a second to import

        refuse_imported(config.output.data)


def _check_workers(config: Config) -> None:
    """The Dask cluster is there, if one is to be used."""
    if config.dataset.backend == "dask":
        from s2s_lib.data.workers import check_workers  # takes a second to import

        check_workers(config.dataset)


def _check_splits(config: Config, stages: Sequence[str]) -> None:
    """A stage needs pieces in its splits."""
    dataset, sizes = config.dataset, config.dataset.split_sizes()
    needed = {"train": "train" in stages, "val": "train" in stages}
    needed["test"] = "evaluate" in stages and not config.evaluation.midi
    shares = {"train": dataset.train_split, "val": dataset.val_split}
    shares["test"] = 1 - dataset.train_split - dataset.val_split
    for split in (split for split in sizes if needed[split] and not sizes[split]):
        if shares[split] > 1e-9:
            way_out = f"dataset.samples {dataset.samples} are too few; ask for at least 3, or for more"
        elif split == "test":
            way_out = "dataset.train_split and dataset.val_split leave none; lower one, or name a piece with --midi"
        else:
            way_out = f"dataset.{split}_split is 0; raise it"
        raise InputError(f"the {split} split would hold no piece: {way_out}.", usage=True)


def _check_sound(config: Config, stages: Sequence[str]) -> None:
    dataset, evaluation = config.dataset, config.evaluation
    rendering = dataset.synthesize_audio and ("generate" in stages or ("train" in stages and dataset.stream))
    rendering_midi = "evaluate" in stages and evaluation.midi and not evaluation.audio
    if rendering:
        for fonts in filter(None, split_soundfonts(dataset.soundfonts, dataset.test_soundfonts)):
            draw_piano(np.random.default_rng(0), fonts, dataset.piano, altered=False)  # one has a wanted preset
    elif rendering_midi:
        find_soundfonts(dataset.test_soundfonts or dataset.soundfonts)
    if rendering or rendering_midi:
        fluidsynth_version()


def _check_music(config: Config, stages: Sequence[str]) -> None:
    """The folders of MIDI files are there and hold some; their content is judged when they are read."""
    dataset = config.dataset
    folders = {}
    if "generate" in stages or ("train" in stages and dataset.stream):
        folders["dataset.midi_dir"] = dataset.midi_dir
    if "generate" in stages:
        folders["dataset.reference_midi"] = dataset.reference_midi
    for key, folder in folders.items():
        if folder is not None:
            from s2s_lib.data import midi_files  # takes a second to import

            midi_files(folder, key)
            own = [path for path in (config.output.run_dir, config.output.data) if path.is_relative_to(folder)]
            if own:
                raise InputError(
                    f"{key} {folder}: holds the run's own folder {own[0]}, whose files are not to be taken for yours; "
                    "name a folder apart from it.",
                    usage=True,
                )


def _check_training(config: Config, stages: Sequence[str], state: RunState) -> None:
    if not config.dataset.synthesize_audio:
        raise InputError("dataset.synthesize_audio is false, so there is no audio to train on.", usage=True)
    if "generate" not in stages and not state.holds_file("generate"):
        raise InputError(
            f"{config.output.data}: there is no dataset; make one with 's2s generate --name {config.output.name}'.",
            usage=True,
        )
    if config.model.encoder_name == RELEASED:
        with usage_errors():
            check_model(RELEASED_FOLDER)
    effects = config.audio.augmentation
    if effects.noise_dir or effects.reverb_dir:
        from s2s_lib.augment import check_folders as check_effects  # takes a moment to import

        check_effects(effects)
    if config.training.resume:
        check_checkpoint(Path(config.training.resume), config.training.num_epochs)


def _check_evaluation(config: Config, stages: Sequence[str], state: RunState) -> None:
    evaluation, name = config.evaluation, config.output.name
    with usage_errors():
        if evaluation.model_path is not None:
            check_model(Path(evaluation.model_path))
        elif "train" not in stages:
            check_model(config.output.model)
    if not evaluation.midi and "generate" not in stages and not state.holds_file("generate"):
        raise InputError(
            f"{config.output.data}: there is no dataset to evaluate on; make one with 's2s generate --name {name}' "
            "or name a piece with --midi.",
            usage=True,
        )
    check_pieces(config)


def _check_earlier_results(config: Config, stages: Sequence[str], state: RunState) -> None:
    """A trained model is never overwritten by one with other parameters, nor mixed with another dataset."""
    run = config.output.run_dir
    resumes = "train" in stages and config.training.resume is not None
    remakes = ("generate" in stages or "train" in stages) and not resumes
    relies_on_it = list(stages) == ["evaluate"] and config.evaluation.model_path is None
    if state.holds("train") and (remakes or relies_on_it):
        changed = differences(state.inputs("train"), stage_inputs(config, "train"))
        if changed:
            raise InputError(
                f"{run} was trained with {changed}; choose another --name"
                + (", or --resume one of its checkpoints." if remakes else " or keep its parameters."),
                usage=True,
            )
    elif remakes and "train" in stages and state.status("train") == "never" and state.holds_file("train"):
        raise InputError(
            f"{run} holds a model but no record of its training, which would overwrite it; choose another --name.",
            usage=True,
        )
    if "generate" not in stages and state.holds("generate"):
        changed = differences(state.inputs("generate"), stage_inputs(config, "generate"))
        if changed:
            raise InputError(
                f"{run} holds a dataset generated with {changed}; choose another --name or run 's2s generate' first.",
                usage=True,
            )


def _check_device(device: str) -> None:
    """Asks a child process, which may import torch, whether it can use a device that was asked for by name."""
    if device in ("auto", "cpu"):
        return
    done = subprocess.run([sys.executable, "-c", DEVICE_TRIAL, device], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(done.stderr.strip().splitlines()[-1], usage=True)
