"""From score to performance: tempo, dynamics, articulation, pedal and the small irregularities of two hands.

Rubato lives in the beat times alone; around them notes move by a few milliseconds only, so that `Piece.beats_s`
describes the performance truly. Plays any score, composed or given.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from s2s_lib.compose.grid import QUARTER, SHORTEST, ScoreNote, between, chance, pick, pick_weighted, separate
from s2s_lib.notes import NotatedNote, Note, PedalEvent, Performance

ROLE_LEVELS = {"melody": 11.0, "bass": -2.0, "figure": -4.0, "chord": -13.0, "inner": -9.0}  # velocity steps
TOUCH_LENGTHS = {"legato": 1.0, "detached": 0.68, "staccato": 0.38, "held": 0.98}  # share of the written length
LEGATO = {  # key-down time as a share of the written length, to be drawn from; the pedal lets fingers go early
    "simple": (0.5, 0.65, 0.8, 0.95), "medium": (0.55, 0.7, 0.85, 1.0), "complex": (0.65, 0.8, 0.95, 1.0, 1.08),
}  # fmt: skip
DRIEST = 0.7  # the same share at least, where no pedal helps
LARGEST_DEVIATION_S = 0.03  # of an onset from the beat map
SHORTEST_NOTE_S = 0.03
RELEASE_BEFORE_REPEAT_S = 0.025  # a key must come up before it is struck again


@dataclass(frozen=True)
class Score:
    """A written piece: its notes, length and metre in ticks, its phrases (start, end), the ticks of new chords."""

    notes: tuple[ScoreNote, ...]
    length: int
    bar: int
    beat: int
    phrases: tuple[tuple[int, int], ...]
    changes: tuple[int, ...]


@dataclass(frozen=True)
class Expression:
    """How a piece is played.

    `level`: its middle velocity; `arc`: velocity steps from the edge of a phrase to its peak; `slope`: the same over
    the piece; `rubato`: share of tempo by which phrases breathe; `ritardando`: share of the tempo left at the end;
    `legato`: key-down time as a share of the written length; `pedal`: "none", "chord", "bar" or "half";
    `lead_s`: silence before the first beat; `timing_s`, `touch`: standard deviations of onsets and velocities;
    `melody_lead_s`: by how much the melody comes before its chord; `spread_s`: between the keys of one chord.
    """

    level: float = 60.0
    arc: float = 10.0
    slope: float = 0.0
    rubato: float = 0.04
    ritardando: float = 0.6
    legato: float = 1.0
    pedal: str = "chord"
    lead_s: float = 0.25
    timing_s: float = 0.004
    touch: float = 3.0
    melody_lead_s: float = 0.008
    spread_s: float = 0.003


def draw_expression(rng: np.random.Generator, complexity: str) -> Expression:
    """An interpretation: loud or soft, strict or free, dry or pedalled."""
    level = 24 + 76 * (rng.random() + rng.random() + rng.random()) / 3
    if complexity == "simple":
        rubato, pedal = between(rng, 0.0, 0.04), pick_weighted(rng, ("none", "chord", "bar"), (4, 4, 2))
    else:
        rubato = between(rng, 0.01, 0.18)
        pedal = pick_weighted(rng, ("none", "chord", "bar", "half"), (2, 6, 2, 2))
    return Expression(
        level=level,
        arc=between(rng, 8, 28),
        slope=between(rng, -20, 26),
        rubato=rubato,
        ritardando=between(rng, 0.5, 0.9),
        legato=max(pick(rng, LEGATO[complexity]), 0.0 if pedal != "none" else DRIEST),
        pedal=pedal,
        lead_s=between(rng, 0.16, 0.44),
        timing_s=between(rng, 0.003, 0.011),
        touch=between(rng, 3.0, 8.0),
        melody_lead_s=between(rng, 0.0, 0.016),
        spread_s=between(rng, 0.001, 0.006),
    )


def breathe(rng: np.random.Generator, score: Score, expression: Expression) -> np.ndarray:
    """Times of the quarter notes 0..ceil(length) at one quarter note per unit of time, the first at 0.

    Phrases hurry towards their middle and hold back at their ends (Todd 1985), the last two bars slow down to the
    share `ritardando` of the tempo along a square-root curve (Friberg and Sundberg 1999), and every quarter note
    strays a little.
    """
    count = max(1, ceil(score.length / QUARTER))
    middles = (np.arange(count) + 0.5) * QUARTER
    speed = 1.0 + 0.3 * expression.rubato * rng.standard_normal(count)
    for start, end in score.phrases:
        inside = (middles >= start) & (middles < end)
        place = (middles[inside] - start) / max(1, end - start)
        speed[inside] *= 1.0 + expression.rubato * (0.5 - 4 * (place - 0.5) ** 2)
    slowing = min(2 * score.bar, score.length / 2)
    through = np.clip((middles - (score.length - slowing)) / slowing, 0, 1)
    speed *= np.sqrt(1 + (expression.ritardando**2 - 1) * through)
    return np.concatenate([[0.0], np.cumsum(1 / np.clip(speed, 0.3, 2.0))])


def perform(
    rng: np.random.Generator, score: Score, expression: Expression, beats_s: np.ndarray, end_s: float
) -> tuple[Performance, tuple[NotatedNote, ...]]:
    """Plays a score along `beats_s`, the times of its quarter notes; the last key comes up at `end_s`.

    Returns the performance, times rounded to 0.1 ms, and the notated notes in the same order.
    """
    notes = separate(score.notes)
    grid = np.arange(len(beats_s)) * QUARTER
    onsets = np.array([note.onset for note in notes])
    ends = onsets + np.array([note.duration for note in notes])
    starts_s = np.interp(onsets, grid, beats_s)
    written_s = np.interp(ends, grid, beats_s) - starts_s
    quickest = SHORTEST / QUARTER * float(np.diff(beats_s).min())
    played_s = starts_s + _deviations(rng, notes, onsets, expression, min(LARGEST_DEVIATION_S, 0.4 * quickest))
    lengths = np.array([TOUCH_LENGTHS[note.touch] for note in notes]) * expression.legato
    lengths = lengths * (1 + 0.08 * rng.standard_normal(len(notes)))
    offsets_s = played_s + np.maximum(written_s * lengths, SHORTEST_NOTE_S)
    offsets_s = np.where(ends >= score.length, end_s, np.minimum(np.round(offsets_s, 4), end_s))
    velocities = _velocities(rng, score, notes, onsets, expression)
    played = _release(notes, np.round(played_s, 4).tolist(), offsets_s.tolist(), velocities)
    order = sorted(range(len(notes)), key=played.__getitem__)
    notated = tuple(
        NotatedNote(notes[i].onset / QUARTER, notes[i].duration / QUARTER, notes[i].hand, notes[i].voice) for i in order
    )
    performance = Performance(tuple(played[i] for i in order), _pedal(rng, score, expression, grid, beats_s, end_s))
    return performance, notated


def _deviations(
    rng: np.random.Generator, notes: list[ScoreNote], onsets: np.ndarray, expression: Expression, largest: float
) -> np.ndarray:
    """Seconds by which each onset departs from the beat map: jitter, a spread through each chord, the melody's lead."""
    deviations = expression.timing_s * rng.standard_normal(len(notes))
    spread = np.zeros(len(notes))
    place, upwards = 0, 1.0
    for i in range(1, len(notes)):
        place = place + 1 if onsets[i] == onsets[i - 1] else 0
        if place == 1:
            upwards = 1.0 if chance(rng, 0.7) else -1.0
        spread[i] = place * upwards * expression.spread_s
    leads = np.array([note.role == "melody" for note in notes]) * expression.melody_lead_s
    return np.clip(deviations + spread - leads, -largest, largest)


