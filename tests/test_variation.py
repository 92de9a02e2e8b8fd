"""Variations change how music is played, and its truth with it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS, DatasetConfig, VariationConfig
from s2s_lib.notes import (
    HIGHEST_PITCH,
    LOWEST_PITCH,
    Note,
    PedalEvent,
    Performance,
    Piece,
    extend_by_pedal,
    resolve_overlaps,
)
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.variation import VARIATIONS, chords, transposed_key, vary

LIMITS = (2.0, 30.0)
RATE, STEP = 16000, 16  # the level is looked at every millisecond
OFF: dict[str, Any] = {f"{name}_probability": 0.0 for name in VARIATIONS}
EXTREMES: dict[str, dict[str, Any]] = {
    "transpose": {"transpose_semitones": 24},
    "tempo": {"tempo_factor": (0.25, 4.0)},
    "velocity": {"velocity_gamma": (0.2, 5.0)},
    "chord_jitter": {"chord_jitter_ms": (50.0, 50.0)},
    "pedal_added": {"pedal_added_seconds": (0.01, 1.0)},
    "pedal_removed": {},
    "pedal_half": {"pedal_half_values": (0, 127)},
}


def only(*names: str, **settings: Any) -> VariationConfig:
    return VariationConfig(**{**OFF, **{f"{name}_probability": 1.0 for name in names}, **settings})


def composed(seed: int) -> Piece:
    complexity = ("simple", "medium", "complex")[seed % 3]
    return compose(np.random.default_rng(seed), DatasetConfig(complexity=complexity, max_notes=200, max_duration=20))


def excerpt(seed: int) -> Piece:
    """As cut from somebody's MIDI file: notes of every length, some touching the next of their key, no score."""
    rng = np.random.default_rng(seed)
    notes = []
    for pitch in rng.choice(np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1), 30, replace=False).tolist():
        times = np.sort(rng.uniform(0, 10, 8))
        for onset, following in pairwise(times.tolist()):
            offset = following if rng.random() < 0.3 else onset + (following - onset) * rng.uniform(0.1, 0.9)
            notes.append(Note(onset, offset, pitch, int(rng.integers(1, 128))))
    pedal = [PedalEvent(float(t), int(rng.integers(128))) for t in np.sort(rng.uniform(0, 10, 40))]
    return Piece(Performance(resolve_overlaps(notes), tuple(pedal) if seed % 2 else ()), source="a.mid")


def without_pedal(piece: Piece) -> Piece:
    return replace(piece, performance=replace(piece.performance, pedal=()))


def check_truth(piece: Piece) -> None:
    """All that the rest of the package takes for granted about a piece."""
    notes, pedal = piece.performance.notes, piece.performance.pedal
    assert list(notes) == sorted(notes)
    assert all(LOWEST_PITCH <= n.pitch <= HIGHEST_PITCH and 1 <= n.velocity <= 127 for n in notes)
    assert all(0 <= n.onset_s < n.offset_s for n in notes)
    assert all(isinstance(v, int) for n in notes for v in (n.pitch, n.velocity))
    last: dict[int, float] = {}
    for note in notes:
        assert note.onset_s >= last.get(note.pitch, 0.0)
        last[note.pitch] = note.offset_s
    assert list(pedal) == sorted(pedal, key=lambda event: event.time_s)
    assert all(0 <= event.value <= 127 and event.time_s >= 0 for event in pedal)
    assert len(piece.notated) in (0, len(notes))
    assert all(a < b for a, b in pairwise(piece.beats_s))


def identity(piece: Piece) -> list[tuple[Any, ...]]:
    """What of a note no variation of timing may separate, in the order of the score."""
    rows = [(s.onset_beat, s.hand, s.voice, n.pitch, n.velocity) for n, s in
            zip(piece.performance.notes, piece.notated, strict=True)]  # fmt: skip
    return sorted(rows)


@pytest.mark.parametrize("name", VARIATIONS)
@pytest.mark.parametrize("make", [composed, excerpt])
def test_truth_holds_at_the_extremes(name: str, make: Any) -> None:
    changed = 0
    for seed in range(12):
        piece = make(seed)
        if name == "pedal_added":
            piece = without_pedal(piece)
        varied = vary(np.random.default_rng(seed), piece, only(name, **EXTREMES[name]), LIMITS)
        check_truth(varied)
        changed += varied != piece
        assert varied.source == piece.source
    assert changed >= 3


