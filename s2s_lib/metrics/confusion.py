"""Which pitch was taken for which, octave errors told apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from s2s_lib.config import EvaluationConfig
from s2s_lib.metrics.scores import match
from s2s_lib.notes import LOWEST_PITCH, PITCHES, Note, Performance

TIME_STEP_S = 0.01  # onsets closer than this count as equally close when wrong pitches are paired


@dataclass(frozen=True)
class Confusion:
    """Which pitch was taken for which.

    `matrix` is (89, 89) of counts: row = played key, column = transcribed key, both A0-C8; the last column counts
    missed notes, the last row invented ones. `intervals` counts wrong pitches by what they are above or below the
    played one, such as {"octave above": 2}; octaves and fifths include their compounds (two octaves, a twelfth).
    """

    matrix: np.ndarray
    intervals: dict[str, int]

    def __add__(self, other: Confusion) -> Confusion:
        intervals = Counter(self.intervals) + Counter(other.intervals)
        return Confusion(self.matrix + other.matrix, dict(sorted(intervals.items())))

    def as_dict(self) -> dict[str, Any]:
        """Totals for a report: correct, wrong pitch (and its intervals), missed, invented."""
        keys = self.matrix[:PITCHES, :PITCHES]
        correct = int(np.trace(keys))
        return {
            "correct": correct,
            "wrong_pitch": int(keys.sum()) - correct,
            "wrong_pitch_intervals": self.intervals,
            "missed": int(self.matrix[:, PITCHES].sum()),
            "invented": int(self.matrix[PITCHES].sum()),
        }


def confusion(ref: Performance, est: Performance, evaluation: EvaluationConfig) -> Confusion:
    """Pairs notes by pitch and time first, then what is left by time alone.

    The second pairing takes candidates within `onset_tolerance` greedily, closest in time first (in steps of 10 ms,
    below which a chord's notes are simultaneous), then closest in pitch.
    """
    exact = match(ref.notes, est.notes, evaluation)
    found_ref, found_est = set(exact[:, 0]), set(exact[:, 1])
    missed = [n for i, n in enumerate(ref.notes) if i not in found_ref]
    invented = [n for j, n in enumerate(est.notes) if j not in found_est]
    wrong = _pair_by_time(missed, invented, evaluation.onset_tolerance)
    wrong_ref, wrong_est = {i for i, _ in wrong}, {j for _, j in wrong}
    nothing = LOWEST_PITCH + PITCHES  # the row and column of no note
    cells = [(ref.notes[i].pitch, est.notes[j].pitch) for i, j in exact]
    cells += [(missed[i].pitch, invented[j].pitch) for i, j in wrong]
    cells += [(note.pitch, nothing) for i, note in enumerate(missed) if i not in wrong_ref]
    cells += [(nothing, note.pitch) for j, note in enumerate(invented) if j not in wrong_est]
    matrix = np.zeros((PITCHES + 1, PITCHES + 1), dtype=int)
    for played, heard in cells:
        matrix[played - LOWEST_PITCH, heard - LOWEST_PITCH] += 1
    names = Counter(_interval_name(invented[j].pitch - missed[i].pitch) for i, j in wrong)
    return Confusion(matrix, dict(sorted(names.items())))


def _pair_by_time(ref: list[Note], est: list[Note], tolerance: float) -> list[tuple[int, int]]:
    """Greedy one-to-one pairing of notes with close onsets, whatever their pitch: pairs (ref, est)."""
    onsets = np.array([n.onset_s for n in est])
    order = np.argsort(onsets, kind="stable")
    candidates = []
    for i, note in enumerate(ref):
        first, last = np.searchsorted(onsets[order], (note.onset_s - tolerance, note.onset_s + tolerance))
        for j in order[first:last]:
            steps = round(abs(est[j].onset_s - note.onset_s) / TIME_STEP_S)
            candidates.append((steps, abs(est[j].pitch - note.pitch), i, int(j)))
    pairs, used_ref, used_est = [], set(), set()
    for _, _, i, j in sorted(candidates):
        if i not in used_ref and j not in used_est:
            pairs.append((i, j))
            used_ref.add(i)
            used_est.add(j)
    return pairs


def _interval_name(semitones: int) -> str:
    """'octave above', 'fifth below', 'semitone above' or 'other', seen from the played note."""
    size = abs(semitones)
    name = "semitone" if size == 1 else {0: "octave", 7: "fifth"}.get(size % 12, "")
    return f"{name} {'above' if semitones > 0 else 'below'}" if name else "other"
