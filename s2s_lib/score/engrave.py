"""MusicXML to engraved pages: Verovio (https://www.verovio.org) draws them, Typst makes pictures and PDF of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from s2s_lib.errors import InputError
from s2s_lib.score.outlines import plain_text

A4_MM = (210.0, 297.0)
MM_PER_INCH = 25.4
STAFF_SCALE = 88  # percent of Verovio's staff of 7.2 mm
OPTIONS = {
    "mmOutput": True, "svgViewBox": True, "scaleToPageSize": True, "scale": STAFF_SCALE, "xmlIdSeed": 1,
    "footer": "none", "justifyVertically": True, "justificationMaxVertical": 0.15, "breaksNoWidow": True,
    "smuflTextFont": "none",
}  # fmt: skip
PAGE = '#set page(width: {width}mm, height: {height}mm, margin: 0mm)\n#set image(width: 100%, format: "svg")\n'


class Engraving:
    """A score as pages, counted from 1. `width_mm` and `height_mm` are the paper's: A4 unless told otherwise.

    Raises InputError for text that is no MusicXML, and where a library is missing.
    """

    def __init__(self, musicxml_text: str, width_mm: float = A4_MM[0], height_mm: float = A4_MM[1]):
        verovio = _library("verovio", "svg")
        verovio.enableLog(verovio.LOG_ERROR)
        self._size_mm = width_mm, height_mm
        self._svgs: dict[int, str] = {}
        self._fonts = Path(verovio.__file__).parent / "data"
        margin = round(min(150.0, width_mm * 0.6))  # tenths of a millimetre, as all of Verovio's page sizes
        margins = {f"pageMargin{side}": margin for side in ("Left", "Right", "Top", "Bottom")}
        # by default only the thread that imported Verovio finds its fonts, and JupyterLab has widgets run in others
        self._toolkit = verovio.toolkit(False)
        self._toolkit.setResourcePath(str(self._fonts))
        self._toolkit.setOptions(
            {**OPTIONS, **margins, "pageWidth": round(width_mm * 10), "pageHeight": round(height_mm * 10)}
        )
        if not self._toolkit.loadData(musicxml_text):
            raise InputError("The score can't be engraved: Verovio reads no MusicXML in it.")

    @property
    def pages(self) -> int:
        return self._toolkit.getPageCount()

    def svg(self, page: int) -> str:
        """A page as SVG, which scales with what it stands in; its elements have the ids that `timemap` names.

        It needs no music font: signs within text, such as the note of a tempo, are drawn as outlines.
        """
        if page not in self._svgs:  # SVG, PNG and PDF are made of the same drawing
            self._svgs[page] = plain_text(self._toolkit.renderToSVG(page), self._fonts)
        return self._svgs[page]

    def png(self, page: int, width: int = 1240) -> bytes:
        """A page as a PNG picture, `width` pixels wide."""
        return self._typeset([page], "png", ppi=width / self._size_mm[0] * MM_PER_INCH)

    def pdf(self) -> bytes:
        """All pages as one PDF file."""
        return self._typeset(range(1, self.pages + 1), "pdf")

    def timemap(self) -> list[dict[str, Any]]:
        """What starts and stops when, in order of time.

        Rows have `tstamp` in milliseconds at the score's own tempo, not the performance's, `qstamp` in quarter notes
        from the start of the first bar, and lists `on` and `off` of the ids of notes, where there are any.
        """
        return self._toolkit.renderToTimemap()

    def _typeset(self, pages: Iterable[int], kind: str, **options: Any) -> bytes:
        typst = _library("typst", kind)
        drawings = {str(page): self.svg(page) for page in pages}
        source = PAGE.format(width=self._size_mm[0], height=self._size_mm[1])
        source += "\n#pagebreak()\n".join(f'#image(bytes(sys.inputs.at("{page}")))' for page in drawings)
        return typst.compile(source.encode(), format=kind, sys_inputs=drawings, **options)


def _library(name: str, form: str) -> Any:
    """A library that a format needs; InputError naming both if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise InputError(
            f"The format {form} needs a library that is missing: run 'pip install {name}', or leave {form} out."
        ) from None
