"""The score that a sample was composed with, read from its files."""

from __future__ import annotations

import json

from s2s_lib.data.manifest import Sample
from s2s_lib.errors import InputError
from s2s_lib.notes import NotatedNote, Piece


def read_piece(sample: Sample) -> Piece | None:
    """A sample as its composer wrote it; None for an excerpt of a MIDI file or a recording, which have no score.

    Composed ornaments are written out, so no note has a sign. Raises InputError if the file is unreadable.
    """
    if sample.score is None:
        return None
    try:
        content = json.loads(sample.score.read_text(encoding="utf-8"))
        rows = [dict(zip(content["columns"], row, strict=True)) for row in content["notes"]]
        notated = tuple(
            NotatedNote(row["onset_beat"], row["duration_beats"], row["hand"], row["voice"]) for row in rows
        )
        beats_s, tags = tuple(content["beats_s"]), tuple(content["tags"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{sample.score}: not a readable score ({error}); generate the dataset again.") from None
    if not notated or sample.time_signature is None:
        return None
    upper, lower = map(int, sample.time_signature.split("/"))
    return Piece(
        sample.performance(), notated, beats_s, (upper, lower), sample.key, sample.tempo_bpm, sample.complexity, tags,
        sample.source,
    )  # fmt: skip
