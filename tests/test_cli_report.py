"""`s2s report`: one file of a run's stages, what it says of a run that is not whole, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from conftest import Outcome
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from s2s_lib import RunResult

STAGES = {"generate": "01_generate", "train": "02_train", "evaluate": "03_evaluate"}
SOUND = '<figure><figcaption>a sound</figcaption><audio src="data:audio/mpeg;base64,AAAA"></audio></figure>'


def notebook(stage: str, summary: bool = True, error: bool = False) -> nbformat.NotebookNode:
    """A stage's executed notebook in small."""
    html = new_output("execute_result", {"text/html": f"<p>result of {stage}</p>{SOUND}", "text/plain": "x"})
    broken = new_output("error", ename="ValueError", evalue="no ink", traceback=["no ink"])
    cells = [
        new_markdown_cell(f"# Title of {stage}\n\nNext: [02_train](02_train.ipynb)"),
        new_markdown_cell("## Settings", metadata={"tags": ["provenance"]}),
        new_code_cell("knob = 1", metadata={"tags": ["parameters"]}),
        new_markdown_cell("## Work"),
        new_code_cell("work()", execution_count=3, outputs=[broken if error else html]),
    ]
    if summary:
        told = new_output("execute_result", {"text/html": f"<p>summary of {stage}</p>", "text/plain": "x"})
        cells.append(new_code_cell("tell()", metadata={"tags": ["summary"]}, outputs=[] if error else [told]))
    kernel = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run of these stages under runs/toy: status by stage, and whether its notebook is of this version."""

    def make(summary: bool = True, **statuses: str) -> Path:
        folder = tmp_path / "runs" / "toy"
        folder.mkdir(parents=True)
        state = {stage: {"status": status, "inputs": {}} for stage, status in statuses.items()}
        (folder / "state.json").write_text(json.dumps(state))
        for stage, status in statuses.items():
            if status != "imported":
                nbformat.write(notebook(stage, summary, status == "failed"), folder / f"{STAGES[stage]}.ipynb")
        return folder

    return make


def done(run: Callable[..., Path]) -> Path:
    return run(generate="done", train="done", evaluate="done")


def test_one_page_of_all_stages_summaries_first(run: Callable[..., Path], s2s: Callable[..., Outcome]) -> None:
    done(run)
    outcome = s2s("report", "toy", "-o", "out/all.html")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "out/all.html  (0.0 MB)\n"
    page = Path("out/all.html").read_text()
    words = [f"summary of {stage}" for stage in STAGES]
    words += ["Contents", *(f"result of {stage}" for stage in STAGES), ">Settings</h3>"]
    places = [page.index(word) for word in words]
    assert places == sorted(places)
    assert page.count(">Settings</h3>") == 1  # what all stages say alike is said once
    assert '<a href="#train">02_train</a>' in page
    assert "<title>Run toy</title>" in page
    assert page.count("<audio") == 3


def test_notebook_of_all_stages_is_in_the_order_of_running(
    run: Callable[..., Path], s2s: Callable[..., Outcome]
) -> None:
    done(run)
    outcome = s2s("report", "runs/toy", "--format", "ipynb,html", "--no-audio")
    assert outcome.code == 0, outcome.err
    whole = nbformat.read("toy.ipynb", as_version=4)
    nbformat.validate(whole)
    titles = [cell.source.split("\n")[0] for cell in whole.cells if cell.source.startswith("# ")]
    assert titles == ["# Run toy", *(f"# Title of {stage}" for stage in STAGES)]
    assert len({cell.id for cell in whole.cells}) == len(whole.cells)
    assert "result of evaluate" in str(whole)
    for text in (str(whole), Path("toy.html").read_text()):
        assert "<audio" not in text
        assert "a sound" not in text
    assert "The sounds are left out." in Path("toy.html").read_text()


def test_pdf_holds_all_stages(run: Callable[..., Path], s2s: Callable[..., Outcome]) -> None:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("needs weasyprint and Pango")
    done(run)
    outcome = s2s("report", "toy", "-o", "all.pdf")
    assert outcome.code == 0, outcome.err
    content = Path("all.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(content) > 5000


@pytest.mark.parametrize("error", [ImportError, OSError])
def test_pdf_without_its_library_is_refused(
    run: Callable[..., Path], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise error("gone")

    done(run)
    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    sentence = refused("report", "toy", "--format", "html,pdf")
    assert ("pip install" if error is ImportError else "Pango") in sentence


def test_a_run_that_is_not_whole_is_reported_as_far_as_it_came(
    run: Callable[..., Path], s2s: Callable[..., Outcome]
) -> None:
    run(generate="outdated", train="failed")
    outcome = s2s("report", "toy")
    assert outcome.code == 0
    sentences = [
        "generate is outdated: an earlier stage was done again after it.",
        "train failed.",
        "evaluate is missing: it has not been run.",
    ]
    assert outcome.err == "".join(f"s2s: {sentence}\n" for sentence in sentences)
    page = Path("toy.html").read_text()
    for sentence in (*sentences, "Title of train: failed", "under “Work”: ValueError: no ink"):
        assert page.index(sentence) < page.index("Contents")
    assert "summary of generate" in page


def test_a_stage_without_a_notebook_and_a_damaged_one_are_told(
    run: Callable[..., Path], s2s: Callable[..., Outcome]
) -> None:
    folder = run(generate="imported", train="done", evaluate="done")
    state = json.loads((folder / "state.json").read_text())
    state["generate"]["status"] = "done"
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "02_train.ipynb").write_text('{"cells": [')
    outcome = s2s("report", "toy")
    assert outcome.code == 0
    assert "generate is missing: there is no 01_generate.ipynb." in outcome.err
    assert "02_train.ipynb: is truncated or damaged, so train is missing." in outcome.err
    assert "result of evaluate" in Path("toy.html").read_text()


def test_a_run_of_an_older_version_is_reported_and_told(run: Callable[..., Path], s2s: Callable[..., Outcome]) -> None:
    run(summary=False, generate="done", train="done", evaluate="done")
    outcome = s2s("report", "toy")
    assert outcome.code == 0
    assert outcome.err == (
        "s2s: generate, train and evaluate: made by an earlier version, whose notebooks have no summary.\n"
    )
    assert "result of train" in Path("toy.html").read_text()


def test_nothing_is_overwritten_unless_forced(run: Callable[..., Path], refused: Callable[..., str], s2s) -> None:
    done(run)
    Path("toy.html").write_text("precious")
    assert "toy.html: is there already; add --force" in refused("report", "toy", "--format", "ipynb,html")
    assert Path("toy.html").read_text() == "precious"
    assert s2s("report", "toy", "--force").code == 0
    assert "result of train" in Path("toy.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "runs/nowhere: there is no such run."),
        (["empty"], "empty: is no run, since it holds neither"),
        (["toy", "--format", "docx"], "--format docx: choose among html, ipynb, pdf."),
        (["toy", "--format", ","], "--format: names no format"),
        (["toy", "-o", "empty.html"], "empty.html: is a folder"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    run: Callable[..., Path], refused: Callable[..., str], arguments: list[str], sentence: str
) -> None:
    done(run)
    Path("empty").mkdir()
    Path("empty.html").mkdir()
    assert sentence in refused("report", *arguments)


def test_a_run_that_has_not_begun_is_refused(run: Callable[..., Path], refused: Callable[..., str]) -> None:
    run()
    assert "no stage of this run has left a notebook" in refused("report", "toy", code=1)


def test_a_real_run_fits_into_one_page(chain: RunResult, s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = s2s("report", "tiny", "--output-dir", str(chain.run_dir.parent), "-o", "all")
    assert (outcome.code, outcome.err) == (0, "")
    page = (tmp_path / "all.html").read_text()
    assert len(page.encode()) < 5_000_000
    assert 'alt="figure"' not in page
    shutil.copytree(chain.run_dir, tmp_path / "moved")
    assert s2s("report", str(tmp_path / "moved"), "--no-audio").code == 0
    assert (tmp_path / "moved.html").stat().st_size < len(page.encode())


@pytest.mark.parametrize(
    ("large", "no_audio", "says"),
    [
        ("player", False, "toy.html: is larger than 0 MB, 0.1 MB of which are sounds; leave them out with --no-audio."),
        ("player", True, None),
        ("prose", False, "the page that each stage left in runs/toy is smaller"),
        ("prose", True, "toy.html: is larger than 0 MB; the page that each stage left"),
    ],
)
def test_a_file_too_large_names_the_way_out(
    run: Callable[..., Path], s2s: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch,
    large: str, no_audio: bool, says: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr("s2s_lib.pipeline.share.LARGEST", 100_000)
    path = done(run) / "02_train.ipynb"
    told = nbformat.read(path, as_version=4)
    more = SOUND.replace("AAAA", "A" * 130_000) if large == "player" else "<p>" + "word " * 50_000 + "</p>"
    told.cells[4].outputs[0].data["text/html"] += more
    nbformat.write(told, path)
    outcome = s2s("report", "toy", *(["--no-audio"] if no_audio else []))
    assert outcome.code == 0, outcome.err
    assert (says in outcome.err) if says else (outcome.err == "")
