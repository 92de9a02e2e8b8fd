"""The limits of a data set: how long a piece gets, and exactly as many notes as allowed.

Rule, in this order: length in bars and tempo are chosen to fit; if notes are still too many, the least important on
the weakest places of the bar are left out and the notes before them held on; if too few, long notes are struck
again, then doubled by chord tones, then struck again as fast as 32nds, then doubled without regard to hands.
A length that no tempo within its limits gives is reached by holding the last notes (a fermata), and only music that
would still be too long is played faster than the fastest tempo.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s2s_lib.compose.grid import IMPORTANCE, QUARTER, SHORTEST, ScoreNote, Setting, between, pick
from s2s_lib.compose.harmony import Harmony
from s2s_lib.compose.style import draw_density
from s2s_lib.compose.theory import ladder
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH

RING_S = 0.5  # room for the last chord to ring within max_duration, where the limits leave any
HAND_REACH = 12  # semitones
BARS_TO_ROUND_TO = ((4, 0.12), (2, 0.1), (1, 0.25))  # bars, and the change of tempo that rounding may cost


@dataclass(frozen=True)
class Size:
    """How long the piece lasts to its last key release (wanted, least, most; seconds) and how dense it is."""

    seconds: float
    shortest: float
    longest: float
    density: float


def draw_size(rng: np.random.Generator, dataset: DatasetConfig) -> Size:
    """A density that suits the complexity and a length with which the number of notes stays within its limits."""
    shortest = dataset.min_duration
    longest = max(shortest, dataset.max_duration - RING_S)
    density = draw_density(rng, dataset.complexity)
    density = min(max(density, dataset.min_notes / longest), dataset.max_notes / shortest)
    low = max(shortest, dataset.min_notes / density)
    high = max(low, min(longest, dataset.max_notes * 0.95 / density))
    return Size(between(rng, low, high), shortest, longest, density)


def choose_length(seconds: float, setting: Setting, tempos: tuple[float, float], last: int) -> int:
    """Ticks of music that last about `seconds`, the last bar cut to `last` ticks.

    Whole phrases or bars if a small change of tempo allows it, else beats.
    """
    wanted = seconds * setting.tempo / 60 * QUARTER
    units = [(setting.bar * bars, setting.bar - last, tolerance) for bars, tolerance in BARS_TO_ROUND_TO]
    for unit, cut, tolerance in [*units, (setting.beat, 0, 0.5)]:
        length = round((wanted + cut) / unit) * unit - cut
        tempo = setting.tempo * length / wanted
        if length > 0 and abs(length / wanted - 1) <= tolerance and tempos[0] <= tempo <= tempos[1]:
            return length
    return max(setting.beat, int(wanted / setting.beat) * setting.beat)


def fit_count(
    rng: np.random.Generator, notes: list[ScoreNote], harmony: Harmony, setting: Setting, length: int,
    limits: tuple[int, int],
) -> list[ScoreNote]:  # fmt: skip
    """The notes thinned or densified so that their number is within `limits`, the last ones held to `length`."""
    fewest, most = limits
    if len(notes) > most:
        notes = thin(notes, most, setting, length)
    elif len(notes) < fewest:
        notes = densify(rng, notes, harmony, fewest)
    latest = max(note.onset + note.duration for note in notes)
    return [n._replace(duration=length - n.onset) if n.onset + n.duration == latest else n for n in notes]


def thin(notes: Sequence[ScoreNote], count: int, setting: Setting, length: int) -> list[ScoreNote]:
    """The `count` most important notes; each hand holds its notes over those left out.

    The very first note is always kept, as the piece starts with it.
    """

    def importance(item: tuple[int, ScoreNote]) -> tuple[bool, float, int]:
        index, note = item
        place = 3 if note.onset % setting.bar == 0 else 2 if note.onset % setting.beat == 0 else 0
        place += note.onset % (setting.beat // 2) == 0
        return index == first, IMPORTANCE[note.role] + 0.8 * place, -note.onset

    first = max(range(len(notes)), key=lambda i: (-notes[i].onset, IMPORTANCE[notes[i].role]))
    ranked = sorted(enumerate(notes), key=importance, reverse=True)
    kept = sorted(note for _, note in ranked[:count])
    left_out = {(note.hand, note.onset) for _, note in ranked[count:]}
    return _hold(kept, left_out, length)


def _hold(notes: list[ScoreNote], left_out: set[tuple[str, int]], end: int) -> list[ScoreNote]:
    """Notes lengthened to their hand's next onset, the last ones to the end, where others between were left out."""
    gaps = {hand: sorted(onset for side, onset in left_out if side == hand) for hand in "RL"}
    following = {"R": end, "L": end}
    current = {"R": end, "L": end}
    held = []
    for note in reversed(notes):
        if note.onset < current[note.hand]:
            following[note.hand], current[note.hand] = current[note.hand], note.onset
        until, gap = following[note.hand], gaps[note.hand]
        gone = bisect_right(gap, note.onset)
        thinned = gone < len(gap) and gap[gone] < until
        held.append(note._replace(duration=until - note.onset) if thinned else note)
    return held[::-1]