def _velocities(
    rng: np.random.Generator, score: Score, notes: list[ScoreNote], onsets: np.ndarray, expression: Expression
) -> list[int]:
    """Velocities 1-127: level, phrase arcs, the metre's accents, the voice's role, its contour, touch."""
    level = expression.level + expression.slope * (onsets / max(1, score.length) - 0.5)
    for start, end in score.phrases:
        inside = (onsets >= start) & (onsets < end)
        place = (onsets[inside] - start) / max(1, end - start)
        peak = between(rng, 0.45, 0.75)
        rise = np.where(place < peak, place / peak, (1 - place) / (1 - peak))
        level[inside] += expression.arc * (rise - 0.5) + 4.0 * rng.standard_normal()
    level += np.where(onsets % score.bar == 0, 4.0, np.where(onsets % score.beat == 0, 1.5, -1.5))
    level += np.array([ROLE_LEVELS[note.role] for note in notes])
    level += 0.2 * (np.array([note.pitch for note in notes]) - 62)
    accents = {tick: 14.0 for tick in set(onsets.tolist()) if tick % score.beat == 0 and chance(rng, 0.03)}
    level += np.array([accents.get(note.onset, 0.0) for note in notes])
    level += expression.touch * rng.standard_normal(len(notes))
    return np.clip(np.round(level), 8, 124).astype(int).tolist()


def _release(notes: list[ScoreNote], onsets: list[float], offsets: list[float], velocities: list[int]) -> list[Note]:
    """Notes with every key released before it is struck again."""
    following: dict[int, float] = {}
    played: list[Note] = []
    for i in range(len(notes) - 1, -1, -1):
        pitch, onset, offset = notes[i].pitch, onsets[i], offsets[i]
        if pitch in following:
            gap = following[pitch] - onset
            offset = min(offset, round(following[pitch] - min(RELEASE_BEFORE_REPEAT_S, 0.3 * gap), 4))
        following[pitch] = onset
        played.append(Note(onset, offset, pitch, velocities[i]))
    return played[::-1]


def _pedal(
    rng: np.random.Generator, score: Score, expression: Expression, grid: np.ndarray, beats_s: np.ndarray, end_s: float
) -> tuple[PedalEvent, ...]:
    """Syncopated pedal: up just after a change's notes are struck, down again a moment later, up at the end.

    "chord" changes with the harmony, "bar" with the bar; "half" pedals the first half of each bar only.
    """
    if expression.pedal == "none":
        return ()
    bars = list(range(0, score.length, score.bar))
    changes = list(score.changes) if expression.pedal == "chord" else bars
    times = np.interp(changes, grid, beats_s).tolist()
    ends = np.interp([start + score.bar // 2 for start in bars], grid, beats_s).tolist()
    events: list[PedalEvent] = []
    for i, time in enumerate(times):
        latest = times[i + 1] if i + 1 < len(times) else end_s
        room = latest - time
        up = time + min(between(rng, 0.0, 0.05), 0.15 * room)
        down = up + min(between(rng, 0.06, 0.16), 0.3 * room)
        if events and events[-1].value >= 64:
            events.append(PedalEvent(round(up, 4), int(between(rng, 0, 20))))
        events.append(PedalEvent(round(down, 4), int(between(rng, 84, 128))))
        if expression.pedal == "half" and ends[i] - down > 0.05 and ends[i] < end_s:
            events.append(PedalEvent(round(ends[i], 4), 0))
    if events[-1].value >= 64:
        events.append(PedalEvent(end_s, 0))
    return tuple(event for event in events if event.time_s <= end_s)
