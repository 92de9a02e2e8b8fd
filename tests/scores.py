"""Scores made note by note, and what another program reads in their MusicXML."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace

import numpy as np

from s2s_lib.notes import NotatedNote, Note, Performance, Piece

Row = tuple[str, int, float, float, int, str | None]  # hand, voice, onset, duration, pitch, ornament


def piece_of(rows: list[Row], metre: tuple[int, int] = (4, 4), key: str = "C", tempo_bpm: float = 120.0) -> Piece:
    """A piece in strict tempo from its score."""
    rows = sorted(rows, key=lambda row: row[2])
    step_s = 60 / tempo_bpm
    notes = tuple(Note(row[2] * step_s, (row[2] + max(row[3], 0.1)) * step_s, row[4], 70) for row in rows)
    notated = tuple(NotatedNote(row[2], row[3], row[0], row[1], row[5]) for row in rows)
    quarters = int(max(row[2] + row[3] for row in rows)) + 2
    return Piece(Performance(notes), notated, tuple(np.arange(quarters) * step_s), metre, key, tempo_bpm)


def melody(*durations: float, start: float = 0.0, pitch: int = 72, hand: str = "R") -> list[Row]:
    """Notes of the given lengths one after the other, negative lengths for rests."""
    rows: list[Row] = []
    for duration in durations:
        if duration > 0:
            rows.append((hand, 1, start, duration, pitch, None))
        start += abs(duration)
    return rows


def later(piece: Piece, quarters: float) -> Piece:
    """The same score, further on from the first bar line."""
    added = int(np.ceil(quarters))
    beats_s = tuple(piece.beats_s[0] - 0.5 * (added - k) for k in range(added)) + piece.beats_s
    notated = tuple(replace(n, onset_beat=n.onset_beat + quarters) for n in piece.notated)
    return replace(piece, notated=notated, beats_s=beats_s)


def random_piece(seed: int, metre: tuple[int, int]) -> Piece:
    """Two voices a hand of any lengths down to 32nds and triplets, with rests; the upper is never silent for long."""
    rng = np.random.default_rng(seed)
    groups = [(1 / 3,) * 3, (1 / 6,) * 6, (2 / 3, 1 / 3), (0.5,), (0.125, 0.375), (1.75, 0.25), (3.5,), (1.0,)]
    rows: list[Row] = []
    for hand, voice, low in (("R", 1, 70), ("R", 2, 60), ("L", 1, 50), ("L", 2, 38)):
        at = 0.0
        while at < (24 if voice == 1 else 20):
            for i, length in enumerate(groups[rng.integers(len(groups))]):
                if rng.random() < 0.7 or (voice == 1 and i == 0):
                    pitches = low + rng.choice(10, rng.integers(1, 4), replace=False)
                    rows += [(hand, voice, at, length, int(pitch), None) for pitch in pitches]
                at += length
    return piece_of(rows, metre, "Eb")


def wanted(piece: Piece) -> Counter:
    """The notes of the score as (hand, voice, pitch, onset, duration) in 48ths of a quarter note."""
    return Counter(
        (n.hand, n.voice, note.pitch, round(n.onset_beat * 48), round(n.duration_beats * 48))
        for note, n in zip(piece.performance.notes, piece.notated, strict=True)
        if n.ornament not in ("grace", "trilled")
    )


def read_back(text: str) -> Counter:
    """What music21 reads, ties joined, in the form of `wanted`; every voice of every bar must add up."""
    from music21 import converter

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = converter.parse(text, format="musicxml")
    found: Counter = Counter()
    for hand, part in zip("RL", score.parts, strict=True):
        bars = list(part.getElementsByClass("Measure"))
        length = bars[0].timeSignature.barDuration.quarterLength
        cut = length - bars[0].highestTime if bars[0].number == 0 else 0
        tied: dict[tuple, tuple[float, float]] = {}
        for bar in bars:
            for voice in list(bar.voices) or [bar]:
                assert voice.highestTime == length - (cut if bar is bars[0] else 0), f"bar {bar.number}"
                for chord in voice.recurse().notes:
                    for note in chord.notes if chord.isChord else [chord]:
                        if chord.duration.isGrace:
                            continue
                        name = hand, 2 if str(voice.id) in ("2", "6") else 1, note.pitch.midi
                        at = float(bar.offset + cut + chord.getOffsetInHierarchy(bar))
                        tie = note.tie.type if note.tie else ""
                        start, end = tied.pop(name) if tie in ("stop", "continue") else (at, at)
                        assert np.isclose(end, at)
                        end += float(chord.quarterLength)
                        if tie in ("start", "continue"):
                            tied[name] = start, end
                        else:
                            found[*name, round(start * 48), round((end - start) * 48)] += 1
        assert not tied
    return found
