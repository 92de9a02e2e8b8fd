"""Counts and deviations of one transcription."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np

from s2s_lib.config import EvaluationConfig
from s2s_lib.notes import LOWEST_PITCH, PITCHES, Note, Performance, as_arrays, extend_by_pedal

FRAME_S = 0.01  # grid of the frame score
ROUNDED_S = 0.001  # more than rounding moves a time
COUNTED = ("onset", "onset_offset_key", "onset_offset_pedal", "onset_offset_velocity", "frame")
DEVIATIONS = ("onset_deviation", "offset_deviation_key", "offset_deviation_pedal")


@dataclass(frozen=True)
class Counts:
    """Matched, reference and estimated notes (or pitch-frames), and the ratios made of them (all 0-1)."""

    matched: int
    ref: int
    est: int

    @property
    def precision(self) -> float:
        """TP / (TP + FP): share of what was transcribed that is right."""
        return self.matched / self.est if self.est else 0.0

    @property
    def recall(self) -> float:
        """TP / (TP + FN): share of what was played that was found."""
        return self.matched / self.ref if self.ref else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN): harmonic mean of precision and recall."""
        total = self.ref + self.est
        return 2 * self.matched / total if total else 0.0

    @property
    def accuracy(self) -> float:
        """TP / (TP + FP + FN) (Dixon 2000; for frames Bay et al. 2009)."""
        union = self.ref + self.est - self.matched
        return self.matched / union if union else 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.matched + other.matched, self.ref + other.ref, self.est + other.est)

    def as_dict(self) -> dict[str, float]:
        """Ratios and counts for a report."""
        ratios = {name: getattr(self, name) for name in ("precision", "recall", "f1", "accuracy")}
        return {**ratios, "matched": self.matched, "ref": self.ref, "est": self.est}


@dataclass(frozen=True)
class Deviation:
    """Estimated minus reference time in seconds over matched notes: positive is late. None without matches."""

    mean_s: float | None
    mean_absolute_s: float | None
    median_absolute_s: float | None
    p95_absolute_s: float | None

    @classmethod
    def of(cls, differences: np.ndarray) -> Deviation:
        """Deviation of signed differences (n,) in seconds."""
        if not len(differences):
            return cls(None, None, None, None)
        size = np.abs(differences)
        values = (differences.mean(), size.mean(), np.median(size), np.percentile(size, 95))
        return cls(*map(float, values))


