"""Chord progressions in phrases that end in cadences, and how their chords are voiced."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from s2s_lib.compose.grid import BARS, Setting, chance, pick
from s2s_lib.compose.theory import Chord, Key, chord, nearest, related


class Span(NamedTuple):
    """One chord's place in the piece, in ticks."""

    start: int
    end: int
    chord: Chord


@dataclass(frozen=True)
class Phrase:
    """A phrase: first and last tick, section letter, whether it closes on the tonic."""

    start: int
    end: int
    section: str
    closes: bool


@dataclass(frozen=True)
class Harmony:
    """A whole piece's chords and phrases."""

    spans: tuple[Span, ...]
    phrases: tuple[Phrase, ...]
    starts: list[int] = field(default_factory=list)

    def at(self, tick: int) -> Chord:
        return self.spans[self.index(tick)].chord

    def index(self, tick: int) -> int:
        return max(0, bisect_right(self.starts, tick) - 1)

    def within(self, start: int, end: int) -> tuple[Span, ...]:
        """The chords that begin in start..end; phrases and bars begin with one."""
        return self.spans[bisect_right(self.starts, start - 1) : bisect_right(self.starts, end - 1)]


# Openings: two bars each, a bar holds one or two chords. Functional progressions of the common-practice style.
MAJOR_OPENINGS = {
    "simple": [["I", "I"], ["I", "IV"], ["I", "V"], ["I", "vi"], ["I", "V7"], ["I", "I6"], ["I", "ii"]],
    "medium": [["I", "V6 I"], ["I", "vi IV"], ["I V43", "I6 IV"], ["I", "V7/vi vi"], ["I V6", "vi I6"], ["I", "V42 I6"],
               ["I V7/IV", "IV I6"], ["I V", "vi iii6"], ["I", "IV64 I"]],
    "complex": [["I I6", "IV viio7/V"], ["I V7/vi", "vi V7/ii"], ["I7 IV7", "viiø7 V7/vi"], ["I viio7/ii", "ii V65"],
                ["I V42/IV", "IV6 iv6"], ["I iii", "IV V65/V"], ["I bVI", "IV I6"], ["vi7 ii7", "V7 I7"]],
}  # fmt: skip
MINOR_OPENINGS = {
    "simple": [["i", "i"], ["i", "iv"], ["i", "V"], ["i", "VI"], ["i", "V7"], ["i", "i6"]],
    "medium": [["i", "V6 i"], ["i VII", "VI V"], ["i V43", "i6 iv"], ["i", "VI III"], ["i", "V42 i6"],
               ["i V7/iv", "iv i6"], ["i", "iv64 i"], ["i VII", "III VII"]],
    "complex": [["i i6", "iv viio7/V"], ["i V7/III", "III V7/iv"], ["i viio7", "i6 V65/iv"], ["i VI", "bII6 viio7"],
                ["iv7 VII7", "III7 VI7"], ["i V42/iv", "iv6 viio43"], ["i bII", "V65 i"]],
}  # fmt: skip
# The last two bars of a phrase.
MAJOR_CLOSES = [["IV V7", "I"], ["ii6 V7", "I"], ["I64 V7", "I"], ["ii65 V7", "I"], ["V7/V V7", "I"], ["iv V7", "I"]]
MINOR_CLOSES = [["iv V7", "i"], ["iiø65 V7", "i"], ["i64 V7", "i"], ["bII6 V7", "i"], ["VI V7", "i"], ["iio6 V", "i"]]
MAJOR_OPENS = [["IV I6", "V"], ["ii6", "V"], ["I6 V7/V", "V"], ["IV", "I64 V"], ["V7", "vi"], ["ii V7", "vi"]]
MINOR_OPENS = [["iv i6", "V"], ["iio6", "V"], ["VI viio7/V", "V"], ["iv", "i64 V"], ["V7", "VI"], ["iv6", "V"]]


FORMS = {2: ("AA", "AB"), 3: ("AAB", "ABA", "AAA")}  # sections of a piece by its number of phrases
LONG_FORMS = ("AABBAACC", "ABAC", "AABA", "ABCA")  # of four phrases and more, over and over
MODULATIONS = {"simple": 0.0, "medium": 0.4, "complex": 0.6}  # chance that a section other than A leaves the key


