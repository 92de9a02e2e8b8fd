"""Voices: the notes of one hand in one voice, or in two where notes of different lengths overlap.

A beam search over the places of a hand, from left to right, keeps the cheapest ways of giving each chord to the upper
voice, to the lower one, or its upper notes to the one and the others to the other. A voice is cheap where every key
is held about as long as until the voice's next notes, where it moves little and where the voices do not cross, after
the preference rules of Temperley ("The Cognition of Basic Musical Structures", 2001, chapter 4).
A second voice is dear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import NamedTuple

HYPOTHESES = 12  # kept at each place
LONGER, LONGER_FREE, FINGER_S = 1.6, 0.2, 0.04  # cost of a key held on when its voice moves, per e-fold of length
SHORTER = 0.35  # of a key let go early, per e-fold, at most one
OPENED, SPLIT, KEPT = 3.2, 0.2, 0.12  # a second voice begins; a chord in both; per place that it goes on
SILENT = 0.8  # per place that a voice goes on unheard
CROSSED = 2.5
LEAP = 0.03  # per semitone


class Struck(NamedTuple):
    """A note as its voice sees it: where it is in the performance, its pitch, and how long the key is down (s)."""

    index: int
    pitch: int
    held_s: float


@dataclass(frozen=True)
class Moment:
    """What one hand strikes at one place: the time in seconds, its notes from the highest down.

    `usual` is the factor by which keys are held longer than to the next place around here (1 at least): fingers that
    stand in for the pedal say nothing about voices.
    """

    time_s: float
    notes: tuple[Struck, ...]
    usual: float = 1.0


class Event(NamedTuple):
    """The notes that a voice has at one place, by the place's number."""

    moment: int
    time_s: float
    notes: tuple[Struck, ...]


class Line(NamedTuple):
    """A hypothesis: its cost, what the voices had last, and a linked list of what was decided before."""

    cost: float
    upper: Event | None
    lower: Event | None
    history: tuple | None


def find_voices(moments: list[Moment]) -> dict[int, tuple[int, int | None]]:
    """For each note's index its voice, 1 or 2, and the number of the moment at which that voice goes on.

    That number is None where the voice does not go on.
    """
    lines = [Line(0.0, None, None, None)]
    for number, moment in enumerate(moments):
        best: dict[tuple, Line] = {}
        for line in lines:
            for following in _continuations(line, number, moment, moments):
                key = (following.upper, following.lower)
                if key not in best or following.cost < best[key].cost:
                    best[key] = following
        lines = sorted(best.values(), key=lambda line: line.cost)[:HYPOTHESES]
    voices: dict[int, tuple[int, int | None]] = {}
    following: dict[int, int | None] = {1: None, 2: None}
    history = lines[0].history
    while history is not None:
        number, parts, closed, history = history
        if closed:
            following[2] = number
        for voice in (1, 2):
            for note in parts[voice - 1]:
                voices[note.index] = (voice, following[voice])
        for voice in (1, 2):
            if parts[voice - 1]:
                following[voice] = number
    return voices


def _continuations(line: Line, number: int, moment: Moment, moments: list[Moment]) -> Iterator[Line]:
    """What may become of a hypothesis at the next moment: every cut of its chord into upper and lower voice."""
    notes = moment.notes
    for cut in range(len(notes), -1, -1):
        upper, lower = notes[:cut], notes[cut:]
        if not upper and (line.upper is None or not (line.lower or _sounds(line.upper, moment.time_s))):
            continue
        cost = line.cost
        new_upper, new_lower = line.upper, line.lower
        if upper:
            if line.upper:
                cost += _close(line.upper, moment, moments) + _leap(line.upper, upper)
            if line.lower and upper[-1].pitch < line.lower.notes[0].pitch and _sounds(line.lower, moment.time_s):
                cost += CROSSED
            new_upper = Event(number, moment.time_s, upper)
        elif not _sounds(line.upper, moment.time_s):
            cost += SILENT
        if lower:
            cost += SPLIT if upper else 0.0
            if line.lower:
                cost += _close(line.lower, moment, moments) + _leap(line.lower, lower) + KEPT
            else:
                cost += OPENED
            if not upper and lower[0].pitch > line.upper.notes[-1].pitch:
                cost += CROSSED
            new_lower = Event(number, moment.time_s, lower)
        elif line.lower:
            yield Line(
                cost + _close(line.lower, moment, moments),
                new_upper,
                None,
                (number, (upper, lower), True, line.history),
            )
            cost += KEPT + (0.0 if _sounds(line.lower, moment.time_s) else SILENT)
        yield Line(cost, new_upper, new_lower, (number, (upper, lower), False, line.history))


def _sounds(event: Event, time_s: float) -> bool:
    """Whether a key of the event is still held a little after a time."""
    return any(event.time_s + note.held_s > time_s + FINGER_S for note in event.notes)


def _close(event: Event, moment: Moment, moments: list[Moment]) -> float:
    """The cost of a voice's going on at a moment, by how long the keys of its last event were held."""
    until_s = max(moment.time_s - event.time_s, 0.02)
    usual = log(moments[event.moment].usual)
    cost = 0.0
    for note in event.notes:
        longer = log(max(note.held_s - FINGER_S, 0.01) / until_s)
        if longer > 0:
            cost += LONGER * max(0.0, longer - LONGER_FREE - usual)
        else:
            cost += SHORTER * min(1.0, -longer)
    return cost


def _leap(event: Event, notes: tuple[Struck, ...]) -> float:
    middle = sum(note.pitch for note in event.notes) / len(event.notes)
    return LEAP * abs(sum(note.pitch for note in notes) / len(notes) - middle)
