"""What a comparison found: means, differences and a verdict for each pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from s2s_lib.comparison.pieces import common
from s2s_lib.config import ComparisonConfig
from s2s_lib.metrics import Estimate, estimate
from s2s_lib.runs import Run
from s2s_lib.wording import counted

SECTIONS = ("dataset.", "audio.", "model.", "training.", "evaluation.")  # what a run's result depends on
METRICS = {
    "onset": "onset F1",
    "onset_offset_key": "onset + offset F1 (key release)",
    "onset_offset_pedal": "onset + offset F1 (pedal-extended)",
    "onset_offset_velocity": "onset + offset + velocity F1 (key release)",
    "frame": "frame F1 (key held)",
}
CONVENTIONS = {
    "f1": "mean over the run's own pieces; interval: percentile bootstrap over pieces",
    "reference_minus_this": "over the pieces common to both: same name, piano and truth; paired bootstrap over pieces",
    "verdicts": "better: the interval is without 0, and the pieces are enough for a sign test at this confidence",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs and what their scores say about each other.

    `scored` are those of `runs` that have scores, the best by the first metric first; the others are set against
    `reference`. `sentences` say what a reader must know: what was left out, what could not be read, what does not
    compare.
    """

    settings: ComparisonConfig
    runs: tuple[Run, ...]
    scored: tuple[Run, ...]
    reference: Run | None
    sentences: tuple[str, ...] = field(repr=False)

    @property
    def metric(self) -> str:
        """The metric that ranks the runs."""
        return self.settings.metrics[0]

    @property
    def others(self) -> tuple[Run, ...]:
        """The scored runs beside the reference."""
        return tuple(run for run in self.scored if run is not self.reference)

    def f1(self, run: Run, metric: str) -> Estimate:
        """Mean F1 over the run's own pieces."""
        return estimate([piece.f1[metric] for piece in run.pieces if metric in piece.f1], self.settings)

    def difference(self, other: Run, metric: str) -> tuple[Estimate, int]:
        """Mean of the reference minus another run over the pieces that both transcribed, and the number of these."""
        values = [pair.difference(metric) for pair in common(self.reference, other, metric)]
        return estimate(values, self.settings), len(values)

    def verdict(self, other: Run) -> str:
        """One sentence on the reference and another run, by the first metric."""
        names, score = (self.reference.label, other.label), METRICS[self.metric]
        found, pieces = self.difference(other, self.metric)
        if not pieces:
            return f"{names[0]} and {names[1]} can't be compared: they have no piece in common."
        where = f"on {counted(pieces, 'piece')}"
        level = f"{100 * self.settings.confidence:g} %"
        if winner := told_apart(found, pieces, self.settings.confidence):
            better, worse = names[::winner]
            low, high = sorted((abs(found.low), abs(found.high)))
            span = f"{abs(found.mean):.3f} {score} ({level}: {low:.3f} to {high:.3f})"
            return f"{better} is better than {worse} by {span}, {where}."
        span = "" if found.low is None else f" ({level}: {found.low:+.3f} to {found.high:+.3f})"
        few = too_few(pieces, self.settings.confidence)
        return f"{names[0]} and {names[1]} can't be told apart: {found.mean:+.3f} {score}{span}, {where}{few}."

    def report(self) -> dict[str, Any]:
        """Content of comparison.json."""
        return {
            "conventions": CONVENTIONS,
            "sentences": list(self.sentences),
            "reference": None if self.reference is None else self.reference.label,
            "verdicts": [self.verdict(other) for other in self.others],
            "runs": {run.label: self._run(run) for run in self.runs},
            "parameters": {name: list(values) for name, values in differing(self.runs).items()},
            "config": self.settings.model_dump(mode="json"),
        }

    def _run(self, run: Run) -> dict[str, Any]:
        row = {
            "folder": str(run.folder),
            "state": run.state,
            "pieces": len(run.pieces),
            "f1": {metric: self.f1(run, metric).as_dict() for metric in self.settings.metrics},
        }
        if run in self.others:
            found = {metric: self.difference(run, metric) for metric in self.settings.metrics}
            row["reference_minus_this"] = {m: {**one.as_dict(), "pieces": n} for m, (one, n) in found.items()}
        return row


def differing(runs: Sequence[Run]) -> dict[str, tuple[Any, ...]]:
    """The parameters that are not the same in all runs: {'section.key': a value per run}.

    None stands for a key that a run's version did not know; runs whose parameters can't be read count for nothing.
    """
    names = dict.fromkeys(name for run in runs for name in run.parameters if name.startswith(SECTIONS))
    table = {name: tuple(run.parameters.get(name) for run in runs) for name in names}
    known = {name: [run.parameters.get(name) for run in runs if run.parameters] for name in names}
    return {name: values for name, values in table.items() if any(value != known[name][0] for value in known[name])}


def told_apart(difference: Estimate, pieces: int, confidence: float) -> int:
    """What the mean difference of two runs over so many common pieces says: 1 the first is better, -1 the second.

    0 where the confidence interval holds 0 or the pieces are fewer than a verdict takes.
    """
    if difference.low is None or pieces < fewest(confidence) or difference.low <= 0 <= difference.high:
        return 0
    return 1 if difference.mean > 0 else -1


def too_few(pieces: int, confidence: float) -> str:
    """'; a verdict takes 6 pieces' where there are fewer, else nothing."""
    enough = fewest(confidence)
    return f"; a verdict takes {enough} pieces" if pieces < enough else ""


def fewest(confidence: float) -> int:
    """How many pieces a verdict takes.

    With fewer, even if one run won them all, a fair coin would do so more often than in 1 - `confidence` of the
    cases: two-sided sign test, p = 2^(1 - n).
    """
    return math.floor(1 - math.log2(1 - confidence)) + 1
