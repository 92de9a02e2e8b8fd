"""The pianos of a dataset, and those that are held out."""

from __future__ import annotations

from s2s_lib.config import Config
from s2s_lib.report.style import Table
from s2s_lib.soundfonts import Soundfont, Unusable, split_soundfonts, survey


def pianos_in_use(config: Config) -> Table:
    """Every soundfont of the config: its piano presets, licence, size and hash, and which splits hear it.

    Modelled pianos are one row; files of a folder that are left out stand last, with the reason.
    """
    dataset = config.dataset
    heard, held_out = split_soundfonts(dataset.soundfonts, dataset.test_soundfonts)
    rows: list[tuple[str | None, ...]] = [
        _row(font, "train, val" if held_out else "train, val, test") for font in heard
    ]
    rows += [_row(font, "test alone: held out") for font in held_out]
    piano = dataset.piano
    caption = "One soundfont is drawn for each piece, then one of its piano presets by the weights of dataset.piano."
    if piano.modelled_pianos:
        count = f"{piano.modelled_pianos} modelled piano{'s' * (piano.modelled_pianos > 1)}"
        rows.append((count, "train", "of the string model", None, None, None))
        caption += f" {piano.modelled_probability:.0%} of the training pieces are played on a modelled piano instead."
    names = [*dataset.soundfonts, *dataset.test_soundfonts]
    left_out = [font for font in survey(names) if isinstance(font, Unusable)]
    rows += [(font.path.name, f"left out: {font.reason}", None, None, None, None) for font in left_out]
    columns = ("soundfont", "heard in", "piano presets", "licence", "MB", "SHA-256")
    return Table(columns, rows, caption, text_columns=4)


def _row(font: Soundfont, splits: str) -> tuple[str | None, ...]:
    presets = ", ".join(f"{preset.program} {preset.name}" for preset in font.pianos)
    return font.name, splits, presets, font.licence or "not stated", f"{font.size / 1e6:.1f}", f"{font.sha256[:16]}…"
