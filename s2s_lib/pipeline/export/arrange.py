"""An executed notebook's cells, sorted by where they stand on a page: summary, body, provenance.

A notebook runs from top to bottom, so its summary is computed last, and its settings come first; a reader wants it the
other way round. Tags of cells say what is what:

    summary        to the top of the page
    provenance     settings, versions: to its end; so are the parameters cells
    lab            of use in JupyterLab alone: left out
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2s_lib.pipeline.export.failure import Failure, find_failure

if TYPE_CHECKING:
    from nbformat import NotebookNode

SUMMARY, LAB = "summary", "lab"
PROVENANCE = frozenset({"provenance", "parameters", "injected-parameters"})
MARKER = "papermill-error-cell-tag"  # papermill's own note that something failed
LINK = re.compile(r"\[([^\]]*)\]\((\w+)\.ipynb\)")  # to another notebook
HEADING = re.compile(r"(#+) +(.+)")
PLAYER = re.compile(r"<figure\b[^>]*>\s*(<figcaption>[^<]*</figcaption>)?\s*<audio\b.*?</audio>\s*</figure>", re.DOTALL)
AUDIO = re.compile(r"<audio\b.*?</audio>", re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A line of the contents."""

    text: str
    anchor: str


@dataclass(frozen=True)
class Chapter:
    """One executed notebook as a page tells it; cells are copies, headings carry their anchor in `metadata.anchor`."""

    name: str
    title: str
    summary: list[NotebookNode]
    body: list[NotebookNode]
    provenance: list[NotebookNode]
    failure: Failure | None
    language: NotebookNode = field(repr=False)  # the notebook's metadata, for nbconvert


def chapter(notebook: NotebookNode, name: str, address: Callable[[str], str | None], audio: bool = True) -> Chapter:
    """Sorts the cells of `notebook`. What comes after a failed cell was not reached and is left out.

    name: begins the anchors, to tell chapters apart; address: where a link to the notebook of that name is to lead,
    None for nowhere. Without `audio` the players are left out.
    """
    failure = find_failure(notebook)
    cells = [_linked(_copy(cell, audio), address) for cell in _reached(notebook, failure)]
    title = name
    if cells and cells[0].cell_type == "markdown" and (first := _heading(cells[0])) and first[0] == 1:
        title, cells[0].source = first[1], cells[0].source.partition("\n")[2].strip()
    parts: dict[str, list[NotebookNode]] = {"summary": [], "body": [], "provenance": []}
    for cell in cells:
        tags = set(cell.metadata.get("tags", ()))
        part = "summary" if SUMMARY in tags else "provenance" if tags & PROVENANCE else "body"
        if cell.cell_type == "code" or cell.source:
            parts[part].append(cell)
    if parts["summary"] and (first := _heading(parts["summary"][0])):
        parts["summary"][0].source = parts["summary"][0].source.partition("\n")[2].strip()  # the page has its own
    _name_anchors(name, [*parts["body"], *parts["provenance"]])
    return Chapter(name, title, **parts, failure=failure, language=notebook.metadata)


def plain_copy(notebook: NotebookNode, audio: bool = True) -> list[NotebookNode]:
    """All cells with their outputs, in the order in which they run; without papermill's notes."""
    return [_copy(cell, audio) for cell in notebook.cells if MARKER not in cell.metadata.get("tags", ())]


def players(notebook: NotebookNode) -> list[str]:
    """The HTML of all players in a notebook's outputs."""
    shown = [
        output.get("data", {}).get("text/html", "") for cell in notebook.cells for output in cell.get("outputs", ())
    ]
    return [found[0] for html in shown for found in AUDIO.finditer(html)]


def _reached(notebook: NotebookNode, failure: Failure | None) -> Iterator[NotebookNode]:
    """The cells of a page: those up to the failed one."""
    for index, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", ())
        if failure is not None and index > failure.index:
            return
        if MARKER not in tags and LAB not in tags and cell.cell_type in ("code", "markdown"):
            yield cell


def _linked(cell: NotebookNode, address: Callable[[str], str | None]) -> NotebookNode:
    def link(found: re.Match[str]) -> str:
        target = address(found[2])
        return f"[{found[1]}]({target})" if target else found[1]

    if cell.cell_type == "markdown":
        cell.source = LINK.sub(link, cell.source)
    return cell


def _copy(cell: NotebookNode, audio: bool) -> NotebookNode:
    cell = copy.deepcopy(cell)
    if not audio:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = AUDIO.sub("", PLAYER.sub("", data["text/html"]))
    return cell


def _heading(cell: NotebookNode) -> tuple[int, str] | None:
    """Level and text of the heading a markdown cell begins with."""
    found = HEADING.match(cell.source) if cell.cell_type == "markdown" else None
    return (len(found[1]), found[2].strip()) if found else None


def headings(cells: list[NotebookNode]) -> list[Heading]:
    """Headings of the second level, in order."""
    found = [(_heading(cell), cell.metadata.get("anchor")) for cell in cells]
    return [Heading(heading[1], anchor) for heading, anchor in found if anchor and heading[0] == 2]


def _name_anchors(name: str, cells: list[NotebookNode]) -> None:
    """Gives every cell that begins with a heading an anchor of its own."""
    used: dict[str, int] = {}
    for cell in cells:
        if heading := _heading(cell):
            slug = f"{name}-{re.sub(r'[^a-z0-9]+', '-', heading[1].lower()).strip('-')}"
            used[slug] = used.get(slug, 0) + 1
            cell.metadata["anchor"] = slug if used[slug] == 1 else f"{slug}-{used[slug]}"
