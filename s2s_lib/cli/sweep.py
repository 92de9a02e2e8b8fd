"""`s2s sweep`: what it prints."""

from __future__ import annotations

import os
import sys

from s2s_lib.cli.compare import verdicts
from s2s_lib.config import Config
from s2s_lib.pipeline import failures, run_sweep, sweep_table


def sweep_runs(config: Config) -> int:
    """Runs a sweep and prints its table, verdicts and report; 1 if a trial failed, and why in a sentence."""
    result = run_sweep(config)
    print(sweep_table(result))
    if result.report is not None:
        print("\n".join([*verdicts(config), f"compare: {os.path.relpath(result.report)}"]))
    faults = failures(result)
    for sentence in faults:
        print(f"s2s: error: {sentence}", file=sys.stderr)
    return 1 if faults else 0
