"""Note values: how long a written note lasts, from its place, its voice's next place and the time its key was down."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from fractions import Fraction
from math import log

import numpy as np

NEIGHBOURS = 9  # on each side, by which a hand's touch is judged
TOUCH_RANGE = (0.25, 1.4)  # of the share of their values for which keys are down
RELEASE_SPREAD = 0.72  # standard deviation of the logarithm of that share
LEAST_FITTING = 3.0  # cost of a value that has nothing to do with the time the key is down
REST = 1.5  # the cost of a rest, against a note that lasts until the next
REST_ON_BEAT, REST_OFF_BEAT, REST_ELSEWHERE = 0.0, 2.5, 4.0  # more, by where it begins
ANSWERED = 1.0  # where the other hand takes over a run of equal values
AS_BEFORE = 0.95  # less, if the note before had that value too
SYNCOPATED = 1.0  # a note from within a beat into the next
INTO_REST, HELD_OVER = 0.5, 1.15  # a key held into the rest, from this share of the value on, per share more
HELD_END = 0.8  # beats from which on the end of a voice is held
PEDALLED = 1.0  # a rest under the pedal
TIED, DOTTED = 1.0, 0.25  # values that take two notes or a dot
ASTRAY = 1.0  # a value longer than a beat that ends off the half beats
ACROSS = 0.8  # values across a bar line


@dataclass(frozen=True)
class Sounding:
    """Notes of one voice at one place: the place, how long the keys are down, when the voice goes on (all quarters).

    `pedalled` says whether the pedal holds them until then, `last` whether the voice ends there instead of going on.
    """

    place: Fraction
    held: float
    until: Fraction
    pedalled: bool
    last: bool = False


def find_values(
    soundings: list[Sounding], beat: Fraction, bar: Fraction, elsewhere: Set[Fraction] = frozenset(),
    may_end: Callable[[Fraction], bool] = lambda place: True,
) -> list[Fraction]:  # fmt: skip
    """Written lengths in quarter notes of what one hand strikes, in order of place.

    `elsewhere` are the places of the other hand; `may_end` says at which places a note may end before its voice goes
    on.
    """
    struck = {sounding.place for sounding in soundings}
    shares = np.array([s.held / float(s.until - s.place) for s in soundings])
    values = []
    for i, sounding in enumerate(soundings):
        around = np.concatenate((shares[max(0, i - NEIGHBOURS) : i], shares[i + 1 : i + 1 + NEIGHBOURS]))
        touch = float(np.clip(np.median(around), *TOUCH_RANGE)) if len(around) else 0.8
        before = values[-1] if values else None
        options = _options(sounding, beat)
        if before and sounding.place + before in elsewhere and sounding.place + before < sounding.until:
            options.append(before)
        options = [value for value in options if value == options[0] or may_end(sounding.place + value)]
        if ends := sounding.last and sounding.held >= HELD_END * beat:  # it lasts as long as it is held
            touch = 1.0
        costs = [
            _cost(value, sounding, touch, beat, bar)
            + (0.0 if ends else _rest(value, sounding, beat, value == before, elsewhere, struck))
            for value in options
        ]
        values.append(options[int(np.argmin(costs))])
    return values


def _options(sounding: Sounding, beat: Fraction) -> list[Fraction]:
    """The whole time until the voice goes on, and what ends on a beat, half or quarter of one before."""
    room = sounding.until - sounding.place
    options = [room]
    half = beat / (3 if beat.numerator == 3 else 2)
    for step in (beat, half, half / 2):
        end = (sounding.place // step + 1) * step
        while end < sounding.until and end - sounding.place <= 4 * step:
            options.append(end - sounding.place)
            end += step
    return options


def _cost(value: Fraction, sounding: Sounding, touch: float, beat: Fraction, bar: Fraction) -> float:
    """What a value costs by the time the key is down and by the way it must be written."""
    off = log(max(sounding.held, 0.01) / (float(value) * touch)) / RELEASE_SPREAD
    cost = min(off * off / 2, LEAST_FITTING)
    cost += 0.0 if value.numerator == 1 else DOTTED if value.numerator in (2, 3, 4) else TIED
    if (sounding.place + value - Fraction(1, 96)) // bar != sounding.place // bar:
        cost += ACROSS
    if sounding.place % beat and sounding.place % beat + value > beat:
        cost += SYNCOPATED
    if value > beat and ((sounding.place + value) / beat).denominator > 2:
        cost += ASTRAY
    return cost


def _rest(
    value: Fraction, sounding: Sounding, beat: Fraction, as_before: bool, elsewhere: Set[Fraction],
    struck: Set[Fraction],
) -> float:  # fmt: skip
    """What the rest costs that is left after a value: nothing where the hand's other voice takes over."""
    end = sounding.place + value
    if end >= sounding.until or end in struck:
        return 0.0
    within = (end / beat).denominator
    cost = REST_ON_BEAT if within == 1 else REST_OFF_BEAT if within == 2 else REST_ELSEWHERE
    if as_before:
        cost = (min(cost, ANSWERED) if end in elsewhere else cost) - AS_BEFORE
    cost += INTO_REST * min(max(sounding.held / float(value) - HELD_OVER, 0.0), 1.0)
    return cost + REST + PEDALLED * sounding.pedalled
