"""The same music played otherwise: key, tempo, dynamics, pedal, chords. All of it before rendering, so truth is exact.

Nothing here touches sound; the varied performance is what is rendered and what is learnt, so both always agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS, VariationConfig
from s2s_lib.config.variation import PEDAL_DOWN
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Note, PedalEvent, Performance, Piece

Limits = tuple[float, float]  # shortest and longest end of a piece in seconds
Variation = Callable[[np.random.Generator, Piece, VariationConfig, Limits], Piece]

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}  # semitones above C
CHORD_S = 0.03  # onsets closer than this to a chord's first belong to it
DIGITS = 4  # times are rounded to 0.1 ms, as composed ones are
SHORTEST_NOTE_S = 0.01  # jitter never makes a note shorter than this, nor than it was if it was shorter
REPEAT_GAP_S = 0.025  # nor brings a key's next onset nearer to its release, unless it was nearer before
LARGEST_JITTER = 2.5  # in standard deviations
FASTEST_CHANGE_S = 0.12  # a foot can't change the pedal sooner
UP, DOWN = 0, 127


def vary(rng: np.random.Generator, piece: Piece, settings: VariationConfig, limits: Limits) -> Piece:
    """Draws each variation of `settings` by its probability and applies it to a piece.

    `limits` are the shortest and longest end (last key release, seconds) that a changed tempo may lead to; a piece
    outside them keeps its tempo. The result is as true as the piece was: notes stay on the 88 keys, in order and
    apart where they repeat a key; `notated`, `beats_s`, `tempo_bpm` and `key` follow the notes, `tags` the pedal.
    """
    if not settings.enabled:
        return piece
    for name, variation in VARIATIONS.items():
        if rng.random() < getattr(settings, f"{name}_probability"):
            piece = variation(rng, piece, settings, limits)
    return piece


def transpose(rng: np.random.Generator, piece: Piece, settings: VariationConfig, _limits: Limits) -> Piece:
    """Up or down by 1 to `transpose_semitones`, as far as the 88 keys allow."""
    pitches = [note.pitch for note in piece.performance.notes]
    if not pitches:
        return piece
    lowest = max(-settings.transpose_semitones, LOWEST_PITCH - min(pitches))
    highest = min(settings.transpose_semitones, HIGHEST_PITCH - max(pitches))
    steps = [step for step in range(lowest, highest + 1) if step]
    if not steps:
        return piece
    step = int(rng.choice(steps))
    notes = [replace(note, pitch=note.pitch + step) for note in piece.performance.notes]
    return replace(_with_notes(piece, notes), key=piece.key and transposed_key(piece.key, step))


def transposed_key(key: str, semitones: int) -> str:
    """Name of a key such as 'Eb' or 'C#m' moved by semitones, spelled as in MAJOR_KEYS or MINOR_KEYS."""
    names = MINOR_KEYS if key.endswith("m") else MAJOR_KEYS
    wanted = (_tonic(key) + semitones) % 12
    return next(name for name in names if _tonic(name) == wanted)


def _tonic(key: str) -> int:
    return (LETTERS[key[0]] + key.count("#") - key[1:].count("b")) % 12


def change_tempo(rng: np.random.Generator, piece: Piece, settings: VariationConfig, limits: Limits) -> Piece:
    """Faster or slower as a whole by a factor of `tempo_factor`, evenly drawn on a logarithmic scale."""
    end_s = piece.performance.end_s
    if end_s == 0:
        return piece
    slowest, fastest = settings.tempo_factor
    slowest, fastest = max(slowest, end_s / limits[1]), min(fastest, end_s / limits[0])
    if slowest > fastest:
        return piece
    factor = float(np.exp(rng.uniform(np.log(slowest), np.log(fastest))))

    def scaled(time_s: float) -> float:
        return round(time_s / factor, DIGITS)

    notes = [replace(n, onset_s=scaled(n.onset_s), offset_s=scaled(n.offset_s)) for n in piece.performance.notes]
    pedal = tuple(replace(event, time_s=scaled(event.time_s)) for event in piece.performance.pedal)
    return replace(
        _with_notes(piece, notes, pedal),
        beats_s=tuple(map(scaled, piece.beats_s)),
        tempo_bpm=piece.tempo_bpm and round(piece.tempo_bpm * factor, 3),
    )


def bend_velocities(rng: np.random.Generator, piece: Piece, settings: VariationConfig, _limits: Limits) -> Piece:
    """Louder or softer along a power curve through velocities 1 and 127, with an exponent of `velocity_gamma`."""
    gamma = float(np.exp(rng.uniform(*np.log(settings.velocity_gamma))))
    notes = [
        replace(note, velocity=1 + round(126 * ((note.velocity - 1) / 126) ** gamma))
        for note in piece.performance.notes
    ]
    return _with_notes(piece, notes)


def remove_pedal(_rng: np.random.Generator, piece: Piece, _settings: VariationConfig, _limits: Limits) -> Piece:
    """All pedal left out: notes end where their keys are released. The tag becomes "pedal none"."""
    return _with_pedal(piece, (), "none") if piece.performance.pedal else piece


def half_pedal(rng: np.random.Generator, piece: Piece, settings: VariationConfig, _limits: Limits) -> Piece:
    """Controller values drawn in towards the threshold: down from 64 on, up below it, within `pedal_half_values`.

    A half pedal's label is what sounds: synthesizers with a two-state damper, FluidSynth among them, hold the
    strings from 64 on and damp them below, and notes.pedal_spans does the same. So values move, spans do not.
    """
    lowest = rng.integers(settings.pedal_half_values[0], PEDAL_DOWN)
    highest = rng.integers(PEDAL_DOWN, settings.pedal_half_values[1], endpoint=True)
    # a straight line on either side of the threshold, so that a foot that moves gradually still does
    ups = np.linspace(lowest, PEDAL_DOWN - 1, PEDAL_DOWN)
    downs = np.linspace(PEDAL_DOWN, highest, 128 - PEDAL_DOWN)
    values = np.rint(np.concatenate([ups, downs])).astype(int).tolist()
    pedal = [replace(event, value=values[event.value]) for event in piece.performance.pedal]
    return replace(piece, performance=replace(piece.performance, pedal=tuple(pedal)))


def add_pedal(rng: np.random.Generator, piece: Piece, settings: VariationConfig, _limits: Limits) -> Piece:
    """Syncopated pedal where there was none: up just after a chord is struck, down again a moment later.

    The pedal changes at the first onset after a time drawn from `pedal_added_seconds`, and lifts with the last key.
    The tag becomes "pedal added".
    """
    notes, end_s = piece.performance.notes, piece.performance.end_s
    if piece.performance.pedal or not notes:
        return piece
    onsets = [chord[0].onset_s for chord in chords(notes)]
    pedal: list[PedalEvent] = []
    change = onsets[0]
    while end_s - change > 2 * FASTEST_CHANGE_S:
        up = change + rng.uniform(0.0, 0.04)
        down = change + rng.uniform(0.06, FASTEST_CHANGE_S)
        if pedal:
            pedal.append(PedalEvent(round(up, DIGITS), UP))
        pedal.append(PedalEvent(round(down, DIGITS), DOWN))
        held_s = max(FASTEST_CHANGE_S, rng.uniform(*settings.pedal_added_seconds))
        following = bisect_right(onsets, change + held_s)
        if following == len(onsets):
            break
        change = onsets[following]
    if not pedal:
        return piece
    return _with_pedal(piece, (*pedal, PedalEvent(end_s, UP)), "added")


def jitter_chords(rng: np.random.Generator, piece: Piece, settings: VariationConfig, _limits: Limits) -> Piece:
    """Chords struck less together: each onset moves by a standard deviation drawn from `chord_jitter_ms`.

    Releases stay. A chord keeps its place between its neighbours, and a key its gap before it is struck again.
    """
    deviation_s = rng.uniform(*settings.chord_jitter_ms) / 1000
    groups = chords(piece.performance.notes)
    released: dict[int, float] = {}
    notes: list[Note] = []
    for i, chord in enumerate(groups):
        first, last = chord[0].onset_s, chord[-1].onset_s
        earliest = (groups[i - 1][-1].onset_s + first) / 2 if i else 0.0
        latest = (last + groups[i + 1][0].onset_s) / 2 if i + 1 < len(groups) else np.inf
        for note in chord:
            if len(chord) > 1:
                moved = note.onset_s + deviation_s * np.clip(rng.standard_normal(), -LARGEST_JITTER, LARGEST_JITTER)
                low = min(note.onset_s, max(earliest, released.get(note.pitch, -np.inf) + REPEAT_GAP_S))
                high = max(note.onset_s, min(latest, note.offset_s - SHORTEST_NOTE_S))
                note = replace(note, onset_s=float(np.clip(round(moved, DIGITS), low, high)))
            notes.append(note)
            released[note.pitch] = note.offset_s
    return _with_notes(piece, notes)


def chords(notes: tuple[Note, ...]) -> list[list[Note]]:
    """Sorted notes grouped into chords: onsets within 30 ms of a chord's first note."""
    groups: list[list[Note]] = []
    for note in notes:
        if groups and note.onset_s - groups[-1][0].onset_s <= CHORD_S:
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def _with_pedal(piece: Piece, pedal: tuple[PedalEvent, ...], kind: str) -> Piece:
    """The piece with other pedal, and the tag that says so in place of its own."""
    tags = {tag for tag in piece.tags if not tag.startswith("pedal ")} | {f"pedal {kind}"}
    return replace(piece, performance=replace(piece.performance, pedal=pedal), tags=tuple(sorted(tags)))


def _with_notes(piece: Piece, notes: list[Note], pedal: tuple[PedalEvent, ...] | None = None) -> Piece:
    """The piece with other notes, given in the order of its own, sorted again together with their notation."""
    order = sorted(range(len(notes)), key=notes.__getitem__)
    performance = Performance(tuple(notes[i] for i in order), piece.performance.pedal if pedal is None else pedal)
    return replace(piece, performance=performance, notated=tuple(piece.notated[i] for i in order if piece.notated))


# in the order they are applied; the names are those of the config's keys
VARIATIONS: dict[str, Variation] = {
    "transpose": transpose,
    "tempo": change_tempo,
    "velocity": bend_velocities,
    "chord_jitter": jitter_chords,
    "pedal_added": add_pedal,
    "pedal_removed": remove_pedal,
    "pedal_half": half_pedal,
}