def compose_harmony(rng: np.random.Generator, key: Key, setting: Setting, length: int) -> Harmony:
    """Chords for `length` ticks: phrases of four bars in sections, some in a related key; the last one is at home."""
    bars = -(-length // setting.bar)
    sizes = _phrase_sizes(bars)
    form = _form(rng, len(sizes), setting.complexity)
    keys = dict.fromkeys("ABC", key)
    for letter in "BC":
        if letter in form and chance(rng, MODULATIONS[setting.complexity]):
            keys[letter] = pick(rng, related(key))
    openings: dict[tuple[str, Key], list[str]] = {}
    spans: list[Span] = []
    phrases: list[Phrase] = []
    at = 0
    for number, size in enumerate(sizes):
        section = form[number % len(form)]
        here = key if number == len(sizes) - 1 else keys[section]
        if (section, here) not in openings or (number % 2 == 0 and chance(rng, 0.3)):
            openings[section, here] = _opening(rng, here, setting.complexity)
        closes = number == len(sizes) - 1 or number % 2 == 1
        numerals = _phrase(rng, here, size, openings[section, here], closes)
        for bar in numerals:
            spans += _bar_spans(bar, at, min(at + setting.bar, length), here, setting)
            at += setting.bar
        phrases.append(Phrase(at - size * setting.bar, min(at, length), section, closes))
    return Harmony(tuple(spans), tuple(phrases), [span.start for span in spans])


def _phrase_sizes(bars: int) -> list[int]:
    """Four-bar phrases; what is left over makes the last phrase up to six bars long, or a phrase of its own."""
    count, rest = divmod(bars, 4)
    if count == 0:
        return [bars]
    return [4] * (count - 1) + [4 + rest] if rest < 3 else [4] * count + [rest]


def _form(rng: np.random.Generator, phrases: int, complexity: str) -> str:
    """Section letters; simple pieces of less than four phrases stay in their one section."""
    if phrases == 1 or (complexity == "simple" and phrases < 4):
        return "A"
    return pick(rng, FORMS.get(phrases, LONG_FORMS))


def _opening(rng: np.random.Generator, key: Key, complexity: str) -> list[str]:
    table = MINOR_OPENINGS if key.minor else MAJOR_OPENINGS
    easier = {"simple": "simple", "medium": "simple", "complex": "medium"}[complexity]
    return pick(rng, table[easier if chance(rng, 0.35) else complexity])


def _phrase(rng: np.random.Generator, key: Key, size: int, opening: list[str], closes: bool) -> list[str]:
    """The numerals of a phrase, a string of chords per bar."""
    tonic, subdominant = ("i", "iv") if key.minor else ("I", "IV")
    if size == 1:
        return [tonic]
    closing = pick(rng, MINOR_CLOSES if key.minor else MAJOR_CLOSES)
    opens = pick(rng, MINOR_OPENS if key.minor else MAJOR_OPENS)
    ending = closing if closes else opens
    if size == 2:
        return [f"{tonic} V7", tonic] if closes else [tonic, "V"]
    middle = [*opening, f"{tonic}6 {subdominant}", f"{subdominant} {tonic}"]
    return [*middle[: size - 2], *ending]


def _bar_spans(numerals: str, start: int, end: int, key: Key, setting: Setting) -> list[Span]:
    """A bar's chords; two chords share it evenly, in 3/4 as two beats and one."""
    names = numerals.split()
    half = 48 if setting.bar == BARS["3/4"] and setting.beat == 24 else setting.bar // 2
    if len(names) == 1 or end - start <= half:
        return [Span(start, end, chord(names[0], key))]
    return [Span(start, start + half, chord(names[0], key)), Span(start + half, end, chord(names[1], key))]


def voice_chord(tones: Sequence[int], previous: Sequence[int], low: int, high: int, size: int = 3) -> list[int]:
    """A close position of the chord in low..high that moves least from the `previous` one, ascending pitches.

    Every close position is tried; the sum of the voices' movements decides, and parallel octaves and fifths
    between outer voices cost extra.
    """
    kept = list(tones) if len(tones) <= size else [tones[0], tones[1], *tones[-(size - 2) :]][:size]
    best: list[int] = []
    best_cost = 1e9
    for first in range(len(kept)):
        order = kept[first:] + kept[:first]
        bottom = low + (order[0] - low) % 12
        while bottom + 12 <= high + 3 or not best:
            voicing = [bottom]
            for tone in order[1:]:
                voicing.append(voicing[-1] + ((tone - voicing[-1]) % 12 or 12))
            cost = _movement(voicing, previous, low, high)
            if cost < best_cost:
                best, best_cost = voicing, cost
            bottom += 12
            if bottom > high:
                break
    return best


def _movement(voicing: list[int], previous: Sequence[int], low: int, high: int) -> float:
    over = max(0, voicing[-1] - high) * 4.0
    if not previous:
        return over + abs(sum(voicing) / len(voicing) - (low + high) / 2)
    cost = over + sum(abs(a - b) for a, b in zip(voicing, previous, strict=False))
    bass, top = voicing[0] - previous[0], voicing[-1] - previous[-1]
    if bass == top != 0 and (voicing[-1] - voicing[0]) % 12 in (0, 7):
        cost += 6
    return cost


def bass_line(spans: Sequence[Span], low: int, high: int) -> list[int]:
    """A bass pitch for each chord in low..high, moving by the smaller interval and leaning back to the middle."""
    line: list[int] = []
    middle = (low + high) / 2
    for span in spans:
        around = middle if not line else 0.75 * line[-1] + 0.25 * middle
        line.append(nearest((span.chord.bass,), around, low, high))
    return line


def changes(spans: Sequence[Span]) -> list[int]:
    """Ticks at which the chord changes, the first tick included."""
    return [spans[0].start] + [b.start for a, b in pairwise(spans) if b.chord.tones != a.chord.tones]
