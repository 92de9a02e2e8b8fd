"""The runs on this disk: what each folder holds, how far it came, and how to be rid of it. Imports no torch."""

from s2s_lib.runs.find import choose_runs, find_runs, open_run
from s2s_lib.runs.prune import check_prunable, prune
from s2s_lib.runs.read import flat
from s2s_lib.runs.run import PieceScores, Run
from s2s_lib.runs.state import NOTEBOOKS, PRODUCTS, STAGES, STATE_FILE, read_state, this_process

__all__ = [
    "NOTEBOOKS",
    "PRODUCTS",
    "STAGES",
    "STATE_FILE",
    "PieceScores",
    "Run",
    "check_prunable",
    "choose_runs",
    "find_runs",
    "flat",
    "open_run",
    "prune",
    "read_state",
    "this_process",
]
