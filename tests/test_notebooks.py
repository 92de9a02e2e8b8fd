"""The committed notebooks: thin, clean, prose first, the same parameters in all."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from conftest import ROOT, TINY

from s2s_lib import Config, InputError
from s2s_lib.notebook import notebook_config

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECTIONS = list(Config.model_fields)
LONGEST_CELL = 15


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def parameters_cell(path: Path) -> nbformat.NotebookNode:
    (cell,) = [cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", [])]
    return cell


def parameters(path: Path) -> dict[str, dict]:
    """The assignments of the parameters cell, which are literals."""
    body = ast.parse(parameters_cell(path).source).body
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in body}


def test_there_are_the_stages_and_the_benchmark() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_generate", "02_train", "03_evaluate", "benchmark"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_valid_and_clean(path: Path) -> None:
    nbformat.validate(read(path))
    for cell in code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None
    command = [sys.executable, "-m", "nbstripout", "--verify", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_thin(path: Path) -> None:
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= LONGEST_CELL
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_comes_first(path: Path) -> None:
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    for before, cell in pairwise(cells):
        introduced = before.cell_type == "markdown" or "parameters" in before.metadata.get("tags", [])
        assert cell.cell_type == "markdown" or introduced


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_validated_next(path: Path) -> None:
    cells = code_cells(path)
    assert "parameters" in cells[0].metadata.tags
    assert "notebook_config(" in cells[1].source
    assert list(parameters(path)) == SECTIONS
    for section in SECTIONS:
        assert f"{section}={section}" in cells[1].source
    Config.resolve(parameters(path))


def test_parameters_are_the_same_in_all() -> None:
    assert len({parameters_cell(path).source for path in NOTEBOOKS}) == 1


def test_paths_are_the_projects_in_its_notebooks_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    assert notebook_config(output={"name": "x"}).output.run_dir == ROOT / "runs" / "x"
    monkeypatch.chdir(ROOT)
    assert notebook_config(output={"name": "x"}).output.run_dir == ROOT / "runs" / "x"


def test_paths_are_the_working_folders_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    config = notebook_config(evaluation={"midi": ["bwv846", "a.mid"]})
    assert config.output.run_dir == tmp_path / "runs" / "default"
    assert config.evaluation.midi == ["bwv846", str(tmp_path / "a.mid")]
    assert config.dataset.soundfonts == ["embedded"]


def test_provenance_and_parameters_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    notebook_config(dataset={"samples": 7})
    shown = capsys.readouterr().out
    for word in ("git commit", "torch", "FluidSynth", "GPU", "soundfont embedded", "processor"):
        assert word in shown


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(InputError, match=r"notebook parameters: unknown key 'dataset\.sampels'"):
        notebook_config(dataset={"sampels": 7})


def test_papermill_runs_a_notebook_without_our_command(tmp_path: Path) -> None:
    """As `papermill notebooks/01_generate.ipynb out.ipynb -f FILE` does from the project's folder."""
    given = yaml.safe_load(TINY.read_text()) | {"output": {"output_dir": str(tmp_path), "name": "by-hand"}}
    (tmp_path / "given.yaml").write_text(yaml.safe_dump(given))
    target = tmp_path / "out.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "notebooks/01_generate.ipynb", target, "-f", tmp_path / "given.yaml",
         "-k", "python3", "--no-progress-bar"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "by-hand" / "data" / "train_manifest.json").is_file()
    injected = [cell for cell in read(target).cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert len(injected) == 1


def test_papermill_refuses_an_unknown_key(tmp_path: Path) -> None:
    given = {"dataset": {"sampels": 3}, "output": {"output_dir": str(tmp_path / "runs")}}
    with pytest.raises(papermill.PapermillExecutionError, match=r"unknown key 'dataset\.sampels'"):
        papermill.execute_notebook(
            str(NOTEBOOKS[0]), str(tmp_path / "out.ipynb"), given, kernel_name="python3", progress_bar=False
        )
    assert not (tmp_path / "runs").exists()
