"""Human performances with their true scores: performance.mid, performance_beats.txt, score.mid, score_beats.txt and
score.musicxml in one folder, as in the ASAP data set (Foscarin, McLeod, Rigaux, Jacquemard and Sakai, ISMIR 2020).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pretty_midi

from s2s_lib.benchmark.sheets.sheet import Sheet, SheetNote, read_sheet
from s2s_lib.errors import InputError
from s2s_lib.metre import straight
from s2s_lib.metrics import Notation
from s2s_lib.notes import LOWEST_PITCH, PITCHES, NotatedNote, Note, Performance, read_midi

FILES = ("performance.mid", "performance_beats.txt", "score.mid", "score_beats.txt", "score.musicxml")
EARLY = 0.15  # of a beat: notes are played so much before their beat
JUMP = 3.0  # beats' worth of agreement that a jump in the score costs


class Beat(NamedTuple):
    """A line of a file of beats: seconds, whether a measure starts there."""

    time_s: float
    is_downbeat: bool


def folders(root: Path) -> list[Path]:
    """The folders of performances in `root`. Raises InputError (usage) if there are none."""
    found = sorted(path.parent for path in root.glob("*/performance.mid"))
    if not found:
        raise InputError(f"{root}: has no folders with {', '.join(FILES)}; name one that has.", usage=True)
    return found


def read_truth(folder: Path) -> tuple[Performance, Notation]:
    """A performance and its true score, each note that is played in the score aligned with its printed one.

    The annotated beats are followed through the score, also where it repeats (or a repeat is left out). A note is
    aligned with the nearest printed one of its pitch, at most half a beat away from where the beats say that it is.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder}: has no {', '.join(missing)}; name folders that have {', '.join(FILES)}.")
    performance, sheet = read_midi(folder / "performance.mid"), read_sheet(folder / "score.musicxml")
    beats = read_beats(folder / "performance_beats.txt")
    grid = _grid(folder, sheet)
    times_s = np.array([beat.time_s for beat in beats])
    path = follow(performance, times_s, sheet, grid)
    places = np.concatenate([[0.0], np.cumsum(np.diff(grid)[path[:-1]])])
    first = int(np.argmax([beat.is_downbeat for beat in beats]))
    places += -places[first] % sheet.bar  # a pickup starts inside the first measure
    copies = _unfold(sheet, grid, path, places)
    notated = _align(performance, copies, places, times_s)
    downbeats = places[[beat.is_downbeat for beat in beats]]
    notation = Notation(performance.notes, notated, places, times_s, places, downbeats, sheet.time_signature, sheet.key)
    return performance, notation


def read_beats(path: Path) -> list[Beat]:
    """Reads lines of `time, time, b or db`. Raises InputError for other lines."""
    beats = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            time_s, _, label = line.split("\t")
            beats.append(Beat(float(time_s), label.startswith("db")))
        except ValueError:
            raise InputError(f"{path}: line {number} is no 'time, time, b or db' with tabs between.") from None
    return beats


