"""Where samples are made: in this process, in local processes through joblib, or on a Dask cluster."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from s2s_lib.config import DatasetConfig
from s2s_lib.errors import InputError

Job, Result = TypeVar("Job"), TypeVar("Result")

BATCH = 8  # jobs handed over at once; at some 30 ms a piece this makes the handing over negligible
BATCHES_PER_WORKER = 8  # but with few jobs each worker still gets several batches, so that none is idle at the end
AHEAD = 3  # batches per worker that wait for it
ANSWER_S = 5.0  # a scheduler is given this long to answer
WORKERS_S = 10.0  # and this long to find a worker
LOST_S = 60.0  # a cluster without a single worker is given this long to get one back
AGAIN = "what is made is kept: run the same command again to go on"
LOCAL = "set dataset.backend local"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # each process has a core of its own


def in_order(
    function: Callable[[Job], Result], jobs: Iterable[Job], total: int, dataset: DatasetConfig
) -> Iterator[Result]:
    """The results of `function` for each of `total` jobs, in order, made by the workers that `dataset` names.

    Few jobs are on their way at a time, so memory does not grow with their number. Raises InputError if the workers
    are lost.
    """
    workers = min(dataset.num_workers or joblib.cpu_count(), total)
    if dataset.backend == "dask":
        with open_cluster(dataset.scheduler) as client:
            workers = max(1, sum(client.nthreads().values()))
            submit = partial(client.submit, pure=False)
            yield from _keep_busy(submit, partial(_from_cluster, client), function, jobs, total, workers)
    elif workers > 1:
        with ProcessPoolExecutor(workers, env=dict.fromkeys(THREADS, "1")) as pool:
            yield from _keep_busy(pool.submit, _from_process, function, jobs, total, workers)
    else:
        yield from map(function, jobs)


def _keep_busy(
    submit: Callable[..., Any], result: Callable[[Any], list[Result]], function: Callable[[Job], Result],
    jobs: Iterable[Job], total: int, workers: int,
) -> Iterator[Result]:  # fmt: skip
    """Hands batches of jobs over and takes results in, so that a few batches wait for each worker.

    joblib.Parallel would hand over all jobs while the first result is waited for, and its Dask backend would wait
    forever where Dask gives a task up.
    """
    jobs, waiting = iter(jobs), deque()
    size = max(1, min(BATCH, total // (workers * BATCHES_PER_WORKER)))
    try:
        while batch := tuple(itertools.islice(jobs, size)):
            waiting.append(submit(_each, function, batch))
            if len(waiting) > AHEAD * workers:
                yield from result(waiting.popleft())
        while waiting:
            yield from result(waiting.popleft())
    finally:
        for future in waiting:
            future.cancel()


def _each(function: Callable[[Job], Result], jobs: tuple[Job, ...]) -> list[Result]:
    return [function(job) for job in jobs]


def _from_process(future: Any) -> list[Any]:
    """What a batch gave. Raises InputError if its process was killed."""
    try:
        return future.result()
    except TerminatedWorkerError:
        raise InputError(
            f"a worker process was killed, perhaps for lack of memory; {AGAIN}, with fewer workers "
            "(dataset.num_workers)."
        ) from None


def check_workers(dataset: DatasetConfig) -> None:
    """Raises InputError (usage) unless the workers that `dataset` names can be reached."""
    if dataset.backend == "dask":
        with open_cluster(dataset.scheduler):
            pass


@contextmanager
def open_cluster(scheduler: str | None, key: str = "dataset.scheduler", instead: str = LOCAL) -> Iterator[Any]:
    """A client of a Dask cluster that has at least one worker. Raises InputError (usage) if there is none.

    The error names the config's `key` that holds the address, and what to do `instead`.
    """
    try:
        import distributed
    except ImportError:
        raise InputError(
            f"{key} {scheduler} needs a package of its own: run 'pip install distributed'.", usage=True
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what fails is said in one sentence below
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has an event loop of its own
            thread.submit(asyncio.run, _knock(str(scheduler))).result()
        client = distributed.Client(scheduler, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:  # ImportError: a kind of address that needs a package
        reason = "does not answer" if isinstance(error, OSError) else f"is no address of a scheduler ({error})"
        raise InputError(
            f"{key} {scheduler} {reason}; start one with 'dask scheduler' and name its address, or {instead}.",
            usage=True,
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError:
            raise InputError(
                f"{key} {scheduler} has no workers; start some with 'dask worker {scheduler}'.", usage=True
            ) from None
        yield client


async def _knock(scheduler: str) -> None:
    """Raises TimeoutError if nobody answers; Client would wait forever for one that listens and says nothing."""
    from distributed.comm import connect

    comm = await asyncio.wait_for(connect(scheduler, timeout=ANSWER_S), ANSWER_S)
    await comm.close()


def _from_cluster(client: Any, future: Any) -> list[Any]:
    """What a batch gave; Dask has another worker make what one that died had. Raises InputError if all are lost."""
    from distributed import KilledWorker

    while True:
        try:
            return future.result(timeout=LOST_S)
        except KilledWorker:
            raise InputError(
                f"the cluster's workers die over the same pieces, perhaps for lack of memory; {AGAIN}."
            ) from None
        except asyncio.CancelledError:
            raise InputError(f"the connection to the cluster's scheduler was lost; {AGAIN}.") from None
        except ModuleNotFoundError as error:
            raise InputError(
                f"the cluster's workers lack a module ({error.name}); install the same version of this package there."
            ) from None
        except TimeoutError:
            if future.done():
                raise
            if not client.nthreads():
                raise InputError(f"the cluster has lost all its workers; {AGAIN}.") from None
