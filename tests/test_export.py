"""Pages that notebooks become: summary first, code in folds, what failed at the top, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from s2s_lib import Config, RunResult, StageError
from s2s_lib.pipeline.execute import execute_notebook
from s2s_lib.pipeline.export import chapter, export_html
from s2s_lib.pipeline.export.drawings import drawn
from s2s_lib.report import Picture, player

STAGES = {"generate": "01_generate", "train": "02_train", "evaluate": "03_evaluate"}
LOADING = {"src", "href", "data", "poster", "srcset", "action"}
LARGEST = 5_000_000


class Page(HTMLParser):
    """What a page loads without being asked to, its scripts and styles, its pictures and anchors, its text in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.code: list[str] = []
        self.alts: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in ("script", "style") else self._inside
        self.loaded += [value or "" for name, value in attrs if name in LOADING and tag != "a"]
        self.code += [value or "" for name, value in attrs if name == "style"]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href" and tag == "a"]
        if tag == "img":
            self.alts.append(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code.append(data)
        else:
            self.text += data

    def places(self, *words: str) -> list[int]:
        """Where these words stand in the text, for the first time after the one before."""
        found = [0]
        for word in words:
            found.append(self.text.index(word, found[-1]))
        return found[1:]


def image(alt: str) -> Any:
    picture = Picture(3, 2, alt)
    picture.subplots().plot([1, 3, 2])
    data, metadata = base64.b64encode(picture.png()).decode(), {"image/png": {"alt": alt}}
    return new_output("display_data", {"image/png": data, "text/plain": "x"}, metadata=metadata)


def code(source: str, *outputs: Any, tags: tuple[str, ...] = (), number: int = 1) -> Any:
    return new_code_cell(source, execution_count=number, outputs=list(outputs), metadata={"tags": list(tags)})


def html_output(text: str) -> Any:
    return new_output("execute_result", {"text/html": text, "text/plain": "x"})


def prose(text: str, *tags: str) -> Any:
    return new_markdown_cell(text, metadata={"tags": list(tags)})


def toy(*more: Any) -> Any:
    """An executed notebook with a bit of everything; `more` comes before its summary."""
    cells = [
        prose("# A title\n\nHow it begins, see [the next](02_train.ipynb)."),
        prose("## Settings\n\nAbout settings.", "provenance"),
        code("knob = 1", tags=("parameters",)),
        code("config = read(knob)", html_output("<p>versions</p>"), tags=("provenance",)),
        prose("## Music & more"),
        code("draw()", image('a "figure"'), html_output("<table><tr><td>cell</td></tr></table>")),
        prose("## Browsing", "lab"),
        *more,
        prose("## Summary", "summary"),
        code("summarise()", html_output("<p>All went well.</p>"), tags=("summary",)),
    ]
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def failing() -> Any:
    """The toy with a failed cell in it, as papermill leaves it."""
    error = new_output(
        "error", ename="ValueError", evalue="no <ink>", traceback=["\x1b[31mValueError\x1b[0m: no <ink>"]
    )
    marker = prose("<span>An Exception was encountered</span>", "papermill-error-cell-tag")
    notebook = toy(marker, prose("## Writing"), code("write()", error, number=7), prose("## Never\n\nreached"))
    notebook.cells[-1].outputs = []
    return notebook


def page_of(notebook: Any, folder: Path) -> Page:
    nbformat.write(notebook, folder / "toy.ipynb")
    return Page(export_html(folder / "toy.ipynb", "run: toy").read_text())


def test_summary_contents_body_and_provenance_stand_in_this_order(tmp_path: Path) -> None:
    page = page_of(toy(), tmp_path)
    page.places("A title", "All went well.", "Contents", "Music & more", "Settings", "How it begins", "Music & more",
                "draw()", "cell", "About settings", "knob = 1", "config = read", "versions")  # fmt: skip
    assert "Browsing" not in page.text


def test_every_line_of_the_contents_leads_somewhere(tmp_path: Path) -> None:
    page = page_of(toy(), tmp_path)
    inner = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert inner == ["part-music-more", "part-settings"]
    assert set(inner) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "02_train.html" in page.links


def test_code_is_folded_and_figures_keep_their_description(tmp_path: Path) -> None:
    page = page_of(toy(), tmp_path)
    text = (tmp_path / "toy.html").read_text()
    assert page.alts == ['a "figure"']
    assert text.count('<details class="code">') == 4
    assert '<details class="code" open' not in text


def test_page_of_a_failure_begins_with_it_and_ends_there(tmp_path: Path) -> None:
    page = page_of(failing(), tmp_path)
    page.places("A title", "This failed", "cell [7], under “Writing”: ValueError: no <ink>", "Contents", "write()")
    assert "#failed" in page.links
    assert page.ids.count("failed") == 1
    for word in ("reached.", "An Exception was encountered", "\x1b", "All went well"):
        assert (word in page.text) is (word == "reached."), word  # the sentence about it, not the prose


def test_a_cell_that_never_ended_is_a_failure() -> None:
    notebook = toy()
    notebook.cells[5].metadata["papermill"] = {"status": "running"}
    told = chapter(notebook, "toy", lambda name: None)
    assert "was still running" in told.failure.sentence
    assert "under “Music & more”" in told.failure.sentence


def test_links_to_pages_that_are_not_there_are_plain_text() -> None:
    told = chapter(toy(), "toy", {"01_generate": "#x"}.get)
    assert told.body[0].source == "How it begins, see the next."


def test_sounds_can_be_left_out() -> None:
    import numpy as np

    notebook = toy(code("play()", html_output(player(np.zeros(800), 8000, label="a sound").data)))
    for audio in (True, False):
        shown = str(chapter(notebook, "toy", lambda name: None, audio).body)
        assert ("<audio" in shown) is audio
        assert ("a sound" in shown) is audio


def test_drawings_are_pictures_in_print() -> None:
    inner = '<svg viewBox="0 0 10 10"><rect width="10" height="10" fill="red"/></svg>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20">{inner}</svg>'
    shown = drawn(f"<p>a</p>{svg}<p>b</p>{svg}<svg>broken<p>c</p>")
    assert [shown.count(word) for word in ("data:image/png;base64,", inner, "<p>")] == [2, 0, 3]


def test_failed_stage_leaves_a_page_that_says_so(tmp_path: Path) -> None:
    cells = [prose("# Toy"), code("output = {}", tags=("parameters",)), prose("## Inking"), new_code_cell("1 / 0")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), tmp_path / "source.ipynb")
    config = Config.resolve({"output": {"output_dir": str(tmp_path), "name": "toy"}})
    target = tmp_path / "target.ipynb"
    with pytest.raises(StageError, match="division by zero"):
        execute_notebook(tmp_path / "source.ipynb", target, config, "inking", keep=True)
    page = Page((tmp_path / "target-new.html").read_text())
    page.places("Toy", "This failed", "under “Inking”: ZeroDivisionError: division by zero", "Contents")
    assert not target.exists()


