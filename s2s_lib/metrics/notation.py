"""Sheet music against sheet music of the same performance: beats, bars, metre, key, hands, voices, note values.

Reference and estimate are aligned through what was played: their beats by time, their notes by pitch and performed
onset (50 ms, `metrics.match`), so the score of a transcription with missed and invented notes can be judged too.
Sources:

- beats and downbeats: mir_eval.beat.f_measure, +-70 ms (Davies, Degara and Plumbley, 2009), without its trimming of
  the first 5 s; a beat before the reference's first onset or after its last one can't be heard and is left out
- key: mir_eval.key.weighted_score (MIREX), which gives relatives and fifths a part
- MV2H: see `s2s_lib.metrics.mv2h`

Shares count over all the reference's printed notes: a note that the transcription missed is not right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import mir_eval
import numpy as np

from s2s_lib.config import EvaluationConfig
from s2s_lib.keys import fifths_of
from s2s_lib.metre import bar_quarters, beat_quarters, straight
from s2s_lib.metrics.mv2h import MV2H, Voiced, Written, mv2h
from s2s_lib.metrics.scores import match
from s2s_lib.notes import NotatedNote, Note, Piece

BEAT_TOLERANCE_S = 0.07  # of mir_eval.beat
SAME_QUARTERS = 0.02  # two places or lengths closer than this are one; a 64th triplet is 0.042
EPSILON = 1e-6
MATCHING = EvaluationConfig(onset_tolerance=0.05)  # MV2H's tolerance
TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")  # as mir_eval.key spells them


@dataclass(frozen=True, eq=False)
class Notation:
    """A score, aligned with a performance.

    `notated[i]` belongs to `notes[i]`, None where the score does not print that note. `times_s` are the performed
    times of `places`, both (m,) and ascending; places count in quarter notes, as do `beats` (the felt ones) and
    `downbeats`. `time_signature` and `key` (such as "Eb" or "C#m") are those of the beginning.
    """

    notes: tuple[Note, ...]
    notated: tuple[NotatedNote | None, ...]
    places: np.ndarray
    times_s: np.ndarray
    beats: np.ndarray
    downbeats: np.ndarray
    time_signature: tuple[int, int]
    key: str

    @classmethod
    def of(cls, piece: Piece) -> Notation:
        """The notation of a piece, whose bars are all of one length."""
        places = np.arange(len(piece.beats_s), dtype=float)
        beat, bar = beat_quarters(piece.time_signature), bar_quarters(piece.time_signature)
        printed = tuple(None if note.ornament == "trilled" else note for note in piece.notated)
        last = max((note.onset_beat + note.duration_beats for note in piece.notated), default=0.0)
        beats, downbeats = (np.arange(0.0, last + EPSILON, float(step)) for step in (beat, bar))
        return cls(
            piece.performance.notes, printed, places, np.array(piece.beats_s), beats, downbeats, piece.time_signature,
            piece.key,
        )  # fmt: skip

    def seconds(self, places: np.ndarray | Sequence[float]) -> np.ndarray:
        """Performed times of places, straight on beyond the ends."""
        return straight(np.asarray(places, float), self.places, self.times_s)

    def in_measure(self, place: float) -> float:
        """Where in its measure a place lies; in a pickup, as if the missing part of that measure were there."""
        bar = int(np.searchsorted(self.downbeats, place + SAME_QUARTERS, side="right")) - 1
        if bar < 0:
            return (place - self.downbeats[0]) % float(bar_quarters(self.time_signature))
        return place - self.downbeats[bar]

    @cached_property
    def printed(self) -> np.ndarray:
        """Indices of the notes that the score prints."""
        return np.array([i for i, note in enumerate(self.notated) if note is not None], dtype=int)


@dataclass(frozen=True)
class NotationScores:
    """How far an estimated score agrees with the reference; all 0-1, 1 being best.

    `metre`, `bar_length` and `key_signature` are 1 where the first time signature, the length of its bar, and the
    signature (whatever the mode) are the reference's. Shares of the reference's `notes`: `hand`; `voice` (and hand);
    `onset`, the place in the measure; `duration`, the notated one, ties joined; `rhythm`, both of these.
    """

    notes: int
    beat_f1: float
    downbeat_f1: float
    metre: float
    bar_length: float
    key_signature: float
    key_weighted: float
    hand: float
    voice: float
    onset: float
    duration: float
    rhythm: float
    mv2h: MV2H

    def flat(self) -> dict[str, float]:
        """All values with one level: `beat_f1`, `mv2h.voice` and so on."""
        values = {name: value for name, value in asdict(self).items() if name != "mv2h"}
        return values | {f"mv2h.{name}": value for name, value in self.mv2h.as_dict().items()}


def notation_scores(ref: Notation, est: Notation) -> NotationScores:
    """Scores an estimated score against the reference; ratios of 0/0 count as 0."""
    pairs = match(ref.notes, est.notes, MATCHING)
    found = {int(i): est.notated[j] for i, j in pairs}
    right = [_agreement(ref, est, ref.notated[i], found.get(int(i))) for i in ref.printed]
    shares = np.mean(right, axis=0) if right else np.zeros(5)
    hand, voice, onset, duration, rhythm = (float(share) for share in shares)
    beats = [_heard(ref, notation, notation.beats) for notation in (ref, est)]
    downbeats = [_heard(ref, notation, notation.downbeats) for notation in (ref, est)]
    key_weighted = mir_eval.key.weighted_score(_key_words(ref.key), _key_words(est.key))
    return NotationScores(
        notes=len(ref.printed),
        beat_f1=_f1(*beats),
        downbeat_f1=_f1(*downbeats),
        metre=float(ref.time_signature == est.time_signature),
        bar_length=float(bar_quarters(ref.time_signature) == bar_quarters(est.time_signature)),
        key_signature=float(fifths_of(ref.key) == fifths_of(est.key)),
        key_weighted=float(key_weighted),
        hand=hand, voice=voice, onset=onset, duration=duration, rhythm=rhythm,
        mv2h=mv2h(_written(ref, beats[0], downbeats[0]), _written(est, beats[1], downbeats[1]), pairs, key_weighted),
    )  # fmt: skip


def _key_words(key: str) -> str:
    """A key's name as mir_eval.key wants it."""
    tonic = (fifths_of(key) * 7 + 9 * key.endswith("m")) % 12
    return f"{TONICS[tonic]} {'minor' if key.endswith('m') else 'major'}"


