"""Whether a recording and its MIDI file belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from s2s_lib.data.audio import opened_audio, segment_of
from s2s_lib.data.imports.alignment import RATE, REACH_S, Offset, offsets
from s2s_lib.data.imports.layouts import Pair
from s2s_lib.data.pieces import Print, fingerprint
from s2s_lib.errors import InputError
from s2s_lib.notes import Performance, read_midi
from s2s_lib.smf import Music, read_music

TOLERANCE_S = 0.03  # the estimate is within 12 ms of the truth on rendered music
LONGEST_TAIL_S = 30.0  # a recording may go on so long after its MIDI; more would be music without notes
SHORT_BY_S = 0.05  # an onset may lie so long after the recording's end


@dataclass(frozen=True)
class Checked:
    """What a pair that fits is: seconds of audio, the music's end, number of notes, offset, and what it holds.

    `decoded`: whether ffmpeg had to decode the audio, so that a training could not read segments of it as it lies.
    """

    seconds: float
    music_end_s: float
    notes: int
    offset_s: float
    print: Print
    decoded: bool


def check_pair(pair: Pair) -> Checked | str:
    """The pair's figures, or what is wrong with it as a clause about its audio file."""
    try:
        performance = read_midi(pair.midi)
        music, _ = read_music(pair.midi)
    except InputError as error:
        return f"its MIDI file is of no use: {_clause(error, pair.midi)}"
    try:
        with opened_audio(pair.audio) as file:
            return _check_audio(file, performance, music, decoded=file.name != str(pair.audio))
    except InputError as error:
        return _clause(error, pair.audio)


def _check_audio(file: soundfile.SoundFile, performance: Performance, music: Music, decoded: bool) -> Checked | str:
    seconds, last_s, end_s = file.frames / file.samplerate, float(music.onset_s[-1]), performance.end_s
    if last_s > seconds + SHORT_BY_S:
        return f"the audio ends at {seconds:.2f} s, but its MIDI goes on to {end_s:.2f} s"
    if seconds > end_s + LONGEST_TAIL_S:
        return f"the audio goes on to {seconds:.2f} s, but its MIDI ends at {end_s:.2f} s"
    found = _offsets(file, music)
    fault = _misaligned(found)
    if fault:
        return fault
    worst = max((offset.offset_s for offset in found), key=abs)
    return Checked(seconds, end_s, len(performance.notes), worst, fingerprint(music), decoded)


def _offsets(file: soundfile.SoundFile, music: Music) -> list[Offset]:
    def read(start_s: float, seconds: float) -> np.ndarray:
        return segment_of(file, round(start_s * RATE), round(seconds * RATE), RATE)

    return offsets(music, read)


def _misaligned(found: list[Offset]) -> str | None:
    """What is wrong with the offsets found at the start, in the middle and at the end; None if nothing is."""
    unsure = [offset.at_s for offset in found if not offset.sure]
    if unsure:
        where = "" if len(unsure) == len(found) else f" at {unsure[0]:.0f} s"
        return f"the audio does not follow its MIDI{where}: no alignment is found within {REACH_S:.0f} s"
    shifts = [offset.offset_s for offset in found]
    if max(map(abs, shifts)) <= TOLERANCE_S:
        return None
    if max(shifts) - min(shifts) > TOLERANCE_S:
        places = ", ".join(f"{_by(offset.offset_s)} its MIDI at {offset.at_s:.0f} s" for offset in found)
        return f"the audio drifts: it is {places}"
    return f"the audio starts {_by(max(shifts, key=abs))} its MIDI"


def _by(offset_s: float) -> str:
    return f"{abs(offset_s):.2f} s {'after' if offset_s > 0 else 'before'}"


def _clause(error: InputError, path: Path) -> str:
    """An error's sentence without the path it starts with and its full stop."""
    return str(error).removeprefix(f"{path}: ").rstrip(".")