@dataclass(frozen=True)
class Scores:
    """All scores of one transcription.

    `note_accuracy` is TP / (TP + FP + FN) on onset matching. The deviations are taken over onset-matched notes, in
    both offset conventions. `velocity_error` is the mean absolute difference of matched notes' MIDI velocities, not
    rescaled. `onset_offset_velocity` uses key releases.
    """

    onset: Counts
    onset_offset_key: Counts
    onset_offset_pedal: Counts
    onset_offset_velocity: Counts
    frame: Counts
    onset_deviation: Deviation
    offset_deviation_key: Deviation
    offset_deviation_pedal: Deviation
    velocity_error: float | None

    @property
    def note_accuracy(self) -> float:
        """TP / (TP + FP + FN) on onset matching (Dixon 2000)."""
        return self.onset.accuracy

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values; None, never NaN, where nothing could be measured."""
        return {
            "note_accuracy": self.note_accuracy,
            **{name: getattr(self, name).as_dict() for name in COUNTED},
            **{name: dict(vars(getattr(self, name))) for name in DEVIATIONS},
            "velocity_error": self.velocity_error,
        }

    def flat(self) -> dict[str, float | int | None]:
        """`as_dict` with one level: `onset.f1`, `onset_deviation.mean_s` and so on."""
        flat: dict[str, float | int | None] = {}
        for name, value in self.as_dict().items():
            parts = value.items() if isinstance(value, dict) else [("", value)]
            flat.update({f"{name}.{part}".rstrip("."): number for part, number in parts})
        return flat


def score(ref: Performance, est: Performance, evaluation: EvaluationConfig) -> Scores:
    """Scores a transcription against the notes that were played, with the tolerances in `evaluation`."""
    ref_pedal, est_pedal = extend_by_pedal(ref), extend_by_pedal(est)
    onset = match(ref.notes, est.notes, evaluation)
    key = match(ref.notes, est.notes, evaluation, offsets=True)
    pedal = match(ref_pedal, est_pedal, evaluation, offsets=True)
    velocity = velocities_agree(ref.notes, est.notes, key, evaluation.velocity_tolerance)
    sizes = len(ref.notes), len(est.notes)
    return Scores(
        onset=Counts(len(onset), *sizes),
        onset_offset_key=Counts(len(key), *sizes),
        onset_offset_pedal=Counts(len(pedal), *sizes),
        onset_offset_velocity=Counts(int(velocity.sum()), *sizes),
        frame=frame_counts(ref.notes, est.notes),
        onset_deviation=Deviation.of(differences(ref.notes, est.notes, onset, "onset_s")),
        offset_deviation_key=Deviation.of(differences(ref.notes, est.notes, onset, "offset_s")),
        offset_deviation_pedal=Deviation.of(differences(ref_pedal, est_pedal, onset, "offset_s")),
        velocity_error=mean_or_none(np.abs(differences(ref.notes, est.notes, onset, "velocity"))),
    )


def match(ref: Sequence[Note], est: Sequence[Note], evaluation: EvaluationConfig, offsets: bool = False) -> np.ndarray:
    """Largest one-to-one matching of reference and estimated notes of equal pitch: (k, 2) indices (ref, est).

    Onsets within `onset_tolerance`; with `offsets` also offsets within the larger of `offset_ratio` times the
    reference duration and `offset_min_tolerance`. The matching is that of mir_eval.transcription.match_notes: pairs
    of notes that are near no other are taken as they are, the few that are left go through it pitch by pitch.
    """
    near = close_pairs(ref, est, evaluation, offsets)
    alone = (np.bincount(near[:, 0])[near[:, 0]] == 1) & (np.bincount(near[:, 1])[near[:, 1]] == 1)
    found, crowded = [near[alone]], near[~alone]
    pitches = np.array([ref[i].pitch for i in crowded[:, 0]])
    for pitch in np.unique(pitches):
        ref_index, est_index = (np.unique(column) for column in crowded[pitches == pitch].T)
        ref_intervals, ref_pitches, _ = as_arrays([ref[i] for i in ref_index])
        est_intervals, est_pitches, _ = as_arrays([est[j] for j in est_index])
        matching = mir_eval.transcription.match_notes(
            ref_intervals,
            mir_eval.util.midi_to_hz(ref_pitches),
            est_intervals,
            mir_eval.util.midi_to_hz(est_pitches),
            onset_tolerance=evaluation.onset_tolerance,
            offset_ratio=evaluation.offset_ratio if offsets else None,
            offset_min_tolerance=evaluation.offset_min_tolerance,
        )
        ref_hits, est_hits = np.array(matching).T
        found.append(np.stack([ref_index[ref_hits], est_index[est_hits]], axis=1))
    pairs = np.concatenate(found)
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def close_pairs(
    ref: Sequence[Note], est: Sequence[Note], evaluation: EvaluationConfig, offsets: bool = False
) -> np.ndarray:
    """All pairs of notes that may be matched: (k, 2) indices (ref, est), by mir_eval's rule and rounding of times."""
    ref_intervals, ref_pitches, _ = as_arrays(list(ref))
    est_intervals, est_pitches, _ = as_arrays(list(est))
    order = np.argsort(est_intervals[:, 0], kind="stable")
    reach = evaluation.onset_tolerance + ROUNDED_S
    first, last = (np.searchsorted(est_intervals[order, 0], ref_intervals[:, 0] + side) for side in (-reach, reach))
    i = np.repeat(np.arange(len(first)), last - first)
    j = order[np.arange(len(i)) + np.repeat(first - np.cumsum(last - first) + (last - first), last - first)]
    near = (ref_pitches[i] == est_pitches[j]) & (
        _apart(ref_intervals[i, 0], est_intervals[j, 0]) <= evaluation.onset_tolerance
    )
    if offsets:
        near &= ends_agree(ref_intervals[i], est_intervals[j], evaluation)
    return np.stack([i[near], j[near]], axis=1)


