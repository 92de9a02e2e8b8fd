"""What a comparison's report shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs_on_disk import epoch, judged_by_music, row, write_report, write_run

from s2s_lib import report
from s2s_lib.comparison import Comparison, compare
from s2s_lib.config import Config
from s2s_lib.files import write_json
from s2s_lib.notes import Note, Performance
from s2s_lib.report.compared_pieces import show_won_and_lost, widest_gap

EVEN = {f"piece {i}": 0.5 + 0.03 * (i % 3) for i in range(12)}


def compared(folder: Path, *names: str, **settings: object) -> Comparison:
    output = {"output_dir": str(folder), "name": "comparison"}
    return compare(Config.resolve({"comparison": {"runs": list(names), **settings}, "output": output}))


@pytest.fixture
def three(tmp_path: Path) -> Comparison:
    write_run(tmp_path / "a", EVEN, training={"learning_rate": 0.1})
    write_run(tmp_path / "b", {n: v + (0.2 if n != "piece 3" else -0.1) for n, v in EVEN.items()}, epochs=2)
    write_run(tmp_path / "c", {"other": 0.4}, epochs=0)
    return compared(tmp_path, "a", "b", "c")


def test_the_summary_tells_scores_and_verdicts(three: Comparison) -> None:
    summary = report.comparison_summary(three)
    assert [what.partition(":")[0] for _, what in summary.numbers] == [
        "b (learning_rate 0.0001)", "a (learning_rate 0.1)", "c (learning_rate 0.0001)"
    ]  # fmt: skip
    assert [number for number, _ in summary.numbers] == ["0.705", "0.530", "0.400"]
    assert summary.sentences[0] == "3 runs that differ in training.learning_rate."
    assert summary.verdict.startswith("b is better than a by 0.175 onset F1 (95 %: ")
    assert summary.verdict.endswith("b and c can't be compared: they have no piece in common.")


def test_a_summary_of_many_runs_stays_short(tmp_path: Path) -> None:
    for i in range(7):
        write_run(tmp_path / f"run{i}", {"x": 0.1 * i})
    summary = report.comparison_summary(compared(tmp_path))
    assert len(summary.numbers) == 4
    assert summary.verdict.count("can't be told apart") == 3
    assert summary.verdict.endswith(" 3 more runs in the table of scores.")


def test_the_tables(three: Comparison) -> None:
    assert [r[:2] + r[3:] for r in report.runs_table(three).rows] == [
        ("a", "evaluated", 12, 3, "1.5 min", pytest.approx(0.4)),
        ("b", "evaluated", 12, 2, "1.0 min", 0.6),
        ("c", "evaluated", 1, 0, None, None),
    ]
    assert report.parameters_table(three).rows == [("training.learning_rate", "0.1", "0.0001", "0.0001")]
    scores = report.comparison_table(three)
    assert [(r[0], r[1], r[5]) for r in scores.rows][:3] == [
        ("onset F1", "b", None), ("onset F1", "a", 12), ("onset F1", "c", 0)
    ]  # fmt: skip
    assert scores.rows[0][3].startswith("0.705 (")
    assert scores.rows[1][4].startswith("+0.175 (")
    assert scores.rows[2][4] is None
    assert len(scores.rows) == 9
    pieces = report.pieces_table(three)
    assert pieces.columns == ("piece", "notes", "b", "a", "b minus a")  # c has none of them
    assert len(pieces.rows) == 12
    assert (pieces.rows[-1][0], pieces.rows[-1][-1]) == ("piece 3", "-0.100")


def test_long_values_and_long_lists_of_pieces_are_cut(tmp_path: Path) -> None:
    many = {f"p{i:03}": 0.5 for i in range(100)}
    write_run(tmp_path / "a", many, dataset={"soundfonts": ["x" * 50, "y" * 50]}, training={"trackers": []})
    write_run(tmp_path / "b", {name: 0.4 + 0.001 * i for i, name in enumerate(many)})
    found = compared(tmp_path, "a", "b", reference="a")
    values = {r[0]: r[1] for r in report.parameters_table(found).rows}
    assert values["dataset.soundfonts"] == "x" * 30 + " … " + "y" * 30
    assert values["training.trackers"] == "none"
    pieces = report.pieces_table(found)
    assert (len(pieces.rows), pieces.rows[0][0], pieces.rows[-1][0]) == (60, "p000", "p099")
    assert "The 40 pieces between are left out." in pieces.caption


def test_learning_curves_run_over_steps_and_over_time(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"x": 0.5})
    write_run(tmp_path / "b", stages={"train": "failed"})
    later = [epoch(n) | {"elapsed_seconds": 60.0 * n, "val_onset_f1": 0.1 * n} for n in (1, 2)]
    write_json(tmp_path / "b" / "training_history.json", {"epochs": later})
    picture = report.learning_curves(compared(tmp_path, "a", "b"))
    steps, minutes, f1, _ = picture.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in steps.lines if line.get_label()[0] != "_"}
    assert lines == {
        "a": [[10, 1.2], [20, 0.6], [30, pytest.approx(0.4)]],
        "b": [[10, 1.2], [20, 0.6]],
    }
    times = [line.get_xdata().tolist() for line in minutes.lines[::2]]
    assert times == [[0.5, 1.0, 1.5], [1.0, 2.0]]
    assert [line.get_ydata().tolist() for line in f1.lines] == [[], [0.1, 0.2]]
    looks = {(line.get_color(), line.get_marker()) for line in steps.lines[::2]}
    assert len(looks) == 2
    assert picture.alt == "Learning curves of a, b, over steps and over time"


def test_scatter_shows_who_won_which_piece(three: Comparison) -> None:
    picture = report.scatter_figure(three)
    (ax,) = picture.axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["won (11)", "lost (1)"]
    x, y = ax.lines[2].get_data()
    assert (list(x), list(y)) == ([0.5], [0.4])  # piece 3, that a heard better
    assert "b against a" in picture.alt


def test_without_runs_nothing_is_shown(tmp_path: Path, shown: list) -> None:
    empty = compared(tmp_path)
    parts = ("runs_table", "comparison_table", "learning_curves", "scatter_figure", "pieces_table")
    assert {part: getattr(report, part)(empty) for part in parts} == dict.fromkeys(parts)
    assert "no two runs" in report.parameters_table(empty).data
    show_won_and_lost(empty)
    assert shown == []
    assert "holds no run with scores" in repr(report.comparison_summary(empty))


def test_excerpt_is_where_the_two_differ() -> None:
    notes = tuple(Note(float(s), s + 0.5, 60, 70) for s in range(40))
    ref = Performance(notes)
    without = Performance(tuple(note for note in notes if not 25 <= note.onset_s < 33))
    assert 23 <= widest_gap(ref, ref, without) <= 25
    assert widest_gap(ref, ref, ref) == 0
    assert widest_gap(Performance(notes[:4]), ref, without) == 0


def test_pieces_won_and_lost_are_drawn_and_played(tmp_path: Path, shown: list) -> None:
    midi = tmp_path / "midi"
    judged_by_music(tmp_path / "a", midi, {"x.mid": 0, "y.mid": 5, "z.mid": 0})
    judged_by_music(tmp_path / "b", midi, {"x.mid": 2, "y.mid": 1, "z.mid": 3})
    show_won_and_lost(compared(tmp_path, "a", "b", pieces_shown=1, reference="a"))
    titles = [output.data for output in shown if getattr(output, "data", "").startswith("<h3>")]
    assert titles == ["<h3>z.mid, heard better by a than by b</h3>", "<h3>y.mid, heard better by b than by a</h3>"]
    rolls = [output.axes[0].get_title(loc="left") for output in shown if isinstance(output, report.Picture)]
    assert rolls == [
        "z.mid by a: onset F1 1.000", "z.mid by b: onset F1 0.571", "y.mid by b: onset F1 0.889",
        "y.mid by a: onset F1 0.000",
    ]  # fmt: skip
    assert sum("<audio" in getattr(output, "data", "") for output in shown) == 5  # silence has no player


def test_pieces_that_cannot_be_shown_are_told_of_once(tmp_path: Path, shown: list) -> None:
    for name, f1 in {"a": 0.9, "b": 0.5}.items():
        write_report(write_run(tmp_path / name), [row(f"<{i}>", f1) for i in range(3)])
    show_won_and_lost(compared(tmp_path, "a", "b"))
    told = [output.data for output in shown]
    assert told[0] == "<p>There is no piece that b heard better than a.</p>"
    assert len(told) == 2
    assert "a kept no transcriptions" in told[1]
