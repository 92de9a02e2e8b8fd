"""Grace notes, mordents and trills in a performance, told from its notes and its beats.

The rules would rather leave an ornament written out than take plain notes off the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from s2s_lib.notes import Note, Performance

FEWEST = 5  # notes of a trill
TRILL_S = (0.025, 0.14)  # from one note of a trill to the next
SLOWEST_S = 0.1  # from one note to the next in half of a trill; slower is a measured figure
CROWD = 4  # semitones about a trill within which the hand has no time for other notes
CROWDED = 0.25  # share of other notes there, from which it is a figure of more than two notes

GRACE_S = (0.035, 0.1)  # from a grace note to the next note of its group or its main note
GROUP = 2  # grace notes before a main note, at most
GROUP_S = 0.15  # from the first of a group to the main note
SHORT_S = 0.1  # for which a grace note's key is down, at most
OVERLAP_S = 0.04  # for which it is held into the next note; longer is a broken chord
NEAR = 7  # semitones within which notes are of one voice, which rests before a grace note and on the main note
REST_S = 0.12  # that rest, at least
REST = {1: 2.5, 2: 1.7}  # and in lengths of the longest grace note, by the size of the group
ALONE = 12  # semitones within which nothing is struck together with a grace note: chords have none before all keys
LOUDER = 6  # velocity by which a grace note may exceed its main note
ON_BEAT_S = 0.06  # from a mordent's first note to its beat, at most
LONG_S = 0.3  # for which the key of a mordent's last note is down, at least; shorter notes have grace notes

SIGNED = ("trill", "mordent", "inverted-mordent")  # on the note that carries the sign


def find_ornaments(performance: Performance, beats_s: Sequence[float] = ()) -> list[str | None]:
    """For each note of the performance None or its part in an ornament, as in `NotatedNote.ornament`.

    Two grace notes of which the first is the main note itself are a mordent where that begins on one of the beats.
    """
    notes = performance.notes
    found: list[str | None] = [None] * len(notes)
    for trill in _trills(notes):
        for i in trill:
            found[i] = "trilled"
        main = min(notes[i].pitch for i in trill)
        found[next(i for i in trill if notes[i].pitch == main)] = "trill"
    for main in range(len(notes)):
        group = _graces(notes, main, found)
        for i in group:
            found[i] = "grace"
        if len(group) == GROUP and _is_mordent(notes, group[-1], main, beats_s):
            found[group[-1]] = "inverted-mordent" if notes[group[0]].pitch > notes[main].pitch else "mordent"
            found[group[0]] = found[main] = "trilled"
    return found


def _trills(notes: tuple[Note, ...]) -> Iterator[list[int]]:
    """Indices of each trill's notes: quick alternations of two keys one or two semitones apart."""
    places: dict[int, list[int]] = defaultdict(list)
    for i, note in enumerate(notes):
        places[note.pitch].append(i)
    taken: set[int] = set()
    for low in sorted(places):
        for high in (low + 1, low + 2):
            for run in _alternations(notes, sorted(places[low] + places.get(high, []))):
                if _is_trill(notes, run) and taken.isdisjoint(run):
                    taken.update(run)
                    yield run


def _alternations(notes: tuple[Note, ...], indices: list[int]) -> Iterator[list[int]]:
    """Longest runs among the given notes in which the pitch changes with every note, at a trill's pace."""
    run: list[int] = []
    for i in indices:
        gap_s = notes[i].onset_s - notes[run[-1]].onset_s if run else 0.0
        if run and not (notes[i].pitch != notes[run[-1]].pitch and TRILL_S[0] <= gap_s <= TRILL_S[1]):
            yield run
            run = []
        run.append(i)
    yield run


def _is_trill(notes: tuple[Note, ...], run: list[int]) -> bool:
    if len(run) < FEWEST or np.median(np.diff([notes[i].onset_s for i in run])) > SLOWEST_S:
        return False
    pitches = [notes[i].pitch for i in run]
    low, high = min(pitches) - CROWD, max(pitches) + CROWD
    others = sum(low <= note.pitch <= high for note in notes[run[0] : run[-1] + 1]) - len(run)
    return others <= CROWDED * len(run)


def _graces(notes: tuple[Note, ...], main: int, found: list[str | None]) -> list[int]:
    """Indices of the grace notes before a note, none where it is none's main note."""
    if found[main]:
        return []
    group: list[int] = []
    first = main
    while len(group) < GROUP and (before := _grace_before(notes, first, main)) is not None and not found[before]:
        group.append(before)
        first = before
    if not group or notes[main].onset_s - notes[first].onset_s > GROUP_S:
        return []
    following = [main, *group[:-1]]
    longest_s = max(notes[after].onset_s - notes[i].onset_s for i, after in zip(group, following, strict=True))
    rest_s = max(REST_S, REST[len(group)] * longest_s)
    free = _is_free(notes, first, -rest_s, 0.0, NEAR) and _is_free(notes, main, GRACE_S[0], rest_s, NEAR)
    return group if free and all(_is_free(notes, i, -GRACE_S[0], GRACE_S[0], ALONE) for i in group) else []


def _is_mordent(notes: tuple[Note, ...], first: int, main: int, beats_s: Sequence[float]) -> bool:
    """Whether a group of grace notes that begins with `first` is played upon the beat, and comes to rest."""
    if notes[first].pitch != notes[main].pitch or notes[main].offset_s - notes[main].onset_s < LONG_S:
        return False
    if not len(beats_s):
        return False
    off_s = [float(np.abs(np.asarray(beats_s) - notes[i].onset_s).min()) for i in (first, main)]
    return off_s[0] <= ON_BEAT_S and off_s[0] < off_s[1]


def _grace_before(notes: tuple[Note, ...], following: int, main: int) -> int | None:
    """Index of the grace note that comes next before `following` on its way to `main`."""
    for i in range(following - 1, -1, -1):
        gap_s = notes[following].onset_s - notes[i].onset_s
        if gap_s > GRACE_S[1]:
            return None
        apart = abs(notes[i].pitch - notes[main].pitch)
        step = apart in (1, 2) or (following != main and apart == 0)
        if (
            gap_s >= GRACE_S[0]
            and step
            and notes[i].pitch != notes[following].pitch
            and notes[i].offset_s - notes[i].onset_s <= SHORT_S
            and notes[i].offset_s <= notes[following].onset_s + OVERLAP_S
            and notes[i].velocity <= notes[main].velocity + LOUDER
        ):
            return i
    return None


def _is_free(notes: tuple[Note, ...], index: int, from_s: float, until_s: float, near: int) -> bool:
    """Whether no other note within `near` semitones is struck in (from_s, until_s), counted from a note's onset."""
    here = notes[index]
    for direction, latest_s in ((-1, -from_s), (1, until_s)):
        i = index + direction
        while 0 <= i < len(notes) and abs(notes[i].onset_s - here.onset_s) < latest_s:
            later_s = notes[i].onset_s - here.onset_s
            if from_s < later_s < until_s and abs(notes[i].pitch - here.pitch) <= near:
                return False
            i += direction
    return True
