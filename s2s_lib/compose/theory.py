"""Keys, scales and chords, as pitch classes (0 is C) and as ladders of piano keys.

Chords are written as Roman numerals with figured-bass inversions, as in harmony textbooks: "ii65", "V7/vi", "viio7".
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"#": 1, "b": -1, "": 0}
MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
DEGREES = ("i", "ii", "iii", "iv", "v", "vi", "vii")
QUALITIES = {
    "major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6), "dominant7": (0, 4, 7, 10),
    "major7": (0, 4, 7, 11), "minor7": (0, 3, 7, 10), "diminished7": (0, 3, 6, 9), "halfdiminished7": (0, 3, 6, 10),
}  # fmt: skip
INVERSIONS = {"": 0, "6": 1, "64": 2, "7": 0, "65": 1, "43": 2, "42": 3}  # figures -> which chord tone is in the bass
SEVENTHS = ("7", "65", "43", "42")
NUMERAL = re.compile(r"(b?)([ivIV]+)([oø]?)(7|65|43|42|64|6|)(?:/(b?[ivIV]+[oø]?))?$")


@dataclass(frozen=True)
class Key:
    """A key: its tonic's pitch class and its mode."""

    tonic: int
    minor: bool

    @property
    def scale(self) -> tuple[int, ...]:
        return tuple((self.tonic + step) % 12 for step in (MINOR if self.minor else MAJOR))


@dataclass(frozen=True)
class Chord:
    """A chord in a key: tones as pitch classes from the root up, the bass tone, the scale to run over it."""

    numeral: str
    tones: tuple[int, ...]
    bass: int
    scale: tuple[int, ...]


@cache
def parse_key(name: str) -> Key:
    """The key that a spelled name such as "F#m" or "Db" means."""
    letter, accidental = name[0], name[1:].rstrip("m")
    return Key((NATURALS[letter] + ACCIDENTALS[accidental]) % 12, name.endswith("m"))


@cache
def related(key: Key) -> tuple[Key, ...]:
    """The keys that music in `key` goes to most: dominant, subdominant, relative, and the other mode on its tonic."""
    relative = Key((key.tonic + (3 if key.minor else 9)) % 12, not key.minor)
    neighbours = tuple(Key((key.tonic + step) % 12, key.minor) for step in (7, 5))
    return (*neighbours, relative, Key(key.tonic, not key.minor))


@cache
def chord(numeral: str, key: Key) -> Chord:
    """The chord that a Roman numeral means in a key; ValueError for what is no numeral."""
    match = NUMERAL.match(numeral)
    if not match:
        raise ValueError(f"{numeral!r} is not a Roman numeral like 'ii65' or 'V7/vi'")
    flat, name, mark, figures, target = match.groups()
    degree = DEGREES.index(name.lower())
    quality = _quality(name, mark, figures in SEVENTHS, bool(target), flat)
    if target:
        goal_flat, goal_name, goal_mark = NUMERAL.match(target).group(1, 2, 3)
        goal = DEGREES.index(goal_name.lower())
        root = (_root(goal_flat, goal, goal_mark, key) + (11 if mark else 7)) % 12
        degree = (goal + degree) % 7
    else:
        root = _root(flat, degree, mark, key)
    tones = tuple((root + step) % 12 for step in QUALITIES[quality])
    scale = _scale_over(tones, degree, key)
    return Chord(numeral, tones, tones[INVERSIONS[figures]], scale)


def _root(flat: str, degree: int, mark: str, key: Key) -> int:
    """Pitch class of a scale degree 0-6; the diminished chord on the seventh stands on the raised leading tone."""
    step = 11 if (degree == 6 and mark) else (MINOR if key.minor else MAJOR)[degree]
    return (key.tonic + step - len(flat)) % 12


def _quality(name: str, mark: str, seventh: bool, applied: bool, flat: str) -> str:
    if mark:
        full = "halfdiminished" if mark == "ø" else "diminished"
        return full + "7" if seventh else "diminished"
    if name.islower():
        return "minor7" if seventh else "minor"
    if not seventh:
        return "major"
    return "dominant7" if applied or (name in ("V", "VII") and not flat) else "major7"


def _scale_over(tones: tuple[int, ...], degree: int, key: Key) -> tuple[int, ...]:
    """The key's scale with each chord tone in the place of the scale tone that has its letter.

    Over the dominant of a minor key the sixth degree is raised as well (melodic minor), so that runs have no
    augmented second.
    """
    scale = list(key.scale)
    for third, tone in enumerate(tones):
        scale[(degree + 2 * third) % 7] = tone
    if key.minor and degree == 4 and tones[:2] == ((key.tonic + 7) % 12, (key.tonic + 11) % 12):
        scale[5] = (key.tonic + 9) % 12
    return tuple(scale)


@cache
def ladder(pitch_classes: tuple[int, ...]) -> tuple[int, ...]:
    """All piano keys of the given pitch classes, from low to high."""
    return tuple(p for p in range(LOWEST_PITCH, HIGHEST_PITCH + 1) if p % 12 in pitch_classes)


def nearest(pitch_classes: tuple[int, ...], pitch: float, low: int = LOWEST_PITCH, high: int = HIGHEST_PITCH) -> int:
    """The piano key of the given pitch classes nearest to `pitch`, within low..high where that holds one."""
    rungs = ladder(pitch_classes)
    at = bisect_left(rungs, min(max(pitch, low), high))
    around = [p for p in rungs[max(0, at - 1) : at + 1] if low <= p <= high] or rungs[max(0, at - 1) : at + 1]
    return min(around, key=lambda p: abs(p - pitch))


def move(pitch_classes: tuple[int, ...], pitch: int, steps: int) -> int:
    """The key `steps` rungs above (below) `pitch` on the ladder of the given pitch classes, kept on the piano."""
    rungs = ladder(pitch_classes)
    at = bisect_left(rungs, pitch)
    if steps > 0 and rungs[min(at, len(rungs) - 1)] != pitch:
        at -= 1  # between two rungs the first step up is the rung above
    return rungs[min(max(at + steps, 0), len(rungs) - 1)]