def ends_agree(ref: np.ndarray, est: np.ndarray, evaluation: EvaluationConfig) -> np.ndarray:
    """Whether the offsets of intervals ref and est, each (k, 2) in seconds, agree by mir_eval's rule: (k,) booleans."""
    tolerance = np.maximum(evaluation.offset_ratio * (ref[:, 1] - ref[:, 0]), evaluation.offset_min_tolerance)
    return _apart(ref[:, 1], est[:, 1]) <= tolerance


def _apart(ref_s: np.ndarray, est_s: np.ndarray) -> np.ndarray:
    """Seconds between times, rounded as mir_eval does, so that 50 ms are not more than 50 ms."""
    return np.around(np.abs(ref_s - est_s), decimals=mir_eval.transcription.N_DECIMALS)


def differences(ref: Sequence[Note], est: Sequence[Note], pairs: np.ndarray, name: str) -> np.ndarray:
    """Estimated minus reference value of a Note's field `name` over matched pairs (k, 2): shape (k,)."""
    return np.array([getattr(est[j], name) - getattr(ref[i], name) for i, j in pairs], dtype=float)


def frame_counts(ref: Sequence[Note], est: Sequence[Note]) -> Counts:
    """Pitch-frames on a grid of 10 ms, key held (Bay et al. 2009): frame k sounds when onset <= k * 10 ms < offset."""
    frames = _first_frame(max((n.offset_s for n in (*ref, *est)), default=0.0))
    ref_roll, est_roll = _roll(ref, frames), _roll(est, frames)
    return Counts(int((ref_roll & est_roll).sum()), int(ref_roll.sum()), int(est_roll.sum()))


def mean_or_none(values: Sequence[float] | np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def velocities_agree(ref: Sequence[Note], est: Sequence[Note], pairs: np.ndarray, tolerance: float) -> np.ndarray:
    """Which matched pairs (k, 2) also agree in velocity: (k,) booleans, by mir_eval.transcription_velocity's rule.

    Reference velocities are scaled to 0-1 by their range in the piece; a straight line fitted by least squares to
    the matched pairs maps the estimated ones onto them, so a recording's overall level and span do not matter.
    """
    if not len(pairs):
        return np.zeros(0, dtype=bool)
    played = np.array([n.velocity for n in ref], dtype=float)
    scaled = (played - played.min()) / max(1.0, np.ptp(played))
    target = scaled[pairs[:, 0]]
    heard = np.array([est[j].velocity for j in pairs[:, 1]], dtype=float)
    line = np.stack([heard, np.ones_like(heard)], axis=1)
    fitted = line @ np.linalg.lstsq(line, target, rcond=None)[0]
    return np.abs(fitted - target) < tolerance


def _first_frame(seconds: float) -> int:
    """Index of the first frame at or after a time; a millionth of a frame forgives 0.07 / 0.01 = 7.000000000000001."""
    return int(np.ceil(seconds / FRAME_S - 1e-6))


def _roll(notes: Sequence[Note], frames: int) -> np.ndarray:
    """Key-held piano roll: (88, frames) booleans."""
    roll = np.zeros((PITCHES, frames), dtype=bool)
    for note in notes:
        roll[note.pitch - LOWEST_PITCH, _first_frame(note.onset_s) : _first_frame(note.offset_s)] = True
    return roll
