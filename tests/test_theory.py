"""What composing rests on: keys, chords, voices, forms, the clock and the foot; and the one given piece."""

from __future__ import annotations

import numpy as np
import pytest

from s2s_lib.compose import bwv846
from s2s_lib.compose.expression import Expression
from s2s_lib.compose.grid import Score, ScoreNote, Setting
from s2s_lib.compose.harmony import compose_harmony, voice_chord
from s2s_lib.compose.pedalling import pedal_events
from s2s_lib.compose.perform import perform
from s2s_lib.compose.theory import chord, move, nearest, parse_key, related
from s2s_lib.compose.timing import breathe
from s2s_lib.notes import pedal_spans

BAR = 96
EIGHT_BARS = Score(
    tuple(ScoreNote(bar * BAR, BAR, pitch, "R", "chord") for bar in range(8) for pitch in (60, 64, 67, 72)),
    8 * BAR, BAR, 24, ((0, 4 * BAR), (4 * BAR, 8 * BAR)), tuple(bar * BAR for bar in range(8)),
)  # fmt: skip


def test_roman_numerals_mean_their_chords() -> None:
    c_major, a_minor = parse_key("C"), parse_key("Am")
    assert chord("ii65", c_major).tones == (2, 5, 9, 0)
    assert chord("ii65", c_major).bass == 5
    assert chord("V7/vi", c_major).tones == (4, 8, 11, 2)
    assert chord("V42/IV", c_major).bass == 10
    assert chord("V7", a_minor).tones == (4, 8, 11, 2)  # the leading tone is raised
    assert set(chord("V7", a_minor).scale) == {9, 11, 0, 2, 4, 6, 8}  # melodic minor
    assert chord("viio7", a_minor).tones == (8, 11, 2, 5)
    assert chord("bII6", a_minor).tones == (10, 2, 5)
    with pytest.raises(ValueError, match="Roman numeral"):
        chord("H7", c_major)


def test_scale_steps() -> None:
    scale = parse_key("C").scale
    assert move(scale, 60, 1) == 62
    assert move(scale, 64, 1) == 65
    assert move(scale, 61, 1) == 62  # from between two rungs to the next one
    assert move(scale, 61, -1) == 60
    assert move(scale, 108, 3) == 108  # the keyboard ends
    assert nearest((0, 4, 7), 66) == 67
    assert nearest((0,), 30, 40, 60) == 48


def test_voices_lead_smoothly() -> None:
    setting = Setting(96, 24, 100, "medium", (60, 84), (40, 60))
    moved = []
    for seed in range(30):
        harmony = compose_harmony(np.random.default_rng(seed), parse_key("G"), setting, 16 * 96)
        voicing: list[int] = []
        for span in harmony.spans:
            following = voice_chord(span.chord.tones, voicing, 48, 67)
            moved += [abs(a - b) for a, b in zip(voicing, following, strict=False)]
            voicing = following
    assert np.mean(moved) < 2.5  # semitones a voice
    assert np.mean([step <= 4 for step in moved]) > 0.9


def test_bwv846_is_the_prelude() -> None:
    piece = bwv846()
    by_bar: dict[int, list[int]] = {}
    for notated, note in sorted(zip(piece.notated, piece.performance.notes, strict=True),
                                key=lambda pair: (pair[0].onset_beat, pair[1].pitch)):  # fmt: skip
        by_bar.setdefault(int(notated.onset_beat // 4) + 1, []).append(note.pitch)
    assert len(piece.performance.notes) == 549
    assert sorted(by_bar) == list(range(1, 36))
    assert by_bar[1] == [60, 64, 67, 72, 76, 67, 72, 76] * 2
    assert by_bar[2] == [60, 62, 69, 74, 77, 69, 74, 77] * 2
    assert by_bar[12] == [55, 58, 64, 67, 73, 64, 67, 73] * 2
    assert by_bar[22] == [42, 48, 57, 60, 63, 57, 60, 63] * 2
    assert by_bar[23] == [44, 53, 59, 60, 62, 59, 60, 62] * 2
    assert by_bar[33] == [36, 48, 53, 57, 60, 65, 60, 57, 60, 57, 53, 57, 53, 50, 53, 50]
    assert by_bar[34] == [36, 47, 67, 71, 74, 77, 74, 71, 74, 71, 67, 71, 62, 65, 64, 62]
    assert by_bar[35] == [36, 48, 64, 67, 72]
    assert (piece.time_signature, piece.key, piece.tempo_bpm) == ((4, 4), "C", 69.0)
    assert piece == bwv846()
    assert len(pedal_spans(piece.performance.pedal, piece.performance.end_s)) == 35


def test_sections_leave_the_key_and_come_home() -> None:
    setting = Setting(BAR, 24, 100, "complex", (60, 84), (40, 60))
    key = parse_key("G")
    elsewhere = 0
    for seed in range(30):
        harmony = compose_harmony(np.random.default_rng(seed), key, setting, 16 * BAR)
        assert harmony.spans[-1].chord.tones == chord("I", key).tones
        openings = {harmony.at(phrase.start).tones[0] for phrase in harmony.phrases}
        elsewhere += bool(openings & {other.tonic for other in related(key)} - {key.tonic})
    assert 8 <= elsewhere <= 28


def test_rubato_gives_back_what_it_takes() -> None:
    for seed in range(10):
        expression = Expression(rubato=0.25, ritardando=1.0, holds=1.0)
        beats, holds = breathe(np.random.default_rng(seed), EIGHT_BARS, expression)
        assert beats[-1] == pytest.approx(32)  # quarter notes at one a second
        assert np.std(np.diff(beats)) > 0.02
        assert np.flatnonzero(np.diff(holds)).tolist() == [15]  # the last quarter note of the first phrase


def test_a_rolled_chord_goes_upwards_and_counts_as_one_on_the_page() -> None:
    beats_s = np.arange(33) * 0.5 + 0.3
    rolled = Expression(rolls=1.0, timing_s=0.0, spread_s=0.0, lifted=1.0, joined=0.0, stroke_s=0.04)
    performance, notated = perform(np.random.default_rng(0), EIGHT_BARS, rolled, beats_s, float(beats_s[-1]))
    for bar in range(8):
        onsets = [n for n, w in zip(performance.notes, notated, strict=True) if w.onset_beat == 4 * bar]
        assert [n.pitch for n in onsets] == [60, 64, 67, 72]
        assert 0.05 < onsets[-1].onset_s - onsets[0].onset_s < 0.31
        assert min(n.offset_s for n in onsets) > onsets[-1].onset_s  # let go as one, however short the stroke


@pytest.mark.parametrize("foot", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("half_pedal", [0.0, 1.0])
def test_the_foot_moves_and_the_pedal_changes_when_meant(foot: float, half_pedal: float) -> None:
    beats_s = np.arange(33) * 0.5 + 0.3
    expression = Expression(pedal="chord", foot=foot, half_pedal=half_pedal)
    events = pedal_events(np.random.default_rng(1), EIGHT_BARS, expression, np.arange(33) * 24, beats_s, 16.3)
    assert list(events) == sorted(events)
    assert events[-1].value < 64
    spans = pedal_spans(events, 16.3)
    assert len(spans) == 8
    for (down, up), bar_s in zip(spans, beats_s[::4], strict=False):
        assert 0.05 < down - bar_s < 0.4
        assert -0.05 < up - (bar_s + 2) < 0.15
    values = [event.value for event in events]
    assert any(30 < value < 64 for value in values) == (foot > 0 or half_pedal > 0)
    assert len(events) > 60 if foot == 0.2 else len(events) < 60
