"""The committed notebooks: thin, clean, prose first, the same parameters in all that belong to one run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import papermill
import pytest
import soundfile
import yaml
from conftest import ROOT, TINY

from s2s_lib import Config, InputError
from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.notebook import notebook_config
from s2s_lib.notes import Performance
from s2s_lib.pipeline.export import export_html
from s2s_lib.pipeline.kernel import OwnKernel
from s2s_lib.report import resynthesise

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECTIONS = list(Config.model_fields)
APART = {"04_transcribe", "05_compare", "benchmark"}  # need no run; all others work on what the one before them left
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


def test_there_are_the_stages_the_comparison_and_the_benchmark() -> None:
    names = ["01_generate", "02_train", "03_evaluate", "04_transcribe", "05_compare", "benchmark"]
    assert [path.stem for path in NOTEBOOKS] == names


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
    named = list(parameters(path))
    assert named == [section for section in SECTIONS if section in named]
    (call,) = [node for node in ast.walk(ast.parse(cells[1].source)) if isinstance(node, ast.Call)]
    assert [(keyword.arg, keyword.value.id) for keyword in call.keywords] == [(name, name) for name in named]
    Config.resolve(parameters(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_names_the_sections_it_uses(path: Path) -> None:
    rest = "\n".join(cell.source for cell in code_cells(path)[2:])
    attributes = [node for node in ast.walk(ast.parse(rest)) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "config"}
    assert used <= set(parameters(path))


def test_parameters_are_the_same_in_all_of_a_run() -> None:
    chain = [path for path in NOTEBOOKS if path.stem not in APART]
    assert len({parameters_cell(path).source for path in chain}) == 1
    assert set(SECTIONS) - set(parameters(chain[0])) == {"benchmark", "comparison", "sweep", "transcription"}


def test_paths_are_the_projects_in_its_notebooks_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    assert notebook_config(output={"name": "x"}).output.run_dir == ROOT / "runs" / "x"
    monkeypatch.chdir(ROOT)
    assert notebook_config(output={"name": "x"}).output.run_dir == ROOT / "runs" / "x"


def test_paths_are_the_working_folders_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    transcription = {"audio": "take.flac", "model_path": "released"}
    config = notebook_config(evaluation={"midi": ["bwv846", "a.mid"]}, transcription=transcription)
    assert config.output.run_dir == tmp_path / "runs" / "default"
    assert config.evaluation.midi == ["bwv846", str(tmp_path / "a.mid")]
    assert config.transcription.audio == str(tmp_path / "take.flac")
    assert config.transcription.model_path == "released"
    assert config.dataset.soundfonts == ["embedded"]


def test_provenance_and_parameters_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    notebook_config(dataset={"samples": 7})
    shown = capsys.readouterr().out
    for word in ("git commit", "torch", "FluidSynth", "GPU", "soundfont embedded", "processor"):
        assert word in shown


def test_only_the_sections_named_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = []
    monkeypatch.setattr("s2s_lib.notebook.display", lambda *outputs: displayed.extend(outputs))
    notebook_config(transcription={"time_signature": "3/4"}, output={})
    page = displayed[1].data
    assert "time_signature: 3/4" in page
    assert "output_dir" in page
    assert "dataset:" not in page


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


def test_a_recording_becomes_a_page_with_its_score(tmp_path: Path) -> None:
    """04_transcribe as a batch runs it: nothing to click on needed, and nothing read from a network."""
    music = bwv846().performance
    first = Performance(tuple(note for note in music.notes if note.onset_s < 8), music.pedal)
    soundfile.write(tmp_path / "prelude.flac", resynthesise(first, 16000), 16000)
    given = {"transcription": {"audio": str(tmp_path / "prelude.flac")}, "output": {"output_dir": str(tmp_path)}}
    done = tmp_path / "done.ipynb"
    papermill.execute_notebook(
        str(ROOT / "notebooks/04_transcribe.ipynb"),
        str(done),
        given,
        progress_bar=False,
        kernel_manager_class=OwnKernel,
    )
    page = export_html(done, "prelude").read_text()
    assert page.count('class="s2s-page"') == 1
    assert page.count("<audio") == 2
    assert page.count('class="measure"') > 1
    loaded = re.findall(r'(?:src|xlink:href|data)="([^"]{0,40})', page)
    assert loaded
    assert all(address.startswith(("data:", "#")) for address in loaded)
    files = sorted(path.name for path in (tmp_path / "default" / "results").iterdir())
    assert files == ["prelude.mid", "prelude.musicxml", "prelude.pdf"]
    assert [name for name in files if f'download="{name}"' in page] == files


def test_papermill_refuses_an_unknown_key(tmp_path: Path) -> None:
    given = {"dataset": {"sampels": 3}, "output": {"output_dir": str(tmp_path / "runs")}}
    with pytest.raises(papermill.PapermillExecutionError, match=r"unknown key 'dataset\.sampels'"):
        papermill.execute_notebook(
            str(NOTEBOOKS[0]), str(tmp_path / "out.ipynb"), given, kernel_name="python3", progress_bar=False
        )
    assert not (tmp_path / "runs").exists()
