"""The pianos of a dataset, and those that are held out."""

from __future__ import annotations

from s2s_lib.config import Config
from s2s_lib.report.style import Table
from s2s_lib.soundfonts import Soundfont, split_soundfonts


def pianos_in_use(config: Config) -> Table:
    """Every soundfont of the config: its piano presets, licence, size and hash, and which splits hear it."""
    dataset = config.dataset
    heard, held_out = split_soundfonts(dataset.soundfonts, dataset.test_soundfonts)
    rows = [_row(font, "train, val" if held_out else "train, val, test") for font in heard]
    rows += [_row(font, "test alone: held out") for font in held_out]
    columns = ("soundfont", "heard in", "piano presets", "licence", "MB", "SHA-256")
    caption = "One soundfont is drawn for each piece, then one of its piano presets by the weights of dataset.piano."
    return Table(columns, rows, caption, text_columns=4)


def _row(font: Soundfont, splits: str) -> tuple[object, ...]:
    presets = ", ".join(f"{preset.program} {preset.name}" for preset in font.pianos)
    return font.name, splits, presets, font.licence or "not stated", f"{font.size / 1e6:.1f}", f"{font.sha256[:16]}…"
