"""What went wrong, note by note: every mistake of a transcription gets a kind that a musician knows.

Notes are matched by onset as for the onset score (`metrics.match`). Then

- every played note that was not found has exactly one of the kinds in group "missed", the first that fits in the
  order of `KINDS`; so they add up to the onset score's false negatives
- every transcribed note that is not matched has exactly one of the kinds in group "invented", the first that fits;
  they add up to its false positives
- a matched note may be wrong in three ways, each told by one kind: its key release, the end of its sound (pedal
  included), by the tolerances of the onset and offset scores, and its velocity, by mir_eval's rule after a linear fit

A note sounds from its onset to its pedal-extended end. The kinds are ours; the partials of a string are those of
Fletcher and Rossing, "The Physics of Musical Instruments" (1998), rounded to keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from s2s_lib.config import EvaluationConfig
from s2s_lib.metrics.music import AGAIN_S, CHORD_S
from s2s_lib.metrics.scores import ends_agree, match, velocities_agree
from s2s_lib.notes import Note, Performance, as_arrays, extend_by_pedal

SOFT = 40  # MIDI velocity below which a note is soft
CHORD_KEYS = 3  # keys struck together, each less than 30 ms after the one before, that make a chord
MISTIMED_S = 0.2  # a missed and an invented note of one key at most this far apart are one note at a wrong time
NEAR = 2  # semitones to a wrong key that counts as near
OCTAVES = (12, 24, 36)  # semitones from a string to its second, fourth and eighth partial
TWELFTHS = (19, 31)  # to its third and sixth, an octave and two octaves above the fifth


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: its group ("missed", "invented", "end" or "velocity"), its name and what it means."""

    group: str
    name: str
    meaning: str


