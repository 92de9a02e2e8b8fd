"""Counts in words: one of a thing is never called several, wherever a report or the terminal counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from figures import HISTORY, evaluation, texts
from test_report_dataset import manifests, sample

from s2s_lib import report
from s2s_lib.config import Config
from s2s_lib.notes import Note, Performance
from s2s_lib.pipeline import scores_summary
from s2s_lib.train import History
from s2s_lib.wording import counted

NOTE = Performance((Note(0.5, 1.0, 60, 64),))
ONE = evaluation((NOTE, NOTE))
SEVERAL = re.compile(r"(?<![\d.,–])1 (?:validation |reference |MIDI |more )?(?!is\b|was\b|s\b)\w+s\b")


@pytest.mark.parametrize(
    ("number", "noun", "grouping", "expected"),
    [
        (1, "piece", "", "1 piece"),
        (0, "note", "", "0 notes"),
        (3, "batch", "", "3 batches"),
        (1, "batch", "", "1 batch"),
        (2, "process", "", "2 processes"),
        (2, "epoch", "", "2 epochs"),
        (1200, "validation piece", ",", "1,200 validation pieces"),
    ],
)
def test_counted(number: int, noun: str, grouping: str, expected: str) -> None:
    assert counted(number, noun, grouping) == expected


def first_epoch() -> History:
    return replace(HISTORY, epochs=HISTORY.epochs[:1], unfinished={"batches": 1})


def one_piece() -> dict[str, Any]:
    one = sample()
    one.notes, one.performance = 1, lambda: NOTE
    return manifests(one)


SAID: dict[str, Callable[[], Any]] = {
    "scores_table": lambda: report.scores_table(ONE),
    "dashboard": lambda: report.dashboard(ONE),
    "confusion": lambda: report.confusion_matrix(ONE),
    "mistakes": lambda: report.mistakes_figure(ONE),
    "threshold": lambda: report.threshold_figure(ONE),
    "over_time": lambda: report.metrics_over_time(ONE),
    "evaluation_summary": lambda: report.evaluation_summary(ONE),
    "scores_summary": lambda: scores_summary(ONE.report()),
    "training": lambda: report.training_figure(first_epoch()),
    "training_outcome": lambda: report.training_outcome(replace(HISTORY, epochs=[], unfinished={"batches": 1})),
    "training_summary": lambda: report.training_summary(first_epoch(), Config()),
    "dataset": lambda: report.dataset_figure(one_piece()),
}


@pytest.mark.parametrize("make", SAID.values(), ids=SAID)
def test_one_of_a_thing_is_singular(make: Callable[[], Any]) -> None:
    shown = make()
    words = [str(shown), repr(shown), getattr(shown, "alt", "")]
    if isinstance(shown, report.Picture):
        words.append(texts(shown))
    found = [match.group() for text in words for match in SEVERAL.finditer(text)]
    assert found == []
