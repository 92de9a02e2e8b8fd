"""What all figures and tables share: colours, axes, pictures that a notebook shows by themselves."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from s2s_lib.wording import aligned

# Okabe and Ito's colours, told apart with any kind of colour vision
BLUE, SKY, ORANGE, VERMILION, GREEN, PINK = "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#009E73", "#CC79A7"
GREY, LIGHT = "#666666", "#DDDDDD"
PALETTE = (BLUE, ORANGE, GREEN, PINK, VERMILION, SKY)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")  # the second sign beside colour, also seen in grey print
DPI, COLOURS = 110, 256
NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


class Picture(Figure):
    """A matplotlib Figure that Jupyter shows as PNG with `alt` as its alternative text; pyplot never sees it."""

    def __init__(self, width: float, height: float, alt: str):
        super().__init__(figsize=(width, height), dpi=DPI, layout="constrained")
        self.alt = alt

    def __repr__(self) -> str:
        return f"<Picture: {self.alt}>"

    def png(self) -> bytes:
        """The picture as PNG bytes; the same picture gives the same bytes.

        Its colours are brought down to 256, the best for this picture, which no eye tells apart in a figure and which
        makes the file two to three times smaller.
        """
        drawn, packed = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", pil_kwargs={"compress_level": 1})
        colours = Image.open(drawn).convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        text = PngInfo()
        text.add_itxt("Description", self.alt)
        colours.save(packed, format="png", optimize=True, pnginfo=text)
        return packed.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.png(), {"alt": self.alt}

    def _repr_html_(self) -> None:
        return None  # Figure's own is for interactive backends


@dataclass(frozen=True)
class Table:
    """A small table with a caption that says units and conventions; HTML in a notebook, plain text elsewhere."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    text_columns: int = 1  # so many columns on the left hold text, not numbers

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="{self._look(i)};font-weight:bold">{html.escape(column)}</th>'
            for i, column in enumerate(self.columns)
        )
        body = "".join(
            f'<tr><th scope="row" style="{self._look(0)};font-weight:normal">{html.escape(shown(row[0]))}</th>'
            + "".join(f'<td style="{self._look(i)}">{html.escape(shown(row[i]))}</td>' for i in range(1, len(row)))
            + "</tr>"
            for row in self.rows
        )
        caption = f'<caption style="text-align:left;caption-side:top">{html.escape(self.caption)}</caption>'
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _look(self, column: int) -> str:
        align = "left" if column < self.text_columns else "right"
        return f"text-align:{align};padding:0.25em 0.8em;font-variant-numeric:tabular-nums"

    def __repr__(self) -> str:
        cells = [list(self.columns), *([shown(value) for value in row] for row in self.rows)]
        return "\n".join([*([self.caption] if self.caption else []), *aligned(cells, self.text_columns)])


def shown(value: Any) -> str:
    """A value as a table shows it: three digits after the point, a dash where nothing was measured."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def pitch_name(pitch: float) -> str:
    """'C4' for 60, middle C."""
    return f"{NAMES[int(pitch) % 12]}{int(pitch) // 12 - 1}"


def pitch_axis(ax: Axes, low: int, high: int, vertical: bool = True) -> None:
    """Limits an axis to the keys low-high (MIDI) and names every C on it, or every key where few are shown."""
    every = [p for p in range(low, high + 1) if p % 12 == 0 or high - low < 12]
    axis = ax.yaxis if vertical else ax.xaxis
    axis.set_major_locator(FixedLocator(every))
    axis.set_major_formatter(FuncFormatter(lambda value, _: pitch_name(round(value))))
    (ax.set_ylim if vertical else ax.set_xlim)(low - 0.5, high + 0.5)


def plain(ax: Axes, title: str = "", x: str = "", y: str = "") -> Axes:
    """Title, labels with units, a faint grid, no box."""
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.grid(color=LIGHT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def histogram(ax: Axes, values: Sequence[float] | np.ndarray, bins: Any, color: str = BLUE, **style: Any) -> None:
    """Histogram, or 'no data' where there is nothing to count."""
    if len(values):
        ax.hist(values, bins=bins, color=color, edgecolor="white", linewidth=0.4, **style)
    else:
        nothing(ax)


def nothing(ax: Axes, text: str = "no data") -> None:
    """Says in the middle of an axes that there is nothing to see, without ticks that would mean nothing."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY, fontsize=10)
    ax.tick_params(length=0, labelbottom=False, labelleft=False)  # no axis that others share loses its own
    ax.grid(visible=False)
