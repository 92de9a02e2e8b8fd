"""Notes against notes: the field's standard transcription scores. Knows nothing of the model or its grid.

`ref` is what was played, `est` what was transcribed; both are Performances in seconds. Sources:

- onset, onset + offset: mir_eval.transcription (Raffel et al., ISMIR 2014), after MIREX note tracking
- onset + offset + velocity: mir_eval.transcription_velocity (Hawthorne et al., ISMIR 2018)
- frame: Bay, Ehmann and Downie, ISMIR 2009, on a grid of 10 ms
- note accuracy: Dixon, ACMC 2000

Offsets are scored twice, `key` (key release) and `pedal` (both sides extended by their own sustain pedal as
`notes.extend_by_pedal` does). Where a ratio is 0/0 it counts as 0, as in mir_eval, also when both sides are empty;
a deviation or error over no notes is None.

`mistakes` gives every missed, invented and wrongly ended note a kind, `by_band` scores notes by what they are, and
`over_thresholds` at every threshold at once.

`notation_scores` judges sheet music: beats, metre, key, hands, note values and MV2H, of scores aligned with what was
played.
"""

from s2s_lib.metrics.bands import (
    DURATION,
    NOTE_RATE,
    PITCH,
    POLYPHONY,
    VELOCITY,
    Bands,
    bands_dict,
    by_band,
)
from s2s_lib.metrics.confusion import Confusion, confusion
from s2s_lib.metrics.errors import KINDS, Kind, Mistake, mistakes, tally, worst_windows
from s2s_lib.metrics.intervals import Estimate, Resampling, estimate, interval_text, signed_text
from s2s_lib.metrics.mv2h import MV2H
from s2s_lib.metrics.notation import Notation, NotationScores, notation_scores
from s2s_lib.metrics.scores import (
    COUNTED,
    DEVIATIONS,
    Counts,
    Deviation,
    Scores,
    differences,
    frame_counts,
    match,
    score,
)
from s2s_lib.metrics.summary import counts_by, over_time, summarize
from s2s_lib.metrics.thresholds import ThresholdCounts, over_thresholds

__all__ = [
    "COUNTED",
    "DEVIATIONS",
    "DURATION",
    "KINDS",
    "MV2H",
    "NOTE_RATE",
    "PITCH",
    "POLYPHONY",
    "VELOCITY",
    "Bands",
    "Confusion",
    "Counts",
    "Deviation",
    "Estimate",
    "Kind",
    "Mistake",
    "Notation",
    "NotationScores",
    "Resampling",
    "Scores",
    "ThresholdCounts",
    "bands_dict",
    "by_band",
    "confusion",
    "counts_by",
    "differences",
    "estimate",
    "frame_counts",
    "interval_text",
    "match",
    "mistakes",
    "notation_scores",
    "over_thresholds",
    "over_time",
    "score",
    "signed_text",
    "summarize",
    "tally",
    "worst_windows",
]
