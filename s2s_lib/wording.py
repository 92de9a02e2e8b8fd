"""Words for a terminal and a page: counts, lists, long names, tables of text."""

from __future__ import annotations

from collections.abc import Sequence

HISSING = ("s", "x", "z", "tch", "sh")  # a noun that ends so has its plural in -es


def counted(number: int, noun: str, grouping: str = "") -> str:
    """'1 piece', '12 pieces', '3 batches'; `grouping` parts thousands, as in '1,200 pieces' with a comma."""
    plural = "es" if noun.endswith(HISSING) else "s"
    return f"{number:{grouping}} {noun}{plural if number != 1 else ''}"


def listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shortened(text: str, longest: int, gap: str = "…") -> str:
    """The text; one that is longer than `longest` loses its middle, and `gap` stands there."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}{gap}{text[-half:]}"


def aligned(rows: Sequence[Sequence[str]], text_columns: int = 1) -> list[str]:
    """A line for each row, columns as wide as they need be: `text_columns` of them to the left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
