"""Training from the outside: what is refused at once, the processes that train, their device and their log."""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch
from accelerate import Accelerator, notebook_launcher
from accelerate.state import AcceleratorState
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from s2s_lib.config import Config
from s2s_lib.data import check_dataset, load_manifests
from s2s_lib.devices import bf16_pays, resolve_device
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write
from s2s_lib.train.checkpoints import find_checkpoint, read_history
from s2s_lib.train.history import History
from s2s_lib.train.loop import Trainer, log

WANDB_LOCAL = ("offline", "dryrun", "disabled")  # modes without a server
WANDB_WAIT_S = 30.0  # for the server to answer
WANDB_ID = "wandb_id.txt"  # in the run's folder of logs


def train(config: Config) -> History:
    """Trains on the run's dataset and leaves the best model, checkpoints, history, log and curves in its folder.

    The best model is the one with the lowest validation loss. A broken-off training goes on from its newest
    checkpoint, and ends with the same weights as one that never stopped. Raises InputError for a missing dataset,
    a checkpoint that does not fit, a missing device or tracker.
    """
    _check(config)
    if config.training.num_processes > 1 and "WORLD_SIZE" not in os.environ:
        _launch(config)
    else:  # `accelerate launch` sets WORLD_SIZE: the processes are there already
        _process(config)
    return History.load(config.output.run_dir)


def _check(config: Config) -> None:
    """Refuses what would fail later, without touching torch's threads: a fork may follow."""
    check_dataset(load_manifests(config.output.data), config)
    checkpoint = find_checkpoint(config)
    if checkpoint is not None:
        read_history(checkpoint, config)
    if "wandb" in config.training.trackers:
        _check_wandb()


def _check_wandb() -> None:
    """Refuses a W&B that is not installed, or that would ask for a key in the middle of a batch job."""
    if importlib.util.find_spec("wandb") is None:
        raise InputError("training.trackers names wandb, which is not installed; run 'pip install wandb'.", usage=True)
    import wandb

    with _wandb_refusing():
        ready = wandb.setup().settings.mode in WANDB_LOCAL or wandb.login(prompt=False)
    if not ready:
        raise InputError(
            "training.trackers names wandb, which is not logged in; run 'wandb login', set WANDB_MODE=offline to log "
            "into the run's folder, or leave wandb out.",
            usage=True,
        )


@contextmanager
def _wandb_refusing() -> Iterator[None]:
    """What W&B raises inside, for want of a network or for a wrong key, becomes a sentence with a way out."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "wandb":
            raise
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"training.trackers names wandb, which can't begin ({reason}); set WANDB_MODE=offline to log into the "
            "run's folder and send that later with 'wandb sync', or leave wandb out."
        ) from None


def _launch(config: Config) -> None:
    """Starts the training processes; what one of them refuses is refused here in the same words."""
    try:
        with redirect_stdout(io.StringIO()):  # "Launching training on 2 CUDAs.", also where there is no GPU
            notebook_launcher(_process, (config,), num_processes=config.training.num_processes, use_port=_free_port())
    except ChildFailedError as error:
        message = error.get_first_failure()[1].message
        text = message["message"] if isinstance(message, dict) else str(message)
        kind, _, sentence = text.partition(": ")
        if kind == InputError.__name__:
            raise InputError(sentence) from None
        raise


def _free_port() -> str:
    """A TCP port that nobody listens on, for the processes to meet at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _process(config: Config) -> None:
    """One training process from start to end."""
    accelerator = _accelerator(config)
    _open_log(config, accelerator)
    trainer = Trainer(config, accelerator)
    trainer.resume()
    trainer.fit()
    accelerator.end_training()


def _accelerator(config: Config) -> Accelerator:
    """Accelerate bound to the asked device, with bf16 where it is asked for and pays."""
    AcceleratorState._reset_state(reset_partial_state=True)  # a notebook may train twice, on other settings
    device = resolve_device(config.model.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    pays = bf16_pays(device)
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="bf16" if config.training.use_mixed_precision and pays else "no",
        step_scheduler_with_optimizer=False,
        log_with=config.training.trackers or None,
        project_dir=str(config.output.logs),
    )
    if config.training.trackers:
        _open_trackers(accelerator, config)
    return accelerator


def _open_trackers(accelerator: Accelerator, config: Config) -> None:
    """Starts what logs the curves, into the run's folder; W&B also sends them to its server unless it is offline."""
    logs = config.output.logs
    logs.mkdir(parents=True, exist_ok=True)  # else W&B would take the working folder
    settings = {"init_timeout": WANDB_WAIT_S, "console": "off", "quiet": True}  # training.log has what is printed
    wandb = {"name": config.output.name, "dir": str(logs), "settings": settings}
    if "wandb" in config.training.trackers and accelerator.is_main_process:
        wandb |= {"id": _wandb_id(config), "resume": "allow"}
    with _wandb_refusing():
        accelerator.init_trackers("sound2sheet", init_kwargs={"wandb": wandb})


def _wandb_id(config: Config) -> str:
    """W&B's name for this training: the one it had where it goes on from a checkpoint of this run, else a new one."""
    file, checkpoint = config.output.logs / WANDB_ID, find_checkpoint(config)
    goes_on = checkpoint is not None and checkpoint.resolve().parent == config.output.checkpoints.resolve()
    if not (goes_on and file.is_file()):
        atomic_write(file, secrets.token_hex(4))
    return file.read_text(encoding="utf-8")


def _open_log(config: Config, accelerator: Accelerator) -> None:
    """Sends the training log to <logs>/training.log, from the main process only."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    log.setLevel(logging.INFO)
    log.propagate = False
    if accelerator.is_main_process:
        config.output.logs.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(config.output.logs / "training.log")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    else:
        handler = logging.NullHandler()
    log.addHandler(handler)