@pytest.mark.parametrize("make", [composed, excerpt])
def test_truth_holds_for_all_together(make: Any) -> None:
    everything = {key: value for settings in EXTREMES.values() for key, value in settings.items()}
    for seed in range(20):
        settings = only(*VARIATIONS, **everything, pedal_removed_probability=0.5)
        check_truth(vary(np.random.default_rng(seed), make(seed), settings, LIMITS))


def test_the_generator_decides_all() -> None:
    piece, settings = composed(1), only(*VARIATIONS)
    first, second, other = (vary(np.random.default_rng(seed), piece, settings, LIMITS) for seed in (3, 3, 4))
    assert first == second != other


@pytest.mark.parametrize("settings", [VariationConfig(enabled=False), VariationConfig(**OFF)])
def test_nothing_asked_changes_nothing(settings: VariationConfig) -> None:
    assert vary(np.random.default_rng(0), composed(0), settings, LIMITS) == composed(0)


def test_nothing_played_is_nothing_varied() -> None:
    nothing = Piece(Performance(()))
    assert vary(np.random.default_rng(0), nothing, only(*VARIATIONS), LIMITS) == nothing


@pytest.mark.parametrize(
    ("key", "semitones", "expected"),
    [("C", 1, "Db"), ("B", 2, "Db"), ("Eb", -3, "C"), ("Cb", 0, "B"), ("Am", 1, "Bbm"), ("A#m", 2, "Cm"),
     ("F#m", 12, "F#m"), ("Abm", -1, "Gm"), ("F", -24, "F")],
)  # fmt: skip
def test_keys_are_transposed(key: str, semitones: int, expected: str) -> None:
    assert transposed_key(key, semitones) == expected


def test_transposition_moves_notes_and_key_alike_and_stops_at_the_keyboard() -> None:
    steps = set()
    for seed in range(30):
        piece = composed(seed)
        moved = vary(np.random.default_rng(seed), piece, only("transpose", transpose_semitones=5), LIMITS)
        (step,) = {b.pitch - a.pitch for a, b in zip(piece.performance.notes, moved.performance.notes, strict=True)}
        assert 1 <= abs(step) <= 5
        assert moved.key == transposed_key(piece.key, step)
        assert moved.key in (*MAJOR_KEYS, *MINOR_KEYS)
        steps.add(step)
    assert len(steps) >= 8
    full = Piece(Performance((Note(0, 1, LOWEST_PITCH, 64), Note(0, 1, HIGHEST_PITCH, 64))))
    assert vary(np.random.default_rng(0), full, only("transpose"), LIMITS) == full


def test_tempo_scales_everything_and_keeps_the_limits() -> None:
    for seed in range(20):
        piece = composed(seed)
        end_s = piece.performance.end_s
        limits = (0.95 * end_s, 1.3 * end_s)
        faster = vary(np.random.default_rng(seed), piece, only("tempo", tempo_factor=(0.5, 2.0)), limits)
        factor = faster.tempo_bpm / piece.tempo_bpm
        assert limits[0] - 1e-3 <= faster.performance.end_s <= limits[1] + 1e-3
        assert faster.performance.end_s == pytest.approx(end_s / factor, abs=2e-3)
        assert np.allclose(np.array(faster.beats_s) * factor, piece.beats_s, atol=3e-3)
        assert np.allclose([e.time_s * factor for e in faster.performance.pedal],
                           [e.time_s for e in piece.performance.pedal], atol=3e-3)  # fmt: skip
    out_of_reach = (40.0, 50.0)
    assert vary(np.random.default_rng(0), piece, only("tempo"), out_of_reach) == piece


@pytest.mark.parametrize(("gamma", "sign"), [(0.5, 1), (2.0, -1)])
def test_velocities_keep_their_order(gamma: float, sign: int) -> None:
    piece = excerpt(3)
    louder = vary(np.random.default_rng(0), piece, only("velocity", velocity_gamma=(gamma, gamma)), LIMITS)
    pairs = sorted((a.velocity, b.velocity) for a, b in zip(piece.performance.notes, louder.performance.notes,
                                                             strict=True))  # fmt: skip
    assert all(a[1] <= b[1] for a, b in pairwise(pairs))
    assert all(sign * (new - old) >= 0 for old, new in pairs)
    assert np.mean([sign * (new - old) for old, new in pairs]) > 10


@pytest.mark.parametrize("values", [(50, 70), (63, 64)])
def test_half_pedal_changes_values_and_nothing_that_sounds(values: tuple[int, int]) -> None:
    piece = next(piece for piece in map(composed, range(20)) if len(piece.performance.pedal) > 10)
    half = vary(np.random.default_rng(0), piece, only("pedal_half", pedal_half_values=values), LIMITS)
    assert half.performance.pedal != piece.performance.pedal
    assert all(values[0] <= event.value <= values[1] for event in half.performance.pedal)
    assert extend_by_pedal(half.performance) == extend_by_pedal(piece.performance)


