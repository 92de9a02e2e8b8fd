"""Other programs that make a score of a MIDI performance, and their scores aligned with it.

music21 quantises on the MIDI file's own beats, which a performance does not keep; MuseScore 3 looks for beats, metre,
key and hands. Neither says which printed note is which played one, so that is found by pitch and order.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pretty_midi

from s2s_lib.benchmark.sheets.sheet import Sheet, read_sheet
from s2s_lib.errors import InputError
from s2s_lib.metre import straight
from s2s_lib.metrics import Notation
from s2s_lib.notes import NotatedNote, Performance

MUSESCORE = ("mscore3", "musescore3", "mscore")
NEAR_S = 0.5  # a printed note belongs to a played one at most so far from where its place was performed
TIMEOUT_S = 300


def music21_notation(midi: Path, performance: Performance) -> Notation:
    """music21's import with its default grid of sixteenths and eighth triplets on the file's own beats.

    It makes some measures longer than the file's, by notes that it holds too long; what is too long takes no time.
    """
    sheet, file = read_sheet(midi, quarterLengthDivisors=(4, 3)), pretty_midi.PrettyMIDI(str(midi))
    starts = np.array(sheet.measures)
    bars = np.arange(len(starts) + 1) * sheet.bar
    bars_s = np.array([file.tick_to_time(round(place * file.resolution)) for place in bars])
    places = np.stack([starts, np.minimum(starts + sheet.bar, np.append(starts[1:], np.inf)) - 1e-6], axis=1)
    return _aligned(performance, sheet, places.ravel(), np.stack([bars_s[:-1], bars_s[1:]], axis=1).ravel())


def musescore_notation(midi: Path, performance: Performance) -> Notation:
    """MuseScore's import with its default settings. Raises InputError if it is not installed or fails."""
    program = next(filter(None, map(shutil.which, MUSESCORE)), None)
    if program is None:
        raise InputError(f"there is no MuseScore 3 (none of {', '.join(MUSESCORE)}); install it (Debian: musescore3).")
    with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
        xml = Path(scratch) / "score.musicxml"
        try:
            done = subprocess.run(
                [program, "-o", xml, midi], capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
                env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(f"{midi}: {program} takes more than {TIMEOUT_S} s for it.") from None
        if not xml.is_file():
            raise InputError(f"{midi}: {program} makes no score of it ({done.stderr.strip()[-200:]}).")
        sheet = read_sheet(xml)
    return _aligned(performance, sheet, *tempo_map(performance, sheet))


PEERS = {"music21": music21_notation, "MuseScore": musescore_notation}


def tempo_map(performance: Performance, sheet: Sheet) -> tuple[np.ndarray, np.ndarray]:
    """Places of a score and their performed times, from those pitches that are printed as often as they are played.

    The k-th printed note of such a pitch is the k-th played one; a place's time is the median of its notes'. Of
    places whose times are not in order, the fewest are left out. Raises InputError if fewer than two are found.
    """
    played, printed = defaultdict(list), defaultdict(list)
    for note in performance.notes:
        played[note.pitch].append(note.onset_s)
    for note in sheet.notes:
        printed[note.pitch].append(note.written.onset_beat)
    times: dict[float, list[float]] = defaultdict(list)
    for pitch, places in printed.items():
        if len(places) == len(played[pitch]):
            for place, time_s in zip(places, played[pitch], strict=True):
                times[round(place, 4)].append(time_s)
    places = np.array(sorted(times))
    times_s = np.array([np.median(times[place]) for place in places.tolist()])
    keep = _longest_rising(times_s)
    if len(keep) < 2:
        raise InputError("the score's notes can't be found in the performance: no pitch is printed as often as played.")
    return places[keep], times_s[keep]


def _aligned(performance: Performance, sheet: Sheet, places: np.ndarray, times_s: np.ndarray) -> Notation:
    """A sheet as a notation of the performance: each printed note with the nearest played one of its pitch."""
    notated: list[NotatedNote | None] = [None] * len(performance.notes)
    printed_s = straight(sheet.places, places, times_s)
    by_pitch: dict[int, list[int]] = defaultdict(list)
    for k, note in enumerate(sheet.notes):
        by_pitch[note.pitch].append(k)
    candidates = [
        (distance, i, k)
        for i, note in enumerate(performance.notes)
        for k in by_pitch[note.pitch]
        if (distance := abs(note.onset_s - printed_s[k])) <= NEAR_S
    ]
    used = set()
    for _, i, k in sorted(candidates):
        if notated[i] is None and k not in used:
            notated[i] = sheet.notes[k].written
            used.add(k)
    return Notation(
        performance.notes,
        tuple(notated),
        places,
        times_s,
        sheet.beats,
        sheet.downbeats,
        sheet.time_signature,
        sheet.key,
    )


def _longest_rising(values: np.ndarray) -> list[int]:
    """Indices of a longest strictly ascending subsequence."""
    ends: list[int] = []  # ends[n] is where the chain of n + 1 values with the smallest last value ends
    before = []
    for i, value in enumerate(values):
        length = int(np.searchsorted(values[ends], value)) if ends else 0
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [i]
    chain, i = [], ends[-1] if ends else -1
    while i >= 0:
        chain.append(i)
        i = before[i]
    return chain[::-1]
