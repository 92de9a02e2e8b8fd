"""Summaries: what they say of a run, and the verdict against the last run that was judged by the same pieces."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figures import HISTORY, REF, evaluation

from s2s_lib import report
from s2s_lib.config import Config
from s2s_lib.evaluate import Evaluation
from s2s_lib.files import write_json
from s2s_lib.notes import Performance
from s2s_lib.train import History

PIECES = 8


def judged(folder: Path, name: str, found: list[int], age_s: float = 0.0, **settings: float) -> Evaluation:
    """An evaluation in run `name`, its report on disk: of piece i, the first found[i] notes were found."""
    config = Config.resolve({"output": {"output_dir": str(folder), "name": name}, "evaluation": settings})
    pairs = [(REF, Performance(REF.notes[:number])) for number in found]
    result = replace(evaluation(*pairs), config=config, model_path=config.output.model)
    path = config.output.results / "evaluation_report.json"
    write_json(path, result.report())
    config.save(config.output.run_dir / "parameters.yaml")
    for file in (path, config.output.run_dir / "parameters.yaml"):
        os.utime(file, (1e9 - age_s, 1e9 - age_s))
    return result


def found(seed: int, low: int, high: int) -> list[int]:
    return np.random.default_rng(seed).integers(low, high, PIECES).tolist()


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([4] * PIECES, found(0, 8, 12), "Better than run before"),
        (found(0, 8, 12), [4] * PIECES, "Worse than run before"),
        ([5, 9] * 4, [9, 5] * 4, "Can't be told apart from run before"),
        ([4] * 5, [8, 9, 10, 11, 8], "Can't be told apart from run before"),  # as in a comparison of the two
        ([5], [6], "Can't be told apart from run before"),
    ],
)
def test_verdict_is_that_of_the_paired_bootstrap(
    tmp_path: Path, before: list[int], now: list[int], verdict: str
) -> None:
    judged(tmp_path, "before", before)
    summary = report.evaluation_summary(judged(tmp_path, "now", now))
    assert summary.verdict.startswith(verdict)
    better, worse = (sum(sign * (b - a) > 0 for a, b in zip(before, now, strict=True)) for sign in (1, -1))
    assert f"better on {better} and worse on {worse} of {len(now)} piece" in summary.verdict
    assert ("a verdict takes 6 pieces" in summary.verdict) is (len(now) < 6)
    assert summary.table.columns[-1] == "test split: against before"


def test_last_run_is_the_newest_that_is_comparable(tmp_path: Path) -> None:
    judged(tmp_path, "older", [4] * PIECES, age_s=300)
    judged(tmp_path, "newer", [4] * PIECES, age_s=200)
    judged(tmp_path, "fewer pieces", [4] * (PIECES - 1), age_s=100)
    judged(tmp_path, "other tolerance", [4] * PIECES, onset_tolerance=0.03)
    summary = report.evaluation_summary(judged(tmp_path, "now", [8] * PIECES))
    assert summary.verdict.startswith("Better than run newer")


def test_a_first_run_has_none_to_be_compared_with(tmp_path: Path) -> None:
    summary = report.evaluation_summary(judged(tmp_path, "now", [8] * PIECES))
    assert summary.verdict.startswith("No other run in")
    assert len(summary.table.columns) == 2


def test_scores_come_with_their_intervals(tmp_path: Path) -> None:
    now = found(1, 2, 12)
    summary = report.evaluation_summary(judged(tmp_path, "now", now))
    f1 = [2 * n / (n + len(REF.notes)) for n in now]
    mean, low, high = (float(part) for part in summary.table.rows[0][1].replace(")", "").replace("–", " (").split(" ("))
    assert mean == pytest.approx(np.mean(f1), abs=6e-4)
    assert min(f1) <= low < mean < high <= max(f1)
    assert summary.numbers[2][0] == f"{np.mean(f1):.3f}"


def test_training_summary_tells_time_music_and_the_best_epoch() -> None:
    summary = report.training_summary(HISTORY, Config.resolve({"output": {"name": "x"}}))
    assert [number for number, _ in summary.numbers] == ["3", "18 min 00 s", "36 s"]
    assert "after epoch 2 was kept" in summary.sentences[1]
    assert "No epoch was finished." in repr(report.training_summary(History(), Config()))


def test_summary_is_text_where_there_is_no_page() -> None:
    summary = report.Summary(["A <b> sentence."], [("7", "pieces")], verdict="Fine.")
    assert "7  pieces\nA <b> sentence.\nFine." in repr(summary)
    assert "A &lt;b&gt; sentence." in summary._repr_html_()
