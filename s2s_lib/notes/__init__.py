"""Notes, pedal and pieces, and their way in and out of MIDI files.

Times are seconds, pitches MIDI numbers, velocities 1-127. Offsets exist in two conventions: `Note.offset_s` is
always the key release; `extend_by_pedal` gives the pedal-extended end, the habit of the MAESTRO data set
(Hawthorne et al., ICLR 2019).
"""

from s2s_lib.notes.midi import TICKS_PER_BEAT, performance_of, read_midi, write_midi, write_piece
from s2s_lib.notes.performance import (
    COMPOSED,
    HIGHEST_PITCH,
    LOWEST_PITCH,
    PITCHES,
    NotatedNote,
    Note,
    PedalEvent,
    Performance,
    Piece,
    Timeline,
    as_arrays,
    extend_by_pedal,
    pedal_spans,
    resolve_overlaps,
    until,
)

__all__ = [
    "COMPOSED", "HIGHEST_PITCH", "LOWEST_PITCH", "PITCHES", "TICKS_PER_BEAT", "NotatedNote", "Note", "PedalEvent",
    "Performance", "Piece", "Timeline", "as_arrays", "extend_by_pedal", "pedal_spans", "performance_of", "read_midi",
    "resolve_overlaps", "until", "write_midi", "write_piece",
]  # fmt: skip
