"""MIDI files for tests, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np

from s2s_lib.notes import Note, PedalEvent, Performance

TICKS = 480  # per quarter note; at the default tempo a tick is 1/960 s


def write(path: Path, *tracks: Sequence[tuple[int, mido.Message | mido.MetaMessage]], kind: int = 1) -> Path:
    """Writes tracks of (tick, message) as a MIDI file of this type."""
    file = mido.MidiFile(ticks_per_beat=TICKS, type=kind)
    for events in tracks:
        track, last = mido.MidiTrack(), 0
        for tick, message in sorted(events, key=lambda event: event[0]):
            track.append(message.copy(time=tick - last))
            last = tick
        file.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


def played(pitch: int, start: int, end: int, channel: int = 0, velocity: int = 80) -> list[tuple[int, mido.Message]]:
    """A note as its two events."""
    return [
        (start, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)),
        (end, mido.Message("note_off", note=pitch, channel=channel)),
    ]


def program(number: int, channel: int = 0) -> tuple[int, mido.Message]:
    """A program change at the start; `number` counts from 0."""
    return 0, mido.Message("program_change", program=number, channel=channel)


def melody(seed: int, seconds: float, step_s: float = 0.25, transpose: int = 0, jitter_s: float = 0.0) -> Performance:
    """Two random voices of even notes with pedal; the same seed gives the same piece, played a little differently."""
    rng, own = np.random.default_rng(seed), np.random.default_rng((seed, round(1000 * jitter_s)))
    onsets_s = np.arange(0.2, seconds - step_s, step_s)
    onsets_s = np.sort(onsets_s + own.normal(0, 1e-9 + jitter_s, len(onsets_s)))
    high, low = (rng.integers(*bounds, 1000)[: len(onsets_s)] + transpose for bounds in ((60, 80), (36, 55)))
    notes = [
        Note(float(onset_s), float(onset_s) + 0.8 * step_s, int(pitch), 70)
        for voice in (high, low)
        for onset_s, pitch in zip(onsets_s, voice, strict=True)
    ]
    return Performance(tuple(sorted(notes)), (PedalEvent(0.1, 100), PedalEvent(seconds - 1.0, 0)))
