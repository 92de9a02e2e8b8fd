"""Ornaments of a melody, written out: trills, turns, mordents and grace notes."""

from __future__ import annotations

import numpy as np

from s2s_lib.compose.grid import SHORTEST, ScoreNote, Setting, chance, pick
from s2s_lib.compose.harmony import Harmony
from s2s_lib.compose.theory import move
from s2s_lib.notes import LOWEST_PITCH

TRILLS_PER_SECOND = 12.5  # notes; what pianists play
ORNAMENTS = {"simple": 0.0, "medium": 0.12, "complex": 0.25}  # chance per long melody note
GRACES = {"simple": 0.0, "medium": 0.04, "complex": 0.07}  # chance per melody note of an eighth or more
LONG_S = 0.4  # from which a melody note may be trilled


def ornament(
    rng: np.random.Generator, setting: Setting, harmony: Harmony, sung: list[ScoreNote], tags: set[str]
) -> list[ScoreNote]:
    """The melody with ornaments on some of its longer notes; their names go into `tags`."""
    notes: list[ScoreNote] = []
    for note in sung:
        scale = harmony.at(note.onset).scale
        if note.duration < 12:
            notes.append(note)
        elif setting.seconds(note.duration) >= LONG_S and chance(rng, ORNAMENTS[setting.complexity]):
            name, figure = pick(rng, (("trill", trill), ("trill", trill), ("turn", turn), ("mordent", mordent)))
            figured = figure(note, setting, scale)
            if len(figured) > 1:
                tags.add(name)
            notes += figured
        elif note.onset >= SHORTEST and chance(rng, GRACES[setting.complexity]):
            tags.add("grace")
            notes += [*_grace(rng, notes, note, scale), note]
        else:
            notes.append(note)
    return notes


def _grace(
    rng: np.random.Generator, before: list[ScoreNote], note: ScoreNote, scale: tuple[int, ...]
) -> list[ScoreNote]:
    """An acciaccatura, written as a 32nd before the beat; the note before gives way to it."""
    onset = note.onset - SHORTEST
    if before and before[-1].onset >= onset:
        return []
    if before and before[-1].onset + before[-1].duration > onset:
        before[-1] = before[-1]._replace(duration=onset - before[-1].onset)
    pitch = pick(rng, (move(scale, note.pitch, 1), move(scale, note.pitch, -1), note.pitch - 1, note.pitch - 12))
    return [note._replace(onset=onset, duration=SHORTEST, pitch=pitch, role="grace")] if pitch >= LOWEST_PITCH else []


def trill(note: ScoreNote, setting: Setting, scale: tuple[int, ...]) -> list[ScoreNote]:
    """The note trilled with its upper neighbour, closing with a turn from below when there is time for one."""
    step = setting.fast_step(TRILLS_PER_SECOND)
    count = note.duration // step
    upper, lower = move(scale, note.pitch, 1), move(scale, note.pitch, -1)
    if count < 4 or upper == note.pitch:
        return [note]
    pitches = [note.pitch if i % 2 == 0 else upper for i in range(count)]
    if count >= 8 and lower < note.pitch:
        pitches[-2:] = [lower, note.pitch]
    trilled = [note._replace(onset=note.onset + i * step, duration=step, pitch=p) for i, p in enumerate(pitches)]
    rest = note.duration - count * step
    trilled[-1] = trilled[-1]._replace(duration=step + rest)
    return trilled


def turn(note: ScoreNote, setting: Setting, scale: tuple[int, ...]) -> list[ScoreNote]:
    """A mordent or turn at the start of the note: main, upper, main, lower, main."""
    step = setting.fast_step(TRILLS_PER_SECOND)
    upper, lower = move(scale, note.pitch, 1), move(scale, note.pitch, -1)
    if note.duration < 6 * step:
        return [note]
    pitches = (note.pitch, upper, note.pitch, lower)
    quick = [note._replace(onset=note.onset + i * step, duration=step, pitch=p) for i, p in enumerate(pitches)]
    rest = 4 * step
    return [*quick, note._replace(onset=note.onset + rest, duration=note.duration - rest)]


def mordent(note: ScoreNote, setting: Setting, scale: tuple[int, ...]) -> list[ScoreNote]:
    """Main, lower neighbour, main: the quick bite at the start of a note."""
    step = setting.fast_step(TRILLS_PER_SECOND)
    neighbour = move(scale, note.pitch, -1)
    if note.duration < 4 * step:
        return [note]
    quick = [note._replace(duration=step), note._replace(onset=note.onset + step, duration=step, pitch=neighbour)]
    return [*quick, note._replace(onset=note.onset + 2 * step, duration=note.duration - 2 * step)]
