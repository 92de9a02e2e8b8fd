"""Runs set beside each other: verdicts, common pieces, and runs that are of no use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import ROOT, Outcome
from runs_on_disk import judged_by_music, row, write_report, write_run

from s2s_lib.comparison import (
    Comparison,
    check_comparison,
    common,
    compare,
    differing,
    fewest,
    heard,
    original,
    won_and_lost,
)
from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.runs import open_run

EVEN = {f"piece {i}": 0.5 + 0.03 * (i % 3) for i in range(12)}
ALTERNATING = {name: value + (0.1 if i % 2 else -0.1) for i, (name, value) in enumerate(EVEN.items())}


def ahead(by: float, pieces: dict[str, float] = EVEN) -> dict[str, float]:
    return {name: value + by for name, value in pieces.items()}


def compared(folder: Path, *names: str, **settings: object) -> Comparison:
    output = {"output_dir": str(folder), "name": "comparison"}
    return compare(Config.resolve({"comparison": {"runs": list(names), **settings}, "output": output}))


def test_the_better_run_is_told_with_its_interval(tmp_path: Path) -> None:
    write_run(tmp_path / "a", EVEN)
    write_run(tmp_path / "b", {name: value + 0.02 * (1 + i % 3) for i, (name, value) in enumerate(EVEN.items())})
    found = compared(tmp_path, "a", "b")
    assert [run.label for run in found.scored] == ["b", "a"]
    (verdict,) = found.report()["verdicts"]
    difference, pieces = found.difference(found.others[0], "onset")
    assert (difference.mean, pieces) == (pytest.approx(0.04), 12)
    assert 0.02 < difference.low < 0.04 < difference.high < 0.06
    interval = f"95 %: {difference.low:.3f} to {difference.high:.3f}"
    assert verdict == f"b is better than a by 0.040 onset F1 ({interval}), on 12 pieces."
    assert json.loads((tmp_path / "comparison" / "results" / "comparison.json").read_text()) == found.report()


def test_remarks_come_first(tmp_path: Path) -> None:
    for name in "ab":
        write_run(tmp_path / name, EVEN)
    write_run(tmp_path / "c", {})
    found = compared(tmp_path, "a", "b", "c", remarks=["One trial failed."])
    assert found.sentences[0] == "One trial failed."
    assert len(found.sentences) > 1


def test_pairs_tell_what_means_alone_would_not(tmp_path: Path) -> None:
    """Pieces that differ far more from each other than the runs do on any of them."""
    hard_and_easy = {f"piece {i}": 0.05 * i for i in range(12)}
    write_run(tmp_path / "a", hard_and_easy)
    write_run(tmp_path / "b", ahead(0.01, hard_and_easy))
    found = compared(tmp_path, "a", "b")
    intervals = [found.f1(run, "onset") for run in found.scored]
    assert intervals[0].low < intervals[1].high
    assert found.verdict(found.others[0]).startswith("b is better than a by 0.010 ")


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (EVEN, ALTERNATING, "0.000 onset F1 (95 %: -0.0"),
        (EVEN, EVEN, "+0.000 onset F1 (95 %: +0.000 to +0.000), on 12 pieces."),
        ({"x": 0.9, "y": 0.8}, {"x": 0.1, "y": 0.2}, "on 2 pieces; a verdict takes 6 pieces."),
        ({"x": 0.9}, {"x": 0.1}, "can't be told apart: +0.800 onset F1, on 1 piece; a verdict takes 6 pieces."),
        ({"x": 0.9}, {"y": 0.9}, "can't be compared: they have no piece in common."),
    ],
)
def test_what_cannot_be_told_is_said(
    tmp_path: Path, ours: dict[str, float], theirs: dict[str, float], verdict: str
) -> None:
    write_run(tmp_path / "a", ours)
    write_run(tmp_path / "b", theirs)
    found = compared(tmp_path, "a", "b", reference="a")
    assert found.verdict(found.others[0]).startswith("a and b can't be ")
    assert verdict in found.verdict(found.others[0])


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_fewest_pieces_of_a_verdict_are_those_of_a_sign_test(confidence: float) -> None:
    pieces = fewest(confidence)
    assert 2 * 0.5**pieces < 1 - confidence <= 2 * 0.5 ** (pieces - 1)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (row("x", 0.5, "truth"), True),
        (row("x", 0.5, "changed"), False),
        (row("x", 0.5, "truth", piano="upright.sf2"), False),
        (row("y", 0.5, "truth"), False),
        (row("x", 0.5, None), True),  # an earlier version's: as many notes and frames
        (row("x", 0.5, None, frame={"ref": 71, "f1": 0.5}), False),
        (row("x", 0.5, None, onset={"f1": 0.5, "ref": 6}), False),
    ],
)
def test_the_same_piece_has_name_piano_and_truth_in_common(tmp_path: Path, other: dict, same: bool) -> None:
    for name, rows in {"a": [row("x", 0.9, "truth")], "b": [other]}.items():
        write_report(write_run(tmp_path / name), rows)
    runs = [open_run(tmp_path / name) for name in "ab"]
    assert len(common(*runs, "onset")) == same
    assert not common(*runs, "onset_offset_velocity")
    left_out = [s for s in compared(tmp_path, "a", "b").sentences if "of the same name were played otherwise" in s]
    assert len(left_out) == (other["id"] == "x" and not same)


def test_a_run_without_common_pieces_does_not_keep_the_others_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "a", EVEN)
    write_run(tmp_path / "b", ahead(0.1))
    write_run(tmp_path / "stranger", {"other": 1.0})
    found = compared(tmp_path)
    assert [run.label for run in found.scored] == ["b", "a", "stranger"]
    verdicts = [found.verdict(other) for other in found.others]
    assert verdicts[0].startswith("b is better than a by 0.100")
    assert verdicts[1] == "b and stranger can't be compared: they have no piece in common."


def test_the_best_is_told_on_common_pieces_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "a", EVEN | {"easy": 1.0, "easier": 1.0})
    write_run(tmp_path / "b", ahead(0.01))
    found = compared(tmp_path, "a", "b")
    assert found.reference.label == "b"
    assert found.f1(found.reference, "onset").mean < found.f1(found.others[0], "onset").mean


def test_runs_of_no_use_cost_a_sentence_each(tmp_path: Path) -> None:
    write_run(tmp_path / "a", EVEN)
    write_run(tmp_path / "b", ahead(0.1), stages={"train": "done", "evaluate": "outdated"})
    write_run(tmp_path / "half", stages={"generate": "done", "train": "failed"})
    write_run(tmp_path / "fresh", stages={}, epochs=0)
    write_run(tmp_path / "old", EVEN, evaluation={"onset_tolerance": 0.1})
    (tmp_path / "old" / "training_history.json").write_text("{")
    (tmp_path / "empty").mkdir()
    found = compared(tmp_path, "a", "b", "half", "fresh", "old", "empty", "nowhere", reference="half")
    assert {run.label for run in found.scored} == {"a", "b", "old"}
    assert {run.label for run in found.runs} == {"a", "b", "old", "half"}
    told = " ".join(found.sentences)
    for sentence in (
        "empty: is no run,",
        "nowhere: there is no such run.",
        "half has no scores (train failed), so only its training is shown.",
        "fresh has no scores (not begun), so it is left out.",
        "training_history.json: is truncated or damaged.",
        "b: its scores are older than what they judge,",
        "scored with different evaluation.onset_tolerance,",
        "comparison.reference half: is none of the runs with scores, so the best stands for it.",
    ):
        assert sentence in told
    assert len(found.sentences) == 8
    assert found.verdict(found.others[0]).startswith("b is better than ")


def test_the_parameters_that_differ(tmp_path: Path) -> None:
    write_run(tmp_path / "a", training={"learning_rate": 0.1})
    write_run(tmp_path / "b", training={"learning_rate": 0.2}, output={"html": False})
    write_run(tmp_path / "c")
    (tmp_path / "c" / "parameters.yaml").write_text("dataset: {samples: 7, sampels: 8}\n")
    a, b, c = (open_run(tmp_path / name) for name in "abc")
    assert differing([a, b]) == {"training.learning_rate": (0.1, 0.2)}
    assert differing([a, c])["dataset.sampels"] == (None, 8)
    assert differing([a]) == differing([]) == {}


def test_without_scores_there_is_nothing_to_compare(tmp_path: Path) -> None:
    write_run(tmp_path / "half", stages={"train": "failed"})
    for names, reason in ((["half"], "half has no scores"), ([], "holds no run with scores")):
        config = Config.resolve({"comparison": {"runs": names}, "output": {"output_dir": str(tmp_path)}})
        with pytest.raises(InputError, match=reason):
            check_comparison(config)
        assert compare(config).reference is None


def test_won_and_lost_are_the_clearest_pieces(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"w": 0.9, "x": 0.5, "y": 0.3, "z": 0.1})
    write_run(tmp_path / "b", {"w": 0.6, "x": 0.5, "y": 0.2, "z": 0.3})
    pairs = common(open_run(tmp_path / "a"), open_run(tmp_path / "b"), "onset")
    won, lost = won_and_lost(pairs, "onset", 2)
    assert ([pair.id for pair in won], [pair.id for pair in lost]) == (["w", "y"], ["z"])


def test_a_pieces_sound_and_notes_are_found_again_or_their_lack_told(tmp_path: Path) -> None:
    folder = judged_by_music(tmp_path / "a", tmp_path / "midi", {"x.mid": 1, "y.mid": 5})
    run = open_run(folder)
    x, y = run.pieces
    assert len(heard(run, x).notes) == 4
    assert heard(run, y).notes == ()
    source = original([run], x)
    assert (len(source.ref.notes), source.sample_rate) == (5, 16000)
    write_report(folder, [row("x.mid", 0.5, "other truth", piano=x.piano)])
    old = open_run(folder)
    with pytest.raises(InputError, match=r"x.mid can't be shown: what is played in it has changed since\."):
        original([old], old.pieces[0])
    with pytest.raises(InputError, match=r"a kept no transcriptions.*evaluation_report\.json.*s2s evaluate --name a"):
        heard(old, old.pieces[0])
    (tmp_path / "midi" / "x.mid").unlink()
    with pytest.raises(InputError, match=r"x.mid can't be shown: .*x\.mid: there is no such MIDI file"):
        original([open_run(folder)], x)


def test_compare_makes_a_report_with_players(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    losses = {"a": [0, 1, 1, 0, 0, 1, 0], "b": [2, 2, 2, 2, 2, 1, 1], "c": [3] * 7}
    for name, lost in losses.items():
        pieces = {f"{i}.mid": missing for i, missing in enumerate(lost)}
        judged_by_music(tmp_path / "runs" / name, tmp_path / "midi", pieces, training={"batch_size": ord(name)})
    (tmp_path / "runs" / "empty").mkdir()
    flags = ("--metrics", "onset", "onset_offset_key", "--set", "comparison.pieces_shown=1", "--name", "out")
    outcome = s2s("compare", "a", "runs/b", "c", "empty", *flags)
    assert outcome.code == 0, outcome.err
    assert f"s2s: {tmp_path / 'runs' / 'empty'}: is no run" in outcome.err
    first, second, page = outcome.out.splitlines()
    assert first.startswith("a is better than b by ")
    assert second.startswith("a is better than c by ")
    assert page == "compare: runs/out/05_compare.html"
    html = (tmp_path / "runs" / "out" / "05_compare.html").read_text()
    for word in (first, "is no run", "training.batch_size", "Learning curves of a, b, c", "1.mid"):
        assert word.replace("'", "&#x27;") in html or word in html
    assert html.count("<audio") == 3
    assert (tmp_path / "runs" / "out" / "05_compare.ipynb").is_file()


def test_the_notebook_runs_where_there_are_no_runs(tmp_path: Path) -> None:
    target, output = tmp_path / "out.ipynb", {"output_dir": str(tmp_path / "none"), "name": "comparison"}
    source = str(ROOT / "notebooks/05_compare.ipynb")
    papermill.execute_notebook(source, str(target), {"output": output}, progress_bar=False, kernel_name="python3")
    assert "holds no run with scores; make some with " in target.read_text()
    assert not (tmp_path / "none").exists()
    nbformat.validate(nbformat.read(target, as_version=4))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere",), "nowhere: there is no such run"),
        ((), "holds no run with scores"),
        (("--metrics", "f1"), "comparison.metrics.0 is 'f1'"),
        (("--set", "comparison.resamples=3"), "comparison.resamples is 3"),
    ],
)
def test_compare_refuses_in_one_sentence(
    refused: Callable[..., str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused("compare", *arguments)
