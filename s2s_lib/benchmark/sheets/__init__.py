"""Sheet music beside that of other programs: music21's quantising import and MuseScore 3's, on the same performances.

Judged by `s2s_lib.metrics.notation_scores` against the true scores of human performances and of composed pieces.
"""

from s2s_lib.benchmark.sheets.run import (
    COLUMNS,
    PARTS,
    TOOLS,
    Case,
    Result,
    Tool,
    composed_cases,
    heard,
    human_cases,
    measure,
    rows,
    table,
    without_rubato,
)
from s2s_lib.benchmark.sheets.truth import read_truth

__all__ = [
    "COLUMNS", "PARTS", "TOOLS", "Case", "Result", "Tool", "composed_cases", "heard", "human_cases",
    "measure", "read_truth", "rows", "table", "without_rubato",
]  # fmt: skip
