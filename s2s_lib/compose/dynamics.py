"""How loud each note is played."""

from __future__ import annotations

import numpy as np

from s2s_lib.compose.expression import Expression
from s2s_lib.compose.grid import Score, ScoreNote, between, chance

ROLE_LEVELS = {  # velocity steps
    "melody": 11.0, "bass": -2.0, "figure": -4.0, "chord": -13.0, "inner": -9.0, "grace": -4.0,
}  # fmt: skip
ACCENT = (10.0, 30.0)  # velocity steps of a sforzato
SOFTEST, LOUDEST = 6, 126


def velocities(
    rng: np.random.Generator, score: Score, notes: list[ScoreNote], onsets: np.ndarray, expression: Expression
) -> list[int]:
    """Velocities: level, phrases and swells, the metre's accents, the voice's role and contour, sforzati, touch.

    A hand's velocities stray together from one place to the next, single keys of a chord around that.
    """
    level = expression.level + expression.slope * (onsets / max(1, score.length) - 0.5)
    for start, end in score.phrases:
        inside = (onsets >= start) & (onsets < end)
        place = (onsets[inside] - start) / max(1, end - start)
        peak = between(rng, 0.3, 0.85)
        rise = np.where(place < peak, place / peak, (1 - place) / (1 - peak))
        level[inside] += expression.arc * (rise - 0.5) + expression.terraces * rng.standard_normal()
    level += np.where(onsets % score.bar == 0, 4.0, np.where(onsets % score.beat == 0, 1.5, -1.5))
    level += expression.balance * np.array([ROLE_LEVELS[note.role] for note in notes])
    level += 0.2 * (np.array([note.pitch for note in notes]) - 62)
    beats = sorted({note.onset for note in notes if note.onset % score.beat == 0})
    sforzati = {tick: between(rng, *ACCENT) for tick in beats if chance(rng, expression.accents)}
    if sforzati:
        level += np.array([sforzati.get(note.onset, 0.0) for note in notes])
    level += expression.touch * rng.standard_normal(len(notes))
    return np.clip(np.round(level), SOFTEST, LOUDEST).astype(int).tolist()
