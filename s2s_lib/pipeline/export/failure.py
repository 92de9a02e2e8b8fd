"""Whether an executed notebook failed: what, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

ANCHOR = "failed"
UNFINISHED = ("running", "failed")  # papermill's words for a cell that began and did not end well


@dataclass(frozen=True)
class Failure:
    """A cell that did not end well: its place in the notebook, its number, the heading it stands under, the reason."""

    index: int
    number: int | None
    section: str
    reason: str

    @property
    def sentence(self) -> str:
        """Where and why, for a reader."""
        cell = f"cell [{self.number}]" if self.number else "a cell"
        return f"{cell}, under “{self.section}”: {self.reason}" if self.section else f"{cell}: {self.reason}"


def find_failure(notebook: NotebookNode) -> Failure | None:
    """The first cell with an error, else the one that papermill began and did not finish; None if all went well."""
    section, unfinished = "", None
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (found := re.match(r"#+ +(.+)", cell.source)):
            section = found[1].strip()
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                return Failure(index, cell.get("execution_count"), section, reason(output.ename, output.evalue))
        if unfinished is None and cell.metadata.get("papermill", {}).get("status") in UNFINISHED:
            told = "was still running when this was written, or its process died, perhaps for lack of memory."
            unfinished = Failure(index, cell.get("execution_count"), section, told)
    return unfinished


def reason(ename: str, evalue: str) -> str:
    """An exception in one line; our own InputError says all by itself."""
    text = str(evalue).strip().replace("\n", " ")
    return text if ename == "InputError" else f"{ename}: {text}"
