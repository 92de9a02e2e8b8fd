"""Checkpoints: all that training needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from pathlib import Path

from accelerate import Accelerator
from safetensors import SafetensorError

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.train.history import History
from s2s_lib.wording import counted

STATE = "trainer_state.json"
BEST = "best"  # the model kept so far, which a run resumed elsewhere may never beat
NAME = re.compile(r"checkpoint_epoch_(\d+)(?:_batch_(\d+))?$")
# keys that may change between a checkpoint and its resumption
FREE = (
    "training.resume", "training.num_workers", "training.num_processes", "training.num_epochs", "training.trackers",
    "training.val_clips", "training.keep_checkpoints", "training.early_stopping_patience", "dataset.num_workers",
    "dataset.backend", "dataset.scheduler", "dataset.reference_midi", "model.device",
)  # fmt: skip


def fingerprint(config: Config) -> str:
    """Digest of what a checkpoint belongs to: the data, the features, the model and the optimisation."""
    return config.fingerprint("dataset", "audio", "model", "training", without=FREE)


def save_checkpoint(accelerator: Accelerator, config: Config, history: History) -> None:
    """Writes checkpoint_epoch_N and removes the oldest beyond `training.keep_checkpoints`.

    It is checkpoint_epoch_N_batch_K where the training was stopped so many batches after epoch N. Every process writes
    its own random state; the folder gets its name when all are done.
    """
    part = f"_batch_{history.unfinished['batches']}" if history.unfinished else ""
    folder = config.output.checkpoints / f"checkpoint_epoch_{len(history.epochs)}{part}"
    temporary = folder.with_name(f".{folder.name}")
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        state = {"fingerprint": fingerprint(config), "processes": accelerator.num_processes, **history.to_dict()}
        shutil.copytree(config.output.model, temporary / BEST)
        write_json(temporary / STATE, state)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        for old in list_checkpoints(config.output.checkpoints)[: -config.training.keep_checkpoints]:
            shutil.rmtree(old)


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints of a folder, oldest first."""
    numbered = {path: NAME.search(path.name) for path in folder.glob("checkpoint_epoch_*") if (path / STATE).is_file()}
    whole = {path: (int(found[1]), int(found[2] or 0)) for path, found in numbered.items() if found}
    return sorted(whole, key=whole.__getitem__)


def find_checkpoint(config: Config) -> Path | None:
    """The checkpoint to continue from: `training.resume`, or this run's own newest one; None to start afresh.

    Raises InputError if it is missing, of other parameters, or of a finished training.
    """
    if config.training.resume is not None:
        folder = Path(config.training.resume)
        history = read_history(folder, config)
        if history.epochs_without_gain >= config.training.early_stopping_patience:
            raise InputError(
                f"{folder}: training was stopped early after epoch {len(history.epochs)}; raise "
                "training.early_stopping_patience to train longer.", usage=True
            )  # fmt: skip
        if len(history.epochs) >= config.training.num_epochs:
            raise InputError(
                f"{folder}: training is finished after epoch {len(history.epochs)} of {config.training.num_epochs}; "
                "raise --epochs to train longer.", usage=True
            )  # fmt: skip
        return folder
    own = list_checkpoints(config.output.checkpoints)
    return own[-1] if own else None


def read_history(folder: Path, config: Config) -> History:
    """The history inside a checkpoint. Raises InputError unless the checkpoint is whole and fits the config."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        made_by, processes = state.pop("fingerprint"), state["processes"]
        history = History.from_dict(state)
    except FileNotFoundError:
        raise InputError(f"{folder}: is no checkpoint; name a folder like checkpoint_epoch_3.", usage=True) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder}: {STATE} is truncated or damaged; use an earlier checkpoint.") from None
    if made_by != fingerprint(config):
        raise InputError(
            f"{folder}: was made with other dataset, audio, model or training parameters; use the config in its run's "
            "parameters.yaml, or another --name.", usage=True
        )  # fmt: skip
    if processes != int(os.environ.get("WORLD_SIZE", config.training.num_processes)):
        raise InputError(
            f"{folder}: was made by {counted(processes, 'process')}; set training.num_processes {processes}.",
            usage=True,
        )
    return history


def load_checkpoint(accelerator: Accelerator, folder: Path) -> None:
    """Restores model, optimizer, schedule and random state; nothing is unpickled beyond plain tensors and numbers.

    Raises InputError if a file is truncated or of other shapes.
    """
    random_state = folder / f"random_states_{accelerator.process_index}.pkl"
    if not random_state.is_file():
        raise InputError(f"{random_state}: is missing; use an earlier checkpoint.")
    try:
        accelerator.load_state(str(folder))
    except (SafetensorError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise InputError(f"{folder}: is truncated or damaged ({error}); use an earlier checkpoint.") from None
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        if "zip archive" in reason:  # how torch.load calls a truncated file
            raise InputError(f"{folder}: is truncated or damaged; use an earlier checkpoint.") from None
        raise InputError(f"{folder}: does not fit this model ({reason}); use the config it was made with.") from None
