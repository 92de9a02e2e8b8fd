"""How the benchmark talks to a tool in a process of its own: a job comes in, one line of JSON per file goes out.

Nothing here needs more than Python's standard library: peers run it in their own environments.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

STARTED = time.perf_counter()
Transcribe = Callable[[str, str], None]  # audio file, file to write the notes to


def serve(load: Callable[[dict[str, Any]], tuple[Transcribe, dict[str, Any]]]) -> None:
    """Reads a job from standard input, does it and reports on standard output; what the tool prints goes to stderr.

    The job: {"warm_up": audio, "files": [[audio, target], ...], "target": file, "num_threads": n, ...}. `load` gives
    what transcribes a file, and facts of the tool. The first line told holds these facts and the seconds, of
    processor and of wall time, that imports, loading and one warm-up took since the process began; each further line
    the seconds of one file, or its error. Processor seconds are those of all threads.
    """
    job = json.load(sys.stdin)
    if hasattr(os, "sched_setaffinity"):  # thread pools are sized by the cores that may be used
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["num_threads"]])
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(line: dict[str, Any]) -> None:
        channel.write(json.dumps(line) + "\n")
        channel.flush()

    transcribe, facts = load(job)
    transcribe(job["warm_up"], job["target"])
    tell({**facts, "cpu_s": time.process_time(), "wall_s": time.perf_counter() - STARTED})
    for audio, target in job["files"]:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        try:
            transcribe(audio, target)
        except Exception as error:
            tell({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
        else:
            tell({"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - wall_s})