def densify(rng: np.random.Generator, notes: list[ScoreNote], harmony: Harmony, count: int) -> list[ScoreNote]:
    """More notes, until there are `count`: see the module's rule."""
    notes = _split(notes, count, 2 * SHORTEST)
    notes = _double(rng, notes, harmony, count, HAND_REACH)
    notes = _split(notes, count, SHORTEST)
    return sorted(_double(rng, notes, harmony, count, None))


def _split(notes: list[ScoreNote], count: int, shortest: int) -> list[ScoreNote]:
    """Strikes the longest notes twice until there are `count` or none is twice as long as `shortest`."""
    notes = list(notes)
    while len(notes) < count:
        longest = max(notes, key=lambda note: note.duration).duration
        if longest < 2 * shortest:
            break
        half = -(-longest // 2 // SHORTEST) * SHORTEST if longest % SHORTEST == 0 else longest // 2
        for i in [i for i, note in enumerate(notes) if note.duration == longest][: count - len(notes)]:
            notes.append(notes[i]._replace(onset=notes[i].onset + half, duration=longest - half))
            notes[i] = notes[i]._replace(duration=half)
    return notes


def _double(
    rng: np.random.Generator, notes: list[ScoreNote], harmony: Harmony, count: int, reach: int | None
) -> list[ScoreNote]:
    """Adds chord tones near struck notes until there are `count`; with `reach`, five to a hand within that reach.

    Without `reach` any free chord tone of the keyboard will do, and any free key when those are used up.
    """
    notes = list(notes)
    taken = {(cell, note.pitch) for note in notes for cell in _cells(note)}
    chords: dict[tuple[int, str], list[int]] = {}
    for note in notes:
        chords.setdefault((note.onset, note.hand), []).append(note.pitch)
    for round_ in range(1 if reach else 88):
        for note in list(notes):
            if len(notes) >= count:
                return notes
            chord = chords[note.onset, note.hand]
            tones = ladder(harmony.at(note.onset).tones) if round_ < 40 else range(LOWEST_PITCH, HIGHEST_PITCH + 1)
            if reach is not None:
                low, high = max(chord) - reach, min(chord) + reach
                tones = [pitch for pitch in tones if len(chord) < 5 and low <= pitch <= high]
            free = [pitch for pitch in tones if not any((cell, pitch) in taken for cell in _cells(note))]
            if not free:
                continue
            pitch = pick(rng, sorted(free, key=lambda p: abs(p - note.pitch))[:4])
            notes.append(note._replace(pitch=pitch, role="inner"))
            chord.append(pitch)
            taken.update((cell, pitch) for cell in _cells(note))
    return notes


def _cells(note: ScoreNote) -> range:
    """The 32nds that a note touches."""
    return range(note.onset // SHORTEST, -(-(note.onset + note.duration) // SHORTEST))
