"""Names of keys, such as "Eb" or "C#m"."""

from __future__ import annotations

STEPS = "FCGDAEB"  # the natural notes along the line of fifths, from -1 on


def fifths_of(key: str) -> int:
    """The number of sharps (flats negative) in the signature of a key such as "F#m" or "Db"."""
    tonic = key.rstrip("m")
    place = STEPS.index(tonic[0]) - 1 + 7 * (tonic.count("#") - tonic[1:].count("b"))
    return place - 3 if key.endswith("m") else place