def _agreement(ref: Notation, est: Notation, wanted: NotatedNote, got: NotatedNote | None) -> tuple[bool, ...]:
    """Whether hand, voice, onset, duration and rhythm of a note are right."""
    if got is None:
        return (False,) * 5
    hand = got.hand == wanted.hand
    onset = abs(est.in_measure(got.onset_beat) - ref.in_measure(wanted.onset_beat)) < SAME_QUARTERS
    duration = abs(got.duration_beats - wanted.duration_beats) < SAME_QUARTERS
    return hand, hand and got.voice == wanted.voice, onset, duration, onset and duration


def _heard(ref: Notation, notation: Notation, places: np.ndarray) -> np.ndarray:
    """Performed times of those places that lie between the reference's first and last onset."""
    times_s = np.sort(notation.seconds(places))
    onsets = [note.onset_s for note in ref.notes]
    first, last = (min(onsets), max(onsets)) if onsets else (np.inf, -np.inf)
    return times_s[(times_s > first - BEAT_TOLERANCE_S) & (times_s < last + BEAT_TOLERANCE_S)]


def _f1(ref_s: np.ndarray, est_s: np.ndarray) -> float:
    if not len(ref_s) or not len(est_s):
        return 0.0
    return float(mir_eval.beat.f_measure(ref_s, est_s, BEAT_TOLERANCE_S))


def _written(notation: Notation, beats_s: np.ndarray, downbeats_s: np.ndarray) -> Written:
    """A notation as MV2H looks at it: grace notes, which have no value, are left out of voices."""
    notes = {}
    for i in notation.printed.tolist():
        note = notation.notated[i]
        start, end = note.onset_beat, note.onset_beat + note.duration_beats
        if note.duration_beats > EPSILON:
            times_s = notation.seconds((start, end))
            length_s = float(times_s[1] - times_s[0])
            notes[i] = Voiced((note.hand, note.voice), round(start, 3), round(end, 3), length_s)
    compound = beat_quarters(notation.time_signature).numerator == 3
    return Written(frozenset(notation.printed.tolist()), notes, beats_s, downbeats_s, 3 if compound else 2)
