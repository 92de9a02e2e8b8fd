"""What `s2s soundfonts` prints."""

from __future__ import annotations

from collections.abc import Sequence

from s2s_lib.soundfonts import Soundfont, Unusable, survey
from s2s_lib.wording import counted


def soundfonts_listing(names: Sequence[str]) -> str:
    """A paragraph for each soundfont that `names` stand for: file, size, piano presets, licence, hash."""
    found = survey(names)
    usable = sum(isinstance(font, Soundfont) for font in found)
    count = f"{counted(usable, 'soundfont')} with a piano"
    if usable < len(found):
        count += f", {len(found) - usable} of no use"
    return "\n\n".join([*map(_paragraph, found), count])


def _paragraph(font: Soundfont | Unusable) -> str:
    if isinstance(font, Unusable):
        return f"{font.path}\n  of no use: {font.reason}"
    presets = ", ".join(f"{preset.program} {preset.name}" for preset in font.pianos)
    return (
        f"{font.path}  ({font.size / 1e6:.1f} MB)\n"
        f"  pianos   {presets}\n"
        f"  licence  {font.licence or 'not stated in the file'}\n"
        f"  SHA-256  {font.sha256}"
    )
