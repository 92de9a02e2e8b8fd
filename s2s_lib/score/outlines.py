"""Verovio's SVG for renderers that know neither its text layout nor its music font.

Verovio nests `tspan`s that inherit place and size and sets notes within text in an embedded web font. Here each line
becomes a plain `text` element, and notes in it outlines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
TEXT_FONT = "Libertinus Serif, Times, serif"  # the first comes with Typst, so pages look alike everywhere
MUSIC_FONT = "Leipzig"
EM = 1000  # units of the music font's outlines

Element = ElementTree.Element


@dataclass(frozen=True)
class _Style:
    """What a line of text inherits; `x` and `y` in the drawing's units."""

    x: float = 0.0
    y: float = 0.0
    size: float = 0.0
    anchor: str = "start"
    slant: str = "normal"
    weight: str = "normal"
    family: str = ""

    def within(self, element: Element) -> _Style:
        """The style inside an element."""
        given = {
            "x": element.get("x"), "y": element.get("y"), "size": element.get("font-size"),
            "anchor": element.get("text-anchor"), "slant": element.get("font-style"),
            "weight": element.get("font-weight"), "family": element.get("font-family"),
        }  # fmt: skip
        numbers = {name: float(given.pop(name).removesuffix("px")) for name in ("x", "y", "size") if given[name]}
        return replace(self, **{name: value for name, value in given.items() if value}, **numbers)


def plain_text(svg: str, fonts: Path) -> str:
    """The SVG with its text laid out; `fonts` is Verovio's folder of music fonts."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for i, child in enumerate(list(parent)):
            if child.tag == f"{{{SVG}}}text":
                group = Element(f"{{{SVG}}}g")
                group.extend(_laid_out(child, fonts))
                parent[i] = group
    return _written(root)


def _written(root: Element) -> str:
    """A drawing as text, SVG being its default namespace whatever others registered with ElementTree as theirs."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        for name in [name for name in element.attrib if name.startswith(f"{{{XLINK}}}")]:
            element.set(name.replace(f"{{{XLINK}}}", "xlink:"), element.attrib.pop(name))
    root.set("xmlns", SVG)
    root.set("xmlns:xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _laid_out(text: Element, fonts: Path) -> Iterator[Element]:
    """The elements that draw a text, one after the other on each of its lines."""
    place, x = None, 0.0
    line: Element | None = None
    for style, content in _runs(text, _Style()):
        if (style.x, style.y) != place:
            place, x, line = (style.x, style.y), style.x, None
        if style.family == MUSIC_FONT:
            for sign in content.strip():
                path, advance = _glyph(ord(sign), fonts)
                scale = style.size / EM
                yield Element(
                    f"{{{SVG}}}path", d=path, transform=f"translate({x} {style.y}) scale({scale} {-scale})"
                )  # fmt: skip
                x += advance * scale
            line = None
        elif line is not None:
            line.text += content
        else:
            line = Element(f"{{{SVG}}}text", {
                "x": str(x), "y": str(style.y), "font-size": f"{style.size}px", "text-anchor": style.anchor,
                "font-style": style.slant, "font-weight": style.weight, "font-family": TEXT_FONT,
            })  # fmt: skip
            line.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            line.text = content
            yield line


def _runs(element: Element, style: _Style) -> Iterator[tuple[_Style, str]]:
    """The pieces of text in an element, each with its style; line breaks between elements are none of them."""
    style = style.within(element)
    if element.tag != f"{{{SVG}}}title":
        if element.text and (element.text.strip() or len(element) == 0):
            yield style, element.text
        for child in element:
            yield from _runs(child, style)


@cache
def _glyph(code: int, fonts: Path) -> tuple[str, float]:
    """Outline of a sign of the music font and the way to the next, in its units."""
    glyph = ElementTree.parse(fonts / MUSIC_FONT / f"{code:04X}.xml").getroot()
    boxes = ElementTree.parse(fonts / f"{MUSIC_FONT}.xml").getroot()
    advance = next(float(box.get("h-a-x")) for box in boxes if box.get("c") == f"{code:04X}")
    outline = glyph.find(".//{*}path")  # a space has none
    return "" if outline is None else outline.get("d"), advance
