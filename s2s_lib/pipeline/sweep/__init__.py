"""Many runs that differ in a few keys, chosen by Optuna, run side by side, compared at the end."""

from s2s_lib.pipeline.sweep.run import SweepResult, run_sweep
from s2s_lib.pipeline.sweep.table import failures, sweep_table

__all__ = ["SweepResult", "failures", "run_sweep", "sweep_table"]
