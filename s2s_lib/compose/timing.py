"""When things happen in a performance: the beats' rubato, and how far notes stray from the beats."""

from __future__ import annotations

from math import ceil

import numpy as np

from s2s_lib.compose.expression import Expression
from s2s_lib.compose.grid import QUARTER, Score, ScoreNote, between, chance

LARGEST_DEVIATION_S = 0.05  # of an onset from the beat map, but for the notes of a rolled chord and grace notes
LONGEST_ROLL_S = 0.3  # from a rolled chord's first key to its last
EARLIEST_S = 0.1  # of the first onset
GRACE_S = (0.05, 0.1)  # by which grace notes come before what they adorn, where the page leaves that much
BREATH, FERMATA = (0.1, 0.5), (0.6, 2.5)  # quarter notes by which a phrase's last one is longer
MEMORY = 0.6  # of the tempo's fluctuation from one quarter note to the next


def breathe(rng: np.random.Generator, score: Score, expression: Expression) -> tuple[np.ndarray, np.ndarray]:
    """Times of the quarter notes 0..ceil(length) at one quarter note per unit of time, and the delays by holds.

    Phrases have tempos of their own, hurry towards their middle and hold back at their ends (Todd 1985), quarter
    notes stray together (a first-order autoregression); all that gives as much time as it takes, so that the mean
    tempo stays. The last two bars slow down to the share `ritardando` of the tempo along a square-root curve (Friberg
    and Sundberg 1999). The second array, to be added to the first, holds the time that breaths and fermatas at the
    ends of phrases have taken up to each quarter note.
    """
    count = max(1, ceil(score.length / QUARTER))
    middles = (np.arange(count) + 0.5) * QUARTER
    speed = 1.0 + 0.35 * expression.rubato * _wander(rng, count)
    holds = np.zeros(count)
    for start, end in score.phrases:
        inside = (middles >= start) & (middles < end)
        place = (middles[inside] - start) / max(1, end - start)
        tempo = 1.0 + 0.5 * expression.rubato * rng.standard_normal()
        speed[inside] *= tempo * (1.0 + expression.rubato * (0.5 - 4 * (place - 0.5) ** 2))
        if end < score.length and chance(rng, expression.holds):
            hold = FERMATA if chance(rng, 0.35) else BREATH
            holds[min(count - 1, (end - 1) // QUARTER)] = between(rng, *hold)
    lengths = 1 / np.clip(speed, 0.4, 2.0)
    lengths /= lengths.mean()
    slowing = min(2 * score.bar, score.length / 2)
    through = np.clip((middles - (score.length - slowing)) / slowing, 0, 1)
    lengths /= np.sqrt(1 + (expression.ritardando**2 - 1) * through)
    return np.concatenate([[0.0], np.cumsum(lengths)]), np.concatenate([[0.0], np.cumsum(holds)])


def _wander(rng: np.random.Generator, count: int) -> np.ndarray:
    """A first-order autoregression of unit variance: (count,)."""
    steps = rng.standard_normal(count).tolist()
    wandering, value = [], steps[0]
    for step in steps:
        value = MEMORY * value + (1 - MEMORY**2) ** 0.5 * step
        wandering.append(value)
    return np.array(wandering)


def onset_times(
    rng: np.random.Generator, notes: list[ScoreNote], written_s: np.ndarray, until_s: np.ndarray, end_s: float,
    expression: Expression,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Played onsets in seconds for notes written at `written_s`, each of them lasting till `until_s` on the page.

    Hands fall apart a little at every place, keys of one hand less, the melody leads (Goebl 2001), chords may be
    rolled, grace notes come shortly before their note. A key is never struck before the note that it had before.
    The second array says when the chord that each note belongs to is down: for rolled ones, when its last key is.
    """
    room = np.minimum(LARGEST_DEVIATION_S, 0.35 * (until_s - written_s))
    jitter = np.clip(expression.timing_s * rng.standard_normal(len(notes)), -room, room)
    apart = _apart(rng, notes, expression)
    leads = np.array([note.role == "melody" for note in notes]) * expression.melody_lead_s
    deviations = np.clip(jitter + apart - leads, -LARGEST_DEVIATION_S, LARGEST_DEVIATION_S)
    late, chord = _rolls(rng, notes, until_s - written_s, expression)
    deviations += late
    for i, note in enumerate(notes):
        if note.role == "grace":
            deviations[i] = max(0.0, until_s[i] - written_s[i] - between(rng, *GRACE_S))
    played = np.minimum(written_s + deviations, written_s + 0.4 * (end_s - written_s))
    played = np.maximum(played, EARLIEST_S).tolist()
    last: dict[int, int] = {}
    for i, note in enumerate(notes):
        before = last.get(note.pitch)
        if before is not None:
            played[i] = max(played[i], played[before] + 0.5 * float(written_s[i] - written_s[before]))
        last[note.pitch] = i
    down = np.full(len(notes), -np.inf)
    np.maximum.at(down, chord, played)
    return np.array(played), down[chord]


def _apart(rng: np.random.Generator, notes: list[ScoreNote], expression: Expression) -> np.ndarray:
    """Seconds by which each hand at each place, and each key of a hand's chord, is off."""
    draws = rng.standard_normal(len(notes)).tolist()
    lag = {"R": 0.0, "L": expression.hands_s * draws[0]}
    apart, here, off, place, upwards = [], (-1, ""), 0.0, 0, 1.0
    for note, draw in zip(notes, draws, strict=True):
        if (note.onset, note.hand) != here:
            here, place = (note.onset, note.hand), 0
            off = lag[note.hand] + expression.hands_s * draw
            upwards = 1.0 if draw > -0.5 else -1.0
        apart.append(off + place * upwards * expression.spread_s)
        place += 1
    return np.array(apart)


def _rolls(
    rng: np.random.Generator, notes: list[ScoreNote], lengths_s: np.ndarray, expression: Expression
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds by which the keys of rolled chords come late, from the lowest up: long chords of three keys and more.

    And for each note the first of its rolled chord; a note that is in none is its own.
    """
    late, chord = np.zeros(len(notes)), np.arange(len(notes))
    if not expression.rolls:
        return late, chord
    chords: dict[int, list[int]] = {}
    for i, note in enumerate(notes):
        chords.setdefault(note.onset, []).append(i)
    for members in chords.values():
        shortest = min(float(lengths_s[i]) for i in members)
        if len(members) < 3 or shortest < 0.25 or not chance(rng, expression.rolls):
            continue
        total = min(between(rng, 0.02, 0.09) * (len(members) - 1), LONGEST_ROLL_S, 0.4 * shortest)
        for place, i in enumerate(sorted(members, key=lambda i: notes[i].pitch)):
            late[i] = total * place / (len(members) - 1)
        chord[members] = members[0]
    return late, chord
