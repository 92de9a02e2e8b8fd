"""From score to performance: onsets, key releases, velocities and pedal of two hands.

Rubato lives in the beat times alone; around them notes move by some hundredths of a second only, those of rolled
chords by up to 0.3 s, so that `Piece.beats_s` describes the performance truly. Plays any score, composed or given.
"""

from __future__ import annotations

import numpy as np

from s2s_lib.compose.dynamics import velocities
from s2s_lib.compose.expression import Expression
from s2s_lib.compose.grid import QUARTER, Score, ScoreNote, between, chance, separate
from s2s_lib.compose.pedalling import pedal_events
from s2s_lib.compose.timing import onset_times
from s2s_lib.notes import NotatedNote, Note, Performance

TOUCH_LENGTHS = {"legato": 1.0, "detached": 0.6, "staccato": 0.3, "held": 0.98}  # share of the written length
LENGTH_PER_KEY = -0.15  # by how much the logarithm of key-down times shrinks with every further key of a stroke
SHORTEST_NOTE_S = 0.025
RELEASE_BEFORE_REPEAT_S = 0.025  # a key must come up before it is struck again
HELD_BY_FINGERS = ("bass", "figure", "chord", "inner")


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
    starts_s, until_s = np.interp(onsets, grid, beats_s), np.interp(ends, grid, beats_s)
    played_s, down_s = onset_times(rng, notes, starts_s, until_s, end_s, expression)
    lengths_s = _lengths_s(rng, score, notes, expression, until_s - starts_s)
    rolled_s = np.minimum(down_s + lengths_s, np.maximum(until_s, down_s))  # a rolled chord is let go as one
    offsets_s = np.maximum(played_s + lengths_s, rolled_s)
    offsets_s = np.maximum(offsets_s, _held(rng, score, notes, expression, grid, beats_s))
    offsets_s = np.where(ends >= score.length, end_s, np.minimum(np.round(offsets_s, 4), end_s))
    loud = velocities(rng, score, notes, onsets, expression)
    played = _release(notes, np.round(played_s, 4).tolist(), offsets_s.tolist(), loud)
    order = sorted(range(len(notes)), key=played.__getitem__)
    notated = tuple(
        NotatedNote(notes[i].onset / QUARTER, notes[i].duration / QUARTER, notes[i].hand, notes[i].voice) for i in order
    )
    pedal = pedal_events(rng, score, expression, grid, beats_s, end_s)
    return Performance(tuple(played[i] for i in order), pedal), notated


def _lengths_s(
    rng: np.random.Generator, score: Score, notes: list[ScoreNote], expression: Expression, written_s: np.ndarray
) -> np.ndarray:
    """Key-down times: each stroke of a hand is let go at once, joined to the next or lies between; fingers differ."""
    onsets = np.array([note.onset for note in notes])
    right = np.array([note.hand == "R" for note in notes])
    _, stroke, keys = np.unique(onsets * 2 + right, return_inverse=True, return_counts=True)
    uneven = expression.uneven * rng.standard_normal(len(keys))[stroke]
    joined_s = written_s * [TOUCH_LENGTHS[note.touch] for note in notes] * expression.legato * np.exp(uneven)
    lifted_s = np.minimum(expression.stroke_s * np.exp(uneven), joined_s)
    lifted, joined = _habits(rng, score, onsets, right, expression)
    drawn, between_them = rng.random((2, len(keys)))[:, stroke]
    weight = np.where(drawn < lifted, 0.0, np.where(drawn < lifted + joined, 1.0, between_them))
    logs = expression.fingers * rng.standard_normal(len(notes))
    if expression.lifted:
        logs += LENGTH_PER_KEY * np.minimum(keys[stroke] - 1, 3)
    return np.maximum(lifted_s ** (1 - weight) * joined_s**weight * np.exp(logs), SHORTEST_NOTE_S)


def _habits(
    rng: np.random.Generator, score: Score, onsets: np.ndarray, right: np.ndarray, expression: Expression
) -> tuple[np.ndarray, np.ndarray]:
    """Each note's chances to be let go at once and to be joined to the next, which differ by phrase and hand."""
    odds = np.tile([expression.lifted, expression.joined, 1 - expression.lifted - expression.joined], (len(onsets), 1))
    if expression.articulation:
        for start, end in score.phrases:
            for hand in (right, ~right):
                inside = (onsets >= start) & (onsets < end) & hand
                odds[inside] *= np.exp(expression.articulation * rng.standard_normal(3))
    lifted, joined, _ = (odds / odds.sum(1, keepdims=True)).T
    return lifted, joined


def _held(
    rng: np.random.Generator, score: Score, notes: list[ScoreNote], expression: Expression, grid: np.ndarray,
    beats_s: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Times until which fingers hold on accompanying notes, in some phrases to the next chord; 0 for all others."""
    held = np.zeros(len(notes))
    if not expression.finger_pedal:
        return held
    changes = np.array([*score.changes, score.length])
    for start, end in score.phrases:
        if not chance(rng, expression.finger_pedal):
            continue
        share = between(rng, 0.2, 0.9)  # of the notes
        for i, note in enumerate(notes):
            if start <= note.onset < end and note.hand == "L" and note.role in HELD_BY_FINGERS and chance(rng, share):
                held[i] = np.interp(changes[np.searchsorted(changes, note.onset, side="right")], grid, beats_s)
    return held


def _release(notes: list[ScoreNote], onsets: list[float], offsets: list[float], loud: list[int]) -> list[Note]:
    """Notes with every key released before it is struck again."""
    following: dict[int, float] = {}
    played: list[Note] = []
    for i in range(len(notes) - 1, -1, -1):
        pitch, onset, offset = notes[i].pitch, onsets[i], offsets[i]
        if pitch in following:
            gap = following[pitch] - onset
            offset = min(offset, round(following[pitch] - min(RELEASE_BEFORE_REPEAT_S, 0.3 * gap), 4))
        following[pitch] = onset
        played.append(Note(onset, offset, pitch, loud[i]))
    return played[::-1]
