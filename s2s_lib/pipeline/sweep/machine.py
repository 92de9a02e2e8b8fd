"""How many trials run at a time on this machine, and what share of it each of them gets."""

from __future__ import annotations

import os
import subprocess
import sys

from s2s_lib.config import Config

MEMORY_PER_PROCESS = 2 << 30  # bytes; a small model's training takes about one GiB
GPUS = "import torch; print(torch.cuda.device_count(), int(torch.backends.mps.is_available()))"
CPU_SHARE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOADER_SHARE = "LOKY_MAX_CPU_COUNT"  # what joblib, and so the pieces' makers and loaders, take for all cores
VISIBLE = "CUDA_VISIBLE_DEVICES"

Environment = dict[str, str]


def slots(config: Config, trials: int) -> list[Environment]:
    """One set of environment variables for each trial that runs at a time.

    `sweep.parallel` says how many; where it is null, one for each GPU, or without one as many as cores (with
    training.num_processes and training.num_workers counted) and memory allow. Several GPUs are dealt out in turn.
    """
    import joblib

    training, cores = config.training, joblib.cpu_count()
    cuda, mps = (0, 0) if config.model.device == "cpu" else _gpus()
    if config.sweep.parallel is not None:
        number = config.sweep.parallel
    elif cuda or mps:
        number = max(cuda // training.num_processes, 1) if config.model.device in ("auto", "cuda") else 1
    else:
        each = training.num_processes * (1 + (training.num_workers or 0))
        number = min(cores // each, _memory() // (MEMORY_PER_PROCESS * training.num_processes))
    number = max(1, min(number, trials))
    share = max(1, cores // number)
    threads = str(max(1, share // training.num_processes))
    common = {name: os.environ.get(name, threads) for name in CPU_SHARE} | {LOADER_SHARE: str(share)}
    if cuda < 2 or config.model.device not in ("auto", "cuda"):
        return [dict(common) for _ in range(number)]
    return [common | {VISIBLE: _dealt(slot, cuda, training.num_processes)} for slot in range(number)]


def _dealt(slot: int, cuda: int, processes: int) -> str:
    """The GPUs of a slot, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get(VISIBLE, "")
    names = visible.split(",") if visible else [str(number) for number in range(cuda)]
    return ",".join(dict.fromkeys(names[(slot * processes + place) % cuda] for place in range(processes)))


def _gpus() -> tuple[int, int]:
    """The numbers of CUDA devices and of Apple's, asked of a child process, which may import torch."""
    done = subprocess.run([sys.executable, "-c", GPUS], capture_output=True, text=True, check=False)
    words = done.stdout.split()[-2:]
    return (int(words[0]), int(words[1])) if not done.returncode and len(words) == 2 else (0, 0)


def _memory() -> int:
    """Bytes of memory, or what is plenty where that can't be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 60
