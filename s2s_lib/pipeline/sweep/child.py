"""The process of one trial: `python -m s2s_lib.pipeline.sweep.child` runs the job that its standard input holds."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from typing import Any

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline.execute import StageError
from s2s_lib.pipeline.run import run_pipeline
from s2s_lib.pipeline.sweep.work import DONE, FAILED, STOPPED, Job

PARENT_PERIOD_S = 1.0


def main() -> int:
    """Runs the job; the last line written to standard error says why it failed."""
    job = Job(**json.load(sys.stdin))
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        run_pipeline(Config.resolve(job.config, source="trial"), job.stages)
    except (InputError, StageError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return STOPPED
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED
    return DONE


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _end_with(parent: int) -> None:
    """Interrupts this process when the one that started it is gone: nobody would take its result."""
    while os.getppid() == parent:
        time.sleep(PARENT_PERIOD_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