# --- the pages of a real run ----------------------------------------------------------------------------------------


@pytest.fixture(params=STAGES)
def real(request: pytest.FixtureRequest, chain: RunResult) -> tuple[str, Path]:
    """A stage of the tiny run and its page."""
    return request.param, chain.reports[request.param]


def test_page_needs_nothing_but_itself(real: tuple[str, Path]) -> None:
    text = real[1].read_text()
    page = Page(text)
    assert page.loaded, "no picture in the page"
    assert {address.partition(":")[0] for address in page.loaded} == {"data"}
    for script in page.code:
        assert not re.search(r"(url\(|@import|import\(|from|fetch\(|\.src\s*=)\s*['\"]?(https?:)?//", script)
    assert "<script src" not in text
    assert len(text.encode()) < LARGEST


def test_page_is_in_order_and_every_figure_is_described(real: tuple[str, Path]) -> None:
    stage, path = real
    text = path.read_text()
    page = Page(text)
    assert f"<title>tiny: {stage}</title>" in text
    page.places("tiny", "Summary", "Contents", "Where this comes from", "git commit", "All parameters")
    assert page.text.rindex("git commit") > page.text.rindex("report.")  # provenance comes last
    assert page.alts
    assert min(map(len, page.alts)) > 10
    assert "No description has been provided" not in text
    own = [name for name in page.ids if name.startswith("part")]
    assert len(own) == len(set(own))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert "Browsing" not in page.text


def test_players_are_in_the_pages(chain: RunResult) -> None:
    for stage in ("generate", "evaluate"):
        assert "<audio" in chain.reports[stage].read_text()


def test_summaries_say_what_was_run_and_the_scores(chain: RunResult) -> None:
    words = {
        "generate": ("of music", "composed and played from seed 42"),
        "train": ("2rounds of learning", "was kept"),
        "evaluate": ("The model of run tiny transcribed", "right key, struck in time (onset)", "No other run in"),
    }
    for stage, expected in words.items():
        page = Page(chain.reports[stage].read_text())
        summary = page.text[: page.text.index("Contents")]
        assert [word for word in expected if word not in summary] == []


@pytest.mark.parametrize("name", ["01_generate", "02_train", "03_evaluate", "04_transcribe"])
def test_notebooks_carry_the_tags_that_order_their_pages(name: str) -> None:
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    tagged = [(cell.cell_type, tag) for cell in cells for tag in cell.metadata.get("tags", ())]
    assert [kind for kind, tag in tagged if tag == "summary"] == ["markdown", "code"]
    assert [kind for kind, tag in tagged if tag == "provenance"] == ["markdown", "markdown", "code"]
