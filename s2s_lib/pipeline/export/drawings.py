"""Drawings inside HTML as pictures: what prints pages does not draw nested SVG, which engraved scores are made of."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s2s_lib.pipeline.export.arrange import Chapter

TAG = re.compile(r"<(/?)svg\b[^>]*>")
SHEET = "#set page(width: auto, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), width: 180mm)"
PPI = 150  # pixels per inch of a picture


def draw(chapter: Chapter) -> Chapter:
    """The chapter, each SVG element in its cells' results replaced by a PNG of it."""
    for cell in (*chapter.summary, *chapter.body, *chapter.provenance):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "<svg" in data.get("text/html", ""):
                data["text/html"] = drawn(data["text/html"])
    return chapter


def drawn(html: str) -> str:
    """HTML with its outermost SVG elements as pictures; one that can't be drawn stays as it is."""
    parts, depth, start, end = [], 0, 0, 0
    for tag in TAG.finditer(html):
        depth += -1 if tag[1] else 1
        if depth == 1 and not tag[1]:
            start = tag.start()
        elif depth == 0:
            parts += [html[end:start], _picture(html[start : tag.end()])]
            end = tag.end()
    return "".join([*parts, html[end:]])


def _picture(svg: str) -> str:
    import typst

    try:
        png = typst.compile(SHEET.encode(), format="png", ppi=PPI, sys_inputs={"svg": svg})
    except typst.TypstError:
        return svg
    return f'<img alt="" style="width:100%" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
