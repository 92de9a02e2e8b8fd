"""What music is like, in numbers: statistics of performances, and how far one set of them is from another.

Nothing here knows a score, a model or where the music comes from; a performance is notes and pedal in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from s2s_lib.notes import Note, Performance, extend_by_pedal, pedal_spans

CHORD_S = 0.03  # onsets closer than this belong to one chord
WINDOW_S = 2.0  # in which notes are counted for the note rate
AGAIN_S = 1.0  # a key struck again within this time is a repeated note
SHORTEST_S, LONGEST_S = 0.005, 30.0  # key-down times are clipped to this before their logarithm is taken
RHYTHM_BINS = np.arange(np.log2(CHORD_S), 3, 0.25)  # quarter octaves from a chord's spread to 8 s


@dataclass(frozen=True)
class Measure:
    """One property of music: `values` gives its values in a performance, one per note, onset, window or piece.

    `log` says that values are compared on a logarithmic scale (base 2, so that distances are octaves).
    """

    name: str
    unit: str
    values: Callable[[Performance], np.ndarray]
    log: bool = False

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Values as they are compared."""
        return np.log2(values) if self.log else values


def note_rates(performance: Performance) -> np.ndarray:
    """Notes per second in windows of 2 s that cover the piece without overlap: (w,); at least one window."""
    onsets = _onsets(performance)
    if not len(onsets):
        return np.zeros(0)
    count = max(1, int((performance.end_s - onsets[0]) / WINDOW_S))
    return np.histogram(onsets, onsets[0] + WINDOW_S * np.arange(count + 1))[0] / WINDOW_S


def keys_held(performance: Performance) -> np.ndarray:
    """How many keys are down at each onset, the struck one included: (n,)."""
    return _down_at_onsets(performance.notes)


def keys_sounding(performance: Performance) -> np.ndarray:
    """How many strings sound at each onset, through keys held or through the pedal: (n,)."""
    return _down_at_onsets(extend_by_pedal(performance))


def inter_onsets(performance: Performance) -> np.ndarray:
    """Seconds from one onset to the next, without those inside a chord: (m,)."""
    gaps = np.diff(_onsets(performance))
    return gaps[gaps >= CHORD_S]


def rhythm_entropy(performance: Performance) -> np.ndarray:
    """Variety of rhythm in bits: the entropy of `inter_onsets` in bins of a quarter octave from 30 ms to 8 s: (1,)."""
    gaps = inter_onsets(performance)
    if not len(gaps):
        return np.zeros(0)
    counts = np.histogram(np.log2(gaps), RHYTHM_BINS)[0]
    shares = counts[counts > 0] / max(1, counts.sum())
    return np.array([-(shares * np.log2(shares)).sum() + 0.0])


def chord_sizes(performance: Performance) -> np.ndarray:
    """How many keys are struck together, each less than 30 ms after the one before: (chords,)."""
    onsets = _onsets(performance)
    if not len(onsets):
        return np.zeros(0)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(onsets) >= CHORD_S) + 1, [len(onsets)]])
    return np.diff(starts)


def durations(performance: Performance) -> np.ndarray:
    """Seconds that each key is down: (n,)."""
    return np.clip([note.offset_s - note.onset_s for note in performance.notes], SHORTEST_S, LONGEST_S)


def velocity_spread(performance: Performance) -> np.ndarray:
    """Standard deviation of the velocities within the piece: (1,); none for a piece of one note."""
    velocities = [note.velocity for note in performance.notes]
    return np.array([np.std(velocities)]) if len(velocities) > 1 else np.zeros(0)


def pedal_share(performance: Performance) -> np.ndarray:
    """Share of the time from the first onset to the last key release in which the sustain pedal is down: (1,)."""
    if not performance.notes:
        return np.zeros(0)
    start, end = performance.notes[0].onset_s, performance.end_s
    spans = np.array(pedal_spans(performance.pedal, end)).reshape(-1, 2).clip(start, end)
    return np.array([np.diff(spans).sum() / (end - start)])


def repeated_share(performance: Performance) -> np.ndarray:
    """Share of notes whose key was last struck at most 1 s earlier (onset to onset): (1,)."""
    last: dict[int, float] = {}
    repeated = 0
    for note in performance.notes:
        repeated += note.onset_s - last.get(note.pitch, -np.inf) <= AGAIN_S
        last[note.pitch] = note.onset_s
    return np.array([repeated / len(performance.notes)]) if performance.notes else np.zeros(0)


MEASURES = (
    Measure("note rate", "notes/s in 2 s", note_rates),
    Measure("polyphony", "keys held at an onset", keys_held),
    Measure("polyphony, pedal-extended", "strings sounding at an onset", keys_sounding),
    Measure("pitch", "MIDI key", lambda p: np.array([note.pitch for note in p.notes])),
    Measure("inter-onset interval", "s, chords as one", inter_onsets, log=True),
    Measure("rhythmic variety", "bits in a piece", rhythm_entropy),
    Measure("duration", "s that a key is down", durations, log=True),
    Measure("velocity", "MIDI velocity", lambda p: np.array([note.velocity for note in p.notes])),
    Measure("velocity spread", "SD in a piece", velocity_spread),
    Measure("pedal share", "of a piece's time", pedal_share),
    Measure("chord size", "keys struck together", chord_sizes),
    Measure("repeated notes", "share in a piece, within 1 s", repeated_share),
)


def pooled(measure: Measure, performances: Sequence[Performance]) -> np.ndarray:
    """All values of a measure over several performances, each value counting once."""
    return np.concatenate([np.zeros(0), *map(measure.values, performances)])


def distance(measure: Measure, values: np.ndarray, ref_values: np.ndarray) -> float | None:
    """How far two samples are apart, in standard deviations of the reference; 0 where the distributions are equal.

    The Wasserstein-1 (earth mover's) distance, that is the mean way that the values of one distribution must go to
    become the other one, on a base-2 logarithmic scale for times, divided by the reference's standard deviation on
    the same scale. None where a sample is empty or the reference has no spread.
    """
    values, ref_values = measure.scale(values), measure.scale(ref_values)
    spread = float(np.std(ref_values)) if len(ref_values) else 0.0
    if not len(values) or spread < 1e-9:
        return None
    return float(wasserstein_distance(values, ref_values)) / spread


def floor(measure: Measure, reference: Sequence[Performance], draws: int = 100, seed: int = 0) -> float | None:
    """The distance that chance alone leaves: the median distance of the reference to bootstrap samples of itself.

    Each of `draws` samples holds as many whole performances as the reference, drawn with replacement (Efron 1979,
    by cluster, as notes of one performance belong together). What lies at or below this floor can't be told from
    the reference with so few pieces.
    """
    rng = np.random.default_rng(seed)
    by_piece = [measure.values(performance) for performance in reference]
    everything = np.concatenate([np.zeros(0), *by_piece])
    found = []
    for _ in range(draws):
        drawn = rng.integers(len(by_piece), size=len(by_piece)).tolist() if by_piece else []
        found.append(distance(measure, np.concatenate([np.zeros(0), *(by_piece[i] for i in drawn)]), everything))
    known = [value for value in found if value is not None]
    return float(np.median(known)) if known else None


def _onsets(performance: Performance) -> np.ndarray:
    return np.sort(np.array([note.onset_s for note in performance.notes], dtype=float))


def _down_at_onsets(notes: Sequence[Note]) -> np.ndarray:
    onsets = np.sort([note.onset_s for note in notes])
    offsets = np.sort([note.offset_s for note in notes])
    return np.searchsorted(onsets, onsets, side="right") - np.searchsorted(offsets, onsets, side="right")
