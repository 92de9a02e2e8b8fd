"""Chapters to one HTML page: nbconvert turns cells into HTML, a template of ours puts a page around them."""

from __future__ import annotations

import base64
import functools
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_lib.files import atomic_write
from s2s_lib.pipeline.export.arrange import Chapter, Heading, chapter, headings
from s2s_lib.pipeline.export.failure import ANCHOR

if TYPE_CHECKING:
    from nbformat import NotebookNode

HERE = Path(__file__).parent
LIGHT_CODE, DARK_CODE = "default", "github-dark"  # Pygments' styles


@dataclass(frozen=True)
class Part:
    """A chapter as HTML."""

    name: str
    title: str
    summary: str
    body: str
    provenance: str
    headings: list[Heading]
    provenance_headings: list[Heading]
    failure: str | None


def export_html(notebook: Path, title: str) -> Path:
    """Writes an executed notebook beside itself as one HTML file: summary, contents, results, code in folds.

    One that failed says so at the top. Links to the notebook's siblings lead to their pages.
    """
    import nbformat

    content = nbformat.read(notebook, as_version=4)
    target = notebook.with_suffix(".html")
    atomic_write(target, chapter_page(chapter(content, "part", lambda name: f"{name}.html"), title))
    return target


def chapter_page(told: Chapter, title: str) -> str:
    """A page of one chapter."""
    part = _part(told, 0, True)
    return _shell(title=title, heading=told.title, parts=[part], notices=(), single=True)


def run_page(chapters: Sequence[Chapter], title: str, notices: Sequence[str] = (), code: bool = True) -> str:
    """A page of several chapters: their summaries, the contents, the chapters, and where all that comes from.

    notices: sentences on what is missing, shown at the top; without `code` there are no folds, as for print.
    """
    parts = [_part(told, 1, code) for told in _without_repeats(chapters)]
    return _shell(title=title, heading=title, parts=parts, notices=notices, single=False)


def _without_repeats(chapters: Sequence[Chapter]) -> list[Chapter]:
    """The chapters; of what their settings and provenance say alike, the first to say it keeps it."""
    told, seen = [], set()
    for chapter_ in chapters:
        kept = []
        for cell in chapter_.provenance:
            outputs = [output for output in cell.get("outputs", ()) if str(output.get("data", output)) not in seen]
            if outputs or cell.source not in seen:
                kept.append(_changed(cell, outputs=outputs) if cell.cell_type == "code" else cell)
            seen |= {cell.source, *(str(output.get("data", output)) for output in outputs)}
        told.append(replace(chapter_, provenance=kept))
    return told


def _part(told: Chapter, shift: int, code: bool) -> Part:
    summary, body, provenance = (
        _cells_html(_shifted(cells, shift), told, code) for cells in (told.summary, told.body, told.provenance)
    )
    failure = None if told.failure is None else told.failure.sentence
    return Part(
        told.name, told.title, summary, body, provenance, headings(told.body), headings(told.provenance), failure
    )


def _shifted(cells: list[NotebookNode], shift: int) -> list[NotebookNode]:
    """Cells whose headings stand `shift` levels lower."""
    return [_changed(cell, source="#" * shift + cell.source) if cell.metadata.get("anchor") else cell for cell in cells]


def _changed(cell: NotebookNode, **values: Any) -> NotebookNode:
    return type(cell)(cell | values)


def _cells_html(cells: list[NotebookNode], told: Chapter, code: bool) -> str:
    if not cells:
        return ""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=cells, metadata=told.language)
    return _exporter(code).from_notebook_node(notebook)[0]


@functools.cache
def _exporter(code: bool) -> Any:
    from nbconvert import HTMLExporter

    template = (HERE / "cells.html.j2").read_text(encoding="utf-8")
    filters = {"png_width": png_width, "without_ids": without_ids}
    return HTMLExporter(
        raw_template=template, exclude_input=not code, exclude_anchor_links=True, embed_images=True, filters=filters
    )


def _shell(**content: Any) -> str:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((HERE / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(style=style(), failed=ANCHOR, **content)


@functools.cache
def style() -> str:
    """The page's CSS, with colours for code on light and on dark."""
    from pygments.formatters import HtmlFormatter

    light, dark = (
        HtmlFormatter(style=name, nobackground=True).get_style_defs(".highlight") for name in (LIGHT_CODE, DARK_CODE)
    )
    own = (HERE / "page.css").read_text(encoding="utf-8")
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


def png_width(png: str) -> int:
    """Width in pixels of a PNG given as base64: bytes 16-19 of the file (PNG specification, IHDR)."""
    return struct.unpack(">I", base64.b64decode(png[:32])[16:20])[0]


def without_ids(html: str) -> str:
    """Headings without the ids nbconvert gives them, which are not unique; the cells around them have their own."""
    return re.sub(r'(<h[1-6]) id="[^"]*"', r"\1", html)