def _grid(folder: Path, sheet: Sheet) -> np.ndarray:
    """Places of the beats in the written score and its end: the annotated ones, or regular ones if it has repeats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on tempo changes in other tracks than the first, which do no harm
        midi = pretty_midi.PrettyMIDI(str(folder / "score.mid"))
    ticks = [midi.time_to_tick(beat.time_s) for beat in read_beats(folder / "score_beats.txt")]
    annotated = np.array(ticks) / midi.resolution
    if annotated[-1] <= sheet.end:
        return np.append(annotated, annotated[-1] + 4 / sheet.time_signature[1])
    ends = (*sheet.measures[1:], sheet.end)
    step = 4 / sheet.time_signature[1]
    beats = [np.arange(start, end - 1e-6, step) for start, end in zip(sheet.measures, ends, strict=True)]
    return np.append(np.concatenate(beats), sheet.end)


def follow(performance: Performance, times_s: np.ndarray, sheet: Sheet, grid: np.ndarray) -> np.ndarray:
    """Which beat of the score each performed beat is: (b,) indices into `grid` without its end.

    The path through the score with the best agreement of pitches beat by beat (Dice's coefficient), by Viterbi's
    algorithm; going on to the next beat is free, any jump costs the same.
    """
    played = _pitches(performance.notes, [note.onset_s for note in performance.notes], _windows(times_s))
    written = _pitches(sheet.notes, sheet.places, np.append(grid[:-1] - 0.02, grid[-1]))
    agreement = np.array([_dice(beat, written) for beat in played])
    score, came_from = agreement[0].copy(), []
    score[1:] -= JUMP
    for row in agreement[1:]:
        jump = int(np.argmax(score))
        onward = np.append(-np.inf, score[:-1])
        jumps = score[jump] - JUMP > onward
        came_from.append(np.where(jumps, jump, np.arange(len(score)) - 1))
        score = np.where(jumps, score[jump] - JUMP, onward) + row
    path = [int(np.argmax(score))]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])


def _windows(times_s: np.ndarray) -> np.ndarray:
    """Where the notes of each beat start, in seconds, and the end of the last one."""
    lengths = np.diff(times_s, append=2 * times_s[-1] - times_s[-2])
    return np.append(times_s - EARLY * lengths, times_s[-1] + lengths[-1])


def _pitches(notes: Sequence[Note | SheetNote], places: Sequence[float], edges: np.ndarray) -> np.ndarray:
    """How often each key is struck in each of the stretches between `edges`: (stretches, 88)."""
    counts = np.zeros((len(edges) - 1, PITCHES), dtype=int)
    for note, stretch in zip(notes, np.searchsorted(edges, places, side="right") - 1, strict=True):
        if 0 <= stretch < len(counts):
            counts[stretch, note.pitch - LOWEST_PITCH] += 1
    return counts


def _dice(beat: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Agreement of one beat's keys (88,) with those of others (n, 88): (n,), 1 where both are empty."""
    common, total = np.minimum(beat, beats).sum(axis=1), beat.sum() + beats.sum(axis=1)
    return np.where(total > 0, 2 * common / np.maximum(total, 1), 1.0)


def _unfold(sheet: Sheet, grid: np.ndarray, path: np.ndarray, places: np.ndarray) -> list[SheetNote]:
    """The printed notes beat by beat as they were played, at their places in the performed score."""
    stretches = np.searchsorted(grid, sheet.places + 1e-6, side="right") - 1
    by_beat: dict[int, list[SheetNote]] = {}
    for note, beat in zip(sheet.notes, stretches.tolist(), strict=True):
        by_beat.setdefault(beat, []).append(note)
    beats = list(zip(path.tolist(), places.tolist(), strict=True))
    if path[0] > 0 and grid[0] < grid[path[0]]:
        beats.insert(0, (int(path[0]) - 1, places[0] - (grid[path[0]] - grid[path[0] - 1])))
    return [
        SheetNote(note.pitch, _moved(note.written, place - float(grid[beat])))
        for beat, place in beats
        for note in by_beat.get(beat, ())
    ]


def _moved(written: NotatedNote, by: float) -> NotatedNote:
    return replace(written, onset_beat=written.onset_beat + by)


def _align(
    performance: Performance, copies: Sequence[SheetNote], places: np.ndarray, times_s: np.ndarray
) -> tuple[NotatedNote | None, ...]:
    """Pairs played and printed notes of a pitch, nearest first; distances are in beats."""
    beats = np.arange(len(places), dtype=float)
    played = straight(np.array([note.onset_s for note in performance.notes]), times_s, beats)
    printed = straight(np.array([note.written.onset_beat for note in copies]), places, beats)
    by_pitch: dict[int, list[int]] = {}
    for k, note in enumerate(copies):
        by_pitch.setdefault(note.pitch, []).append(k)
    candidates = []
    for i, note in enumerate(performance.notes):
        near = [(abs(played[i] - printed[k]), i, k) for k in by_pitch.get(note.pitch, ())]
        candidates += [candidate for candidate in near if candidate[0] <= 0.5]
    notated: list[NotatedNote | None] = [None] * len(performance.notes)
    used = set()
    for _, i, k in sorted(candidates):
        if notated[i] is None and k not in used:
            notated[i] = copies[k].written
            used.add(k)
    return tuple(notated)
