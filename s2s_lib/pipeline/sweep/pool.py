"""Where the trials of a sweep run: processes on this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline.sweep.machine import Environment, slots
from s2s_lib.pipeline.sweep.work import Job, Outcome, run_job

LOST_S = 60.0  # a cluster without a single worker is given this long to get one back
ASK_S = 10.0  # how often it is asked for its workers
AGAIN = "what is done is kept: run the same command again to go on"


class LocalPool:
    """Trials on this machine: each job takes one of the slots, which share it out."""

    def __init__(self, shares: list[Environment]):
        self.size, self._free = len(shares), SimpleQueue()
        for share in shares:
            self._free.put(share)
        self._threads = ThreadPoolExecutor(self.size)  # each waits for a process

    def submit(self, job: Job) -> Future[Outcome]:
        """Runs a job as soon as a slot is free."""
        return self._threads.submit(self._run, job)

    def check(self) -> None:
        """This machine is there."""

    def close(self) -> None:
        """Waits for what still runs."""
        self._threads.shutdown()

    def _run(self, job: Job) -> Outcome:
        share = self._free.get()
        try:
            return run_job(replace(job, environment=share))
        finally:
            self._free.put(share)


class ClusterPool:
    """Trials on a Dask cluster, whose workers see the same folders."""

    def __init__(self, client: Any, parallel: int | None):
        self._client, self._executor = client, client.get_executor(pure=False)
        threads = sum(client.nthreads().values())
        self.size = max(1, threads if parallel is None else min(parallel, threads))
        self._seen = self._asked = time.monotonic()

    def submit(self, job: Job) -> Future[Outcome]:
        """Hands a job to the cluster."""
        return self._executor.submit(run_job, job)

    def check(self) -> None:
        """Raises InputError if the cluster has been without workers for long, or is gone."""
        now = time.monotonic()
        if now - self._asked < ASK_S:
            return
        self._asked = now
        try:
            workers = self._client.nthreads()
        except Exception as error:  # each kind of connection has its own
            raise InputError(f"the connection to the cluster's scheduler was lost ({error}); {AGAIN}.") from None
        self._seen = now if workers else self._seen
        if now - self._seen > LOST_S:
            raise InputError(f"the cluster has lost all its workers; {AGAIN}.")


Pool = LocalPool | ClusterPool


@contextmanager
def open_pool(config: Config, trials: int) -> Iterator[Pool]:
    """A place for at most `trials` at a time. Raises InputError (usage) if the cluster can't be reached."""
    if config.sweep.scheduler is None:
        pool = LocalPool(slots(config, trials))
        try:
            yield pool
        finally:
            pool.close()
        return
    from s2s_lib.data.workers import open_cluster  # takes a second to import

    with open_cluster(config.sweep.scheduler, "sweep.scheduler", "drop it to run the trials here") as client:
        yield ClusterPool(client, config.sweep.parallel)


def finished(futures: list[Future[Outcome]], seconds: float) -> list[Future[Outcome]]:
    """Those that are done, waited for no longer than this."""
    return list(wait(futures, timeout=seconds, return_when=FIRST_COMPLETED).done)


def outcome_of(future: Future[Outcome]) -> Outcome:
    """How a job ended; what kept a cluster from running it is its failure."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, ModuleNotFoundError):
        return Outcome(error=f"the worker lacks module {error.name}; install the same version of this package there")
    if type(error).__name__ == "KilledWorker":
        return Outcome(error="the workers died over it, perhaps for lack of memory")
    return Outcome(error=f"the worker could not run it ({type(error).__name__}: {error})")
