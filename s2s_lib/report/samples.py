"""A single piece of a dataset: what was played, its score, and its sound."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from IPython.display import HTML

from s2s_lib.data import read_piece
from s2s_lib.report.style import GREY
from s2s_lib.score import Engraving, musicxml

if TYPE_CHECKING:
    from s2s_lib.data import Sample

WIDTH_MM, HEIGHTS_MM = 230.0, (62.0, 100.0)  # paper for one system of two staves, or for two


def score_excerpt(sample: Sample) -> HTML | None:
    """How the score that a piece was composed with begins; None where there is none.

    Raises InputError where the engraver is not installed.
    """
    piece = read_piece(sample)
    if piece is None:
        return None
    source = musicxml(piece, "")
    engraving = Engraving(source, WIDTH_MM, HEIGHTS_MM[0])
    if engraving.pages > 1:
        engraving = Engraving(source, WIDTH_MM, HEIGHTS_MM[1])
    svg = engraving.svg(1)
    part = "its score" if engraving.pages == 1 else "how its score begins"
    text = html.escape(f"{sample.id}: {part}", quote=True)
    look = f"background:white;color:black;border:1px solid {GREY};max-width:62em;overflow-x:auto"
    page = f'<div style="min-width:40em">{svg[svg.index("<svg") :]}</div>'  # a narrow screen scrolls
    return HTML(
        f'<figure style="margin:0.5em 0"><figcaption>{text}</figcaption>'
        f'<div style="{look}" role="img" aria-label="{text}">{page}</div></figure>'
    )
