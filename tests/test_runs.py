"""Runs found on disk, whole or not, listed and removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import Outcome
from runs_on_disk import row, write_report, write_run
from small import small_config

from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.pipeline.stages import RunState
from s2s_lib.runs import choose_runs, find_runs, open_run, read_state


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def edit_yaml(path: Path, section: str, **keys: object) -> None:
    content = yaml.safe_load(path.read_text())
    content[section] |= keys
    path.write_text(yaml.safe_dump(content))


def test_a_run_is_what_its_folder_says(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", {"x": 0.9, "y": 0.7}, training={"learning_rate": 0.5})
    write_report(folder, [row("x", 0.9), row("y", 0.7), row("mine.mid", 0.1, source="midi")])
    run = open_run(folder)
    assert (run.name, run.state, run.faults) == ("a", "evaluated", ())
    assert run.parameters["training.learning_rate"] == run.config.training.learning_rate == 0.5
    assert run.mean("onset") == (pytest.approx(0.8), 2)  # of the test split
    assert run.mean("onset_offset_pedal") == (None, 0)
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2, 3]
    assert run.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_folder_that_was_moved_is_where_it_is(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", {"x": 0.9}).rename(tmp_path / "b")
    assert open_run(tmp_path / "b").config.output.run_dir == tmp_path / "b"


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("state.json", "{", "is no record of a run's stages."),
        ("state.json", '{"train": 3}', "is no record of a run's stages."),
        ("parameters.yaml", "a: [", "not valid YAML"),
        ("parameters.yaml", "model: 3", "(model); defaults stand in for it."),
        ("training_history.json", '{"epochs": [3]}', "is no training history that this version can read."),
        ("training_history.json", "[]", "is no training history that this version can read."),
        ("results/evaluation_report.json", '{"samples', "is truncated or damaged."),
        ("results/evaluation_report.json", '{"samples": [{"id": "x"}]}', "is no evaluation report that this version"),
        ("results/evaluation_report.json", "[]", "is no evaluation report that this version"),
    ],
)
def test_a_broken_file_costs_one_sentence_and_nothing_else(tmp_path: Path, file: str, content: str, told: str) -> None:
    folder = write_run(tmp_path / "a", {"x": 0.9})
    (folder / file).write_text(content)
    run = open_run(folder)
    (fault,) = run.faults
    assert fault.startswith(f"{folder / file}: ")
    assert told in fault
    assert "\n" not in fault
    whole = [run.stages or file == "state.json", run.pieces or "report" in file, run.epochs or "history" in file]
    assert all(whole)


def test_keys_of_another_version_are_named_and_the_rest_taken(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", {"x": 0.9})
    edit_yaml(folder / "parameters.yaml", "model", hidden_sise=3, num_decoder_layers=2, hidden_size=-1)
    run = open_run(folder)
    assert run.config.model.num_decoder_layers == 2
    (fault,) = run.faults
    assert "model.hidden_sise" in fault
    assert "model.hidden_size" in fault
    assert run.parameters["model.hidden_sise"] == 3


@pytest.mark.parametrize(
    ("stages", "state", "failed"),
    [
        ({"generate": "done"}, "generated", False),
        ({"generate": "done", "train": "done"}, "trained", False),
        ({"generate": "done", "train": "failed"}, "train failed", True),
        ({"generate": "done", "train": "running"}, "train running", False),
        ({"generate": "done", "train": "done", "evaluate": "outdated"}, "evaluate outdated", False),
        ({"generate": "done", "train": "outdated", "evaluate": "outdated"}, "evaluate outdated", False),
        ({}, "not begun", False),
    ],
)
def test_how_far_a_run_came(tmp_path: Path, stages: dict[str, str], state: str, failed: bool) -> None:
    run = open_run(write_run(tmp_path / "a", stages=stages))
    assert (run.state, run.failed) == (state, failed)


def test_a_training_that_a_person_stopped_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", stages={"generate": "done", "train": "done"})
    history = json.loads((folder / "training_history.json").read_text())
    write_json(folder / "training_history.json", history | {"unfinished": {"batches": 3}})
    run = open_run(folder)
    assert (run.state, run.failed, len(run.epochs)) == ("train stopped", False, 3)


def test_a_stage_whose_process_is_gone_is_broken_off(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    with RunState(config.output).attempt("train", {}):
        entry = read_state(config.output.run_dir)["train"]
        assert open_run(config.output.run_dir).state == "train running"
        assert entry["process"] == os.getpid()
    assert "process" not in read_state(config.output.run_dir)["train"]
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    write_json(config.output.run_dir / "state.json", {"train": {**entry, "process": int(gone.stdout)}})
    run = open_run(config.output.run_dir)
    assert (run.state, run.running, run.failed) == ("train broken off", False, True)
    write_json(config.output.run_dir / "state.json", {"train": {**entry, "host": "elsewhere", "process": 1}})
    assert open_run(config.output.run_dir).running


def test_only_runs_are_found_and_what_is_none_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "b", {"x": 0.9})
    write_run(tmp_path / "a")
    write_run(tmp_path / "c").rename(tmp_path / ".c-removed-1")
    (tmp_path / "empty").mkdir()
    assert [run.name for run in find_runs(tmp_path)] == ["a", "b"]
    assert find_runs(tmp_path / "nowhere") == []
    runs, sentences = choose_runs(["b", "empty", "nowhere", str(tmp_path / "b")], tmp_path)
    assert [run.name for run in runs] == ["b"]
    assert sentences == [
        f"{tmp_path / 'empty'}: is no run, since it holds neither parameters.yaml nor state.json.",
        f"{tmp_path / 'nowhere'}: there is no such run.",
        f"{tmp_path / 'b'}: is named twice and counts once.",
    ]
    with pytest.raises(InputError, match="is no run"):
        open_run(tmp_path / "empty")


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / place / "same") for place in ("one/runs", "two/runs")] + [write_run(tmp_path / "a")]
    runs, _ = choose_runs([str(folder) for folder in folders], tmp_path)
    assert [run.label for run in runs] == ["one/runs/same", "two/runs/same", "a"]


def test_runs_are_listed_with_state_scores_age_and_size(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "good", {"x": 0.9, "y": 0.8})
    write_run(tmp_path / "runs" / "bad", stages={"generate": "done", "train": "failed"})
    (tmp_path / "runs" / "bad" / "training_history.json").write_text("{")
    os.utime(tmp_path / "runs" / "good" / "parameters.yaml", (1, 1))
    outcome = s2s("runs")
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[1][:6] == ["bad", "train", "failed", "–", "–", "–"]
    assert lines[2][:5] == ["good", "evaluated", "0.850", "0.425", "2"]
    assert lines[2][5:7] == ["now", lines[2][6]]
    assert "training_history.json: is truncated or damaged." in outcome.err
    assert [line.split()[0] for line in s2s("runs", "--failed").out.splitlines()] == ["run", "bad"]
    assert [line.split()[0] for line in s2s("runs", "runs/good").out.splitlines()] == ["run", "good"]
    assert s2s("runs", "--output-dir", "runs/good/results").out == "runs/good/results: no such runs\n"


def test_prune_removes_what_is_named_and_nothing_else(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    outside = tmp_path / "recordings"
    outside.mkdir()
    (outside / "take.wav").write_text("sound")
    (tmp_path / "runs" / "no-run").mkdir(parents=True)
    for name in ("a", "b", "ab"):
        write_run(tmp_path / "runs" / name, {"x": 0.9}, output={"data_dir": str(tmp_path / "recordings")})
    (tmp_path / "runs" / "a" / "link").symlink_to(outside)
    (tmp_path / "runs" / "a" / "parent").symlink_to(tmp_path / "runs")
    before = tree(tmp_path)
    outcome = s2s("runs", "--prune", "a", "--yes")
    assert outcome.code == 0, outcome.err
    assert "removed" in outcome.out
    assert set(before) - set(tree(tmp_path)) == {name for name in before if name == "runs/a" or name[:7] == "runs/a/"}
    assert set(tree(tmp_path)) <= set(before)


def test_prune_failed_leaves_the_others(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "good", {"x": 0.9})
    for name in ("bad", "worse"):
        write_run(tmp_path / "runs" / name, stages={"generate": "failed"})
    assert s2s("runs", "--prune", "--failed", "good", "bad", "--yes").code == 0
    assert [run.name for run in find_runs(tmp_path / "runs")] == ["good", "worse"]
    assert s2s("runs", "--prune", "--failed", "--yes").code == 0
    assert [run.name for run in find_runs(tmp_path / "runs")] == ["good"]
    assert s2s("runs", "--prune", "--failed", "--yes").out == "runs: nothing to remove\n"


def nested(runs: Path) -> None:
    write_run(runs / "a")
    write_run(runs / "a" / "trials" / "1")


def data_of_another(runs: Path) -> None:
    write_run(runs / "a")
    write_run(runs / "b", output={"data_dir": str(runs / "a" / "data")})


def linked(runs: Path) -> None:
    write_run(runs.parent / "elsewhere" / "a")
    runs.mkdir()
    (runs / "a").symlink_to(runs.parent / "elsewhere" / "a")


@pytest.mark.parametrize(
    ("prepare", "arguments", "sentence"),
    [
        (lambda runs: write_run(runs / "a"), ("a",), "nothing is removed without --yes"),
        (lambda runs: write_run(runs / "a"), (), "--prune: name the runs to remove, or add --failed"),
        (lambda runs: write_run(runs / "a"), ("--yes", "a", "nowhere"), "nowhere: there is no such run"),
        (lambda runs: (write_run(runs / "a"), (runs / "b").mkdir()), ("--yes", "a", "b"), "b: is no run"),
        (lambda runs: write_run(runs / "a", stages={"train": "running"}), ("--yes", "a"), "is running (train running)"),
        (nested, ("--yes", "a"), "a/trials/1 among them"),
        (data_of_another, ("--yes", "a"), "the output.data_dir of run b, which is to stay"),
        (linked, ("--yes", "a"), "is a link to "),
        (lambda runs: (write_run(runs / "a"), write_run(runs.parent / "b")), ("--yes", "a", "./b"), "lies elsewhere"),
    ],
)
def test_prune_refuses_and_then_removes_nothing_at_all(
    s2s: Callable[..., Outcome], tmp_path: Path, prepare: Callable, arguments: tuple[str, ...], sentence: str
) -> None:
    prepare(tmp_path / "runs")
    before = tree(tmp_path)
    outcome = s2s("runs", "--prune", *arguments)
    assert outcome.code == 2, outcome
    assert sentence in outcome.err
    assert tree(tmp_path) == before


def test_a_dataset_goes_with_the_last_run_that_uses_it(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    data_of_another(tmp_path / "runs")
    assert s2s("runs", "--prune", "a", "b", "--yes").code == 0
    assert tree(tmp_path / "runs") == []


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("", 1), ("no", 1)])
def test_prune_asks_where_somebody_is_there(
    s2s: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    write_run(tmp_path / "runs" / "a")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert s2s("runs", "--prune", "a").code == 0
    assert len(find_runs(tmp_path / "runs")) == left