KINDS = {
    "missed_mistimed": Kind(
        "missed", "missed, off in time", "the key is written, but off by more than the tolerance, at most 0.2 s"
    ),
    "missed_repeated": Kind(
        "missed",
        "repeated note merged",
        "struck again within 1 s, or while the note before is still written",
    ),
    "missed_chord": Kind("missed", "missed in a chord", "struck together with at least two other keys"),
    "missed_soft": Kind("missed", "missed soft note", "played with a velocity below 40"),
    "missed_other": Kind("missed", "missed, other", "none of these"),
    "invented_mistimed": Kind(
        "invented", "invented, off in time", "its key was struck, but off by more than the tolerance, at most 0.2 s"
    ),
    "invented_doubled": Kind("invented", "doubled note", "its key's note was still sounding: one note written twice"),
    "invented_near": Kind("invented", "wrong key near", "a note one or two semitones away was missed at the same time"),
    "invented_octave": Kind(
        "invented", "ghost octave", "one, two or three octaves above a note that was struck within 1 s and sounds"
    ),
    "invented_fifth": Kind(
        "invented", "ghost fifth", "an octave or two and a fifth above a note that was struck within 1 s and sounds"
    ),
    "invented_other": Kind("invented", "invented, other", "none of these"),
    "release_early": Kind("end", "early release", "the key is written as released too early"),
    "release_late": Kind("end", "late release", "the key is written as released too late"),
    "sound_early": Kind("end", "early end of sound", "its pedal-extended end is written too early"),
    "sound_late": Kind("end", "late end of sound", "its pedal-extended end is written too late"),
    "velocity": Kind("velocity", "wrong velocity", "louder or softer than played, the recording's level apart"),
}


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake: when it happens (the note's onset, or the played end for group "end"), its kind and its note.

    `note` is the played note, of group "invented" the transcribed one. `other` is the note beside it: the matched or
    mistimed transcription of a played note, the played note that an invented one repeats, misses or rings with.
    """

    time_s: float
    kind: str
    note: Note
    other: Note | None = field(default=None, compare=False)


def mistakes(
    ref: Performance, est: Performance, evaluation: EvaluationConfig, pairs: np.ndarray | None = None
) -> list[Mistake]:
    """All mistakes of a transcription, by time; `pairs` (k, 2) are the onset-matched notes where they are known."""
    pairs = match(ref.notes, est.notes, evaluation) if pairs is None else pairs
    missed = _left(len(ref.notes), pairs[:, 0])
    invented = _left(len(est.notes), pairs[:, 1])
    mistimed = _mistimed(ref, est, missed, invented)
    sounding = extend_by_pedal(ref)
    found = _missed_kinds(ref, est, missed, mistimed)
    found += _invented_kinds(ref, est, sounding, invented, missed, mistimed, evaluation.onset_tolerance)
    found += _ends(ref.notes, est.notes, pairs, evaluation, "release")
    found += _ends(sounding, extend_by_pedal(est), pairs, evaluation, "sound")
    agree = velocities_agree(ref.notes, est.notes, pairs, evaluation.velocity_tolerance)
    wrong = pairs[~agree].tolist()
    found += [Mistake(ref.notes[i].onset_s, "velocity", ref.notes[i], est.notes[j]) for i, j in wrong]
    return sorted(found)


def tally(found: Iterable[Mistake]) -> dict[str, int]:
    """How many mistakes there are of each kind, in the order of `KINDS`, zeros included."""
    counts = Counter(mistake.kind for mistake in found)
    return {kind: counts[kind] for kind in KINDS}


def worst_windows(
    times_s: Sequence[np.ndarray], seconds: float, most: int, lead_s: float = 0.5
) -> list[tuple[int, float, int]]:
    """Windows of `seconds` with the most mistakes: (piece, start in seconds, mistakes), at most `most`, worst first.

    times_s: of each piece the times of its mistakes, (m,). Windows start up to 0.1 s more than `lead_s` before a
    mistake, at a tenth of a second, and those of one piece do not overlap; of equally bad ones the first counts.
    """
    candidates = []
    for piece, times in enumerate(times_s):
        times = np.sort(times)
        starts = np.maximum(0.0, np.floor(10 * (times - lead_s)) / 10)
        counts = np.searchsorted(times, starts + seconds) - np.searchsorted(times, starts)
        candidates += [(-int(count), piece, float(start)) for start, count in zip(starts, counts, strict=True)]
    chosen: list[tuple[int, float, int]] = []
    for count, piece, start in sorted(candidates):
        if all(other != piece or abs(start - begin) >= seconds for other, begin, _ in chosen):
            chosen.append((piece, start, -count))
        if len(chosen) == most:
            break
    return chosen


def _left(count: int, taken: np.ndarray) -> list[int]:
    """Indices below `count` that are not taken."""
    return np.setdiff1d(np.arange(count), taken).tolist()


def _mistimed(ref: Performance, est: Performance, missed: list[int], invented: list[int]) -> list[tuple[int, int]]:
    """Pairs (ref, est) of unmatched notes of one key at most MISTIMED_S apart, the closest first, each note once."""
    close = [
        (abs(ref.notes[i].onset_s - est.notes[j].onset_s), i, j)
        for i in missed
        for j in invented
        if ref.notes[i].pitch == est.notes[j].pitch
    ]
    pairs: list[tuple[int, int]] = []
    for apart_s, i, j in sorted(close):
        if apart_s <= MISTIMED_S and all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs


def _missed_kinds(
    ref: Performance, est: Performance, missed: list[int], mistimed: list[tuple[int, int]]
) -> list[Mistake]:
    at_wrong_time = dict(mistimed)
    (played, keys, _), (written, written_keys, _) = as_arrays(ref.notes), as_arrays(est.notes)
    sizes = _chord_sizes(played[:, 0])
    found = []
    for i in missed:
        note, other = ref.notes[i], None
        before = (keys == note.pitch) & (played[:, 0] < note.onset_s)
        again = before & (played[:, 0] >= note.onset_s - AGAIN_S)
        held = written_keys == note.pitch
        held &= (written[:, 0] < note.onset_s) & (written[:, 1] > note.onset_s)
        if i in at_wrong_time:
            kind, other = "missed_mistimed", est.notes[at_wrong_time[i]]
        elif again.any() or held.any():
            kind, other = "missed_repeated", est.notes[int(np.argmax(held))] if held.any() else None
        elif sizes[i] >= CHORD_KEYS:
            kind = "missed_chord"
        else:
            kind = "missed_soft" if note.velocity < SOFT else "missed_other"
        found.append(Mistake(note.onset_s, kind, note, other))
    return found


def _chord_sizes(onsets_s: np.ndarray) -> np.ndarray:
    """For each note of sorted onsets (n,), how many keys are struck together with it, itself among them: (n,)."""
    if not len(onsets_s):
        return np.zeros(0, dtype=int)
    chord = np.cumsum(np.diff(onsets_s, prepend=onsets_s[0]) >= CHORD_S)
    return np.bincount(chord)[chord]


def _invented_kinds(
    ref: Performance,
    est: Performance,
    sounding: Sequence[Note],
    invented: list[int],
    missed: list[int],
    mistimed: list[tuple[int, int]],
    tolerance_s: float,
) -> list[Mistake]:
    at_wrong_time = {j: i for i, j in mistimed}
    played, keys, _ = as_arrays(list(sounding))
    was_missed = np.zeros(len(keys), dtype=bool)
    was_missed[missed] = True
    found = []
    for j in invented:
        note, other = est.notes[j], None
        age = note.onset_s - played[:, 0]  # of each played note, in seconds
        above = note.pitch - keys
        sounds = (age >= -tolerance_s) & (played[:, 1] > note.onset_s)
        rings = sounds & (age <= AGAIN_S)
        fits = {
            "invented_doubled": sounds & (above == 0),
            "invented_near": was_missed & (np.abs(age) <= tolerance_s) & (np.abs(above) <= NEAR),
            "invented_octave": rings & np.isin(above, OCTAVES),
            "invented_fifth": rings & np.isin(above, TWELFTHS),
        }
        if j in at_wrong_time:
            kind, other = "invented_mistimed", ref.notes[at_wrong_time[j]]
        else:
            kind = next((name for name, fit in fits.items() if fit.any()), "invented_other")
            other = ref.notes[int(np.flatnonzero(fits[kind])[-1])] if kind in fits else None
        found.append(Mistake(note.onset_s, kind, note, other))
    return found


def _ends(
    ref: Sequence[Note], est: Sequence[Note], pairs: np.ndarray, evaluation: EvaluationConfig, end: str
) -> list[Mistake]:
    """Matched notes that end too early or too late; `end` is "release" or "sound"."""
    (played, _, _), (written, _, _) = as_arrays(list(ref)), as_arrays(list(est))
    wrong = pairs[~ends_agree(played[pairs[:, 0]], written[pairs[:, 1]], evaluation)].tolist()
    return [
        Mistake(ref[i].offset_s, f"{end}_{'early' if est[j].offset_s < ref[i].offset_s else 'late'}", ref[i], est[j])
        for i, j in wrong
    ]