def test_pedal_is_added_where_there_is_none_and_changes_after_onsets() -> None:
    piece = without_pedal(composed(2))
    pedalled = vary(np.random.default_rng(0), piece, only("pedal_added"), LIMITS).performance
    downs = [event.time_s for event in pedalled.pedal if event.value >= 64]
    assert len(downs) >= 3
    assert pedalled.pedal[-1] == PedalEvent(piece.performance.end_s, 0)
    firsts = np.array([chord[0].onset_s for chord in chords(piece.performance.notes)])
    assert all(np.abs(firsts + 0.09 - down).min() <= 0.03 + 1e-4 for down in downs)
    again = vary(np.random.default_rng(0), replace(piece, performance=pedalled), only("pedal_added"), LIMITS)
    assert again.performance == pedalled


def test_tags_tell_what_became_of_the_pedal() -> None:
    piece = next(piece for piece in map(composed, range(20)) if piece.performance.pedal)
    others = {tag for tag in piece.tags if not tag.startswith("pedal ")}
    removed = vary(np.random.default_rng(0), piece, only("pedal_removed"), LIMITS)
    assert removed.performance.pedal == ()
    assert set(removed.tags) == others | {"pedal none"}
    added = vary(np.random.default_rng(0), removed, only("pedal_added"), LIMITS)
    assert added.performance.pedal
    assert set(added.tags) == others | {"pedal added"}
    assert vary(np.random.default_rng(0), piece, only("pedal_added", "pedal_half"), LIMITS).tags == piece.tags


def test_jitter_loosens_chords_alone_and_notation_follows() -> None:
    for seed in range(12):
        piece = composed(seed)
        loose = vary(np.random.default_rng(seed), piece, only("chord_jitter", chord_jitter_ms=(15, 15)), LIMITS)
        assert identity(loose) == identity(piece)
        assert loose.beats_s == piece.beats_s
        assert loose.performance.end_s == piece.performance.end_s
        single = {chord[0] for chord in chords(piece.performance.notes) if len(chord) == 1}
        assert single <= set(loose.performance.notes)
        moved = np.array([n.onset_s for n in loose.performance.notes]) - [n.onset_s for n in piece.performance.notes]
        assert np.abs(moved).max() <= 2.5 * 0.015 + 2 * 0.03
        assert np.ptp(moved) > 0.005


def test_chords_close_together_stay_in_order() -> None:
    notes = tuple(Note(0.04 * i + 0.001 * j, 2.0, 40 + 3 * i + j, 64) for i in range(12) for j in range(3))
    settings = only("chord_jitter", chord_jitter_ms=(50, 50))
    loose = vary(np.random.default_rng(0), Piece(Performance(notes)), settings, LIMITS).performance.notes
    assert loose != notes
    onsets = {note.pitch: note.onset_s for note in loose}
    struck = [[onsets[40 + 3 * i + j] for j in range(3)] for i in range(12)]
    assert all(max(earlier) <= min(later) for earlier, later in pairwise(struck))


@pytest.mark.parametrize("name", [None, *VARIATIONS])
def test_what_is_rendered_sounds_when_the_truth_says(name: str | None) -> None:
    """Onsets of the rendered audio, found by its rise in level, against the truth of a varied piece."""
    notes = [Note(0.5 * i, 0.5 * i + 0.3, pitch, 90) for i in range(1, 7) for pitch in (60 + i, 72 + i)]
    piece = Piece(Performance(tuple(sorted(notes)), (PedalEvent(0.55, 0),)), beats_s=(0.5, 1.0), tempo_bpm=60.0)
    settings = only(*([name] if name else []), tempo_factor=(0.9, 1.2))
    varied = vary(np.random.default_rng(1), piece, settings, LIMITS).performance
    (font,) = find_soundfonts(["embedded"])
    waveform = render(varied, Piano.plain(font), RATE)
    power = np.square(waveform[: len(waveform) // STEP * STEP], dtype=np.float64).reshape(-1, STEP).mean(axis=1)
    for chord in chords(varied.notes):
        start = round(chord[0].onset_s * RATE / STEP)
        near = power[start - 30 : start + 30]
        heard = int(np.argmax(near > near[:20].max() + 0.02 * near.max())) - 30 + start
        assert abs(heard * STEP / RATE - chord[0].onset_s) <= 0.005
