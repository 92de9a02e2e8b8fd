"""Composed pieces: limits, truth about the score, and what makes them music."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from s2s_lib.compose import bwv846, compose
from s2s_lib.compose.expression import PEDALS
from s2s_lib.compose.grid import Setting
from s2s_lib.compose.style import tempo_range
from s2s_lib.compose.theory import parse_key
from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS, DatasetConfig
from s2s_lib.notes import TICKS_PER_BEAT, Piece, pedal_spans, read_midi, resolve_overlaps, write_piece

LEVELS = ("simple", "medium", "complex")
WIDE = {"min_notes": 10, "max_notes": 3000, "min_duration": 10.0, "max_duration": 20.0}
# Krumhansl and Kessler's probe-tone profiles (Krumhansl 1990), from the tonic up.
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@cache
def pieces(level: str, count: int = 60) -> tuple[Piece, ...]:
    return tuple(compose(np.random.default_rng([7, i]), DatasetConfig(complexity=level, **WIDE)) for i in range(count))


def every_piece() -> list[Piece]:
    return [piece for level in LEVELS for piece in pieces(level)]


def check_limits(piece: Piece, dataset: DatasetConfig) -> None:
    notes, end_s = piece.performance.notes, piece.performance.end_s
    assert dataset.min_notes <= len(notes) <= dataset.max_notes
    assert dataset.min_duration <= end_s <= dataset.max_duration
    assert piece.key in dataset.key_signatures
    assert "{}/{}".format(*piece.time_signature) in dataset.time_signatures
    assert 0.1 <= notes[0].onset_s <= 0.5
    assert all(21 <= n.pitch <= 108 and 1 <= n.velocity <= 127 for n in notes)
    assert list(notes) == sorted(notes)
    assert resolve_overlaps(list(notes)) == notes  # no key is struck while it is down
    assert all(n.offset_s - n.onset_s >= 0.005 for n in notes)
    assert len(piece.notated) == len(notes)
    assert all(0 <= event.time_s <= end_s for event in piece.performance.pedal)


@pytest.mark.parametrize("level", LEVELS)
def test_the_defaults_limits_hold(level: str) -> None:
    dataset = DatasetConfig(complexity=level)
    for seed in range(120):
        piece = compose(np.random.default_rng(seed), dataset)
        check_limits(piece, dataset)
        assert piece.performance.end_s <= dataset.max_duration - 0.5  # room to ring
        assert dataset.min_tempo <= piece.tempo_bpm <= dataset.max_tempo


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "limits",
    [
        {"min_notes": 1, "max_notes": 1, "min_duration": 30, "max_duration": 30},
        {"min_notes": 1, "max_notes": 1, "min_duration": 1, "max_duration": 1},
        {"min_notes": 40, "max_notes": 40, "min_duration": 1, "max_duration": 1},
        {"min_notes": 33, "max_notes": 33, "min_duration": 7.12345, "max_duration": 7.12345},
        {"min_notes": 400, "max_notes": 400, "min_duration": 10, "max_duration": 10.4},
        {"min_notes": 10, "max_notes": 12, "min_duration": 29, "max_duration": 30, "min_tempo": 200},
        {"min_notes": 150, "max_notes": 160, "min_duration": 5, "max_duration": 9, "max_tempo": 40},
        {"max_notes": 4000, "min_tempo": 400, "max_tempo": 400},
        {"max_notes": 4000, "min_tempo": 20, "max_tempo": 20, "min_duration": 1, "max_duration": 2},
    ],
    ids=lambda limits: "-".join(str(value) for value in limits.values()),
)
def test_extreme_limits_hold_exactly(level: str, limits: dict[str, float]) -> None:
    dataset = DatasetConfig(complexity=level, **limits)
    for seed in range(4):
        check_limits(compose(np.random.default_rng(seed), dataset), dataset)


def test_a_long_dense_piece_has_exactly_its_notes() -> None:
    dataset = DatasetConfig(min_notes=3000, max_notes=3000, min_duration=300, max_duration=300)
    check_limits(compose(np.random.default_rng(0), dataset), dataset)


def test_a_fixed_tempo_is_kept() -> None:
    dataset = DatasetConfig(min_tempo=96, max_tempo=96, **WIDE)
    assert all(compose(np.random.default_rng(seed), dataset).tempo_bpm == 96 for seed in range(20))


def test_the_same_generator_gives_the_same_piece() -> None:
    dataset = DatasetConfig(complexity="complex", **WIDE)
    first, again = (compose(np.random.default_rng(5), dataset) for _ in range(2))
    assert first == again
    assert compose(np.random.default_rng(6), dataset).performance != first.performance


def note_rate(piece: Piece) -> float:
    return len(piece.performance.notes) / piece.performance.end_s


def polyphony(piece: Piece) -> float:
    """Mean number of keys down while there is music."""
    return sum(n.offset_s - n.onset_s for n in piece.performance.notes) / piece.performance.end_s


def pitch_range(piece: Piece) -> float:
    pitches = [n.pitch for n in piece.performance.notes]
    return max(pitches) - min(pitches)


def rhythm_entropy(piece: Piece) -> float:
    """Bits of the distribution of the times between struck chords, in quarter octaves from 30 ms to 4 s."""
    onsets = np.array([n.onset_s for n in piece.performance.notes])
    between = np.diff(onsets)
    between = between[between > 0.03]
    counts, _ = np.histogram(np.log2(between), bins=np.arange(-5.25, 2.25, 0.25))
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


@pytest.mark.parametrize(
    ("measure", "least_ratio"), [(note_rate, 1.4), (polyphony, 1.02), (pitch_range, 1.08), (rhythm_entropy, 1.03)]
)
def test_levels_are_ordered(measure, least_ratio: float) -> None:
    means = [np.mean([measure(piece) for piece in pieces(level, 400)]) for level in LEVELS]
    assert all(harder >= least_ratio * easier for easier, harder in pairwise(means)), means


def test_note_rates_are_those_of_the_levels() -> None:
    rates = {level: np.mean([note_rate(piece) for piece in pieces(level)]) for level in LEVELS}
    assert 2 <= rates["simple"] <= 4
    assert 5 <= rates["medium"] <= 8
    assert 8.5 <= rates["complex"] <= 14


def best_key(piece: Piece) -> tuple[int, bool]:
    """Tonic and mode whose profile correlates best with the written durations (Krumhansl 1990)."""
    weights = np.zeros(12)
    for note, notated in zip(piece.performance.notes, piece.notated, strict=True):
        weights[note.pitch % 12] += min(notated.duration_beats, 2.0)
    scores = {
        (tonic, minor): np.corrcoef(np.roll(profile, tonic), weights)[0, 1]
        for tonic in range(12)
        for minor, profile in ((False, MAJOR_PROFILE), (True, MINOR_PROFILE))
    }
    return max(scores, key=scores.__getitem__)


@pytest.mark.parametrize("name", [*MAJOR_KEYS, *MINOR_KEYS])
def test_the_key_is_heard(name: str) -> None:
    found = diatonic = 0.0
    for seed in range(20):
        piece = compose(np.random.default_rng(seed), DatasetConfig(key_signatures=[name], **WIDE))
        key = parse_key(name)
        found += best_key(piece) == (key.tonic, key.minor)
        scale = {*key.scale, (key.tonic + 11) % 12}
        diatonic += np.mean([note.pitch % 12 in scale for note in piece.performance.notes])
    assert found >= 14  # of 20
    assert diatonic / 20 > 0.93


@pytest.mark.parametrize("metre", ["2/4", "3/4", "4/4", "6/8"])
def test_the_metre_is_kept(metre: str) -> None:
    numerator, denominator = (int(part) for part in metre.split("/"))
    bar = numerator * 4 / denominator
    on_downbeats, bars = 0, 0
    for seed in range(15):
        piece = compose(np.random.default_rng(seed), DatasetConfig(time_signatures=[metre], **WIDE))
        assert piece.time_signature == (numerator, denominator)
        onsets = {note.onset_beat for note in piece.notated}
        downbeats = np.arange(0, max(onsets) + 0.01, bar)
        on_downbeats += sum(beat in onsets for beat in downbeats.tolist())
        bars += len(downbeats)
    assert on_downbeats / bars > 0.95


@pytest.mark.parametrize("level", LEVELS)
def test_figures_in_compound_time_divide_its_beats(level: str) -> None:
    """Quarter notes over the middle of the bar would make 3/4 of it."""
    dataset = DatasetConfig(time_signatures=["6/8"], complexity=level, **WIDE)
    for seed in range(40):
        left = [note for note in compose(np.random.default_rng([8, seed]), dataset).notated if note.hand == "L"]
        assert not [note for note in left if note.onset_beat % 3 == 1.0 and note.duration_beats == 1.0]


@pytest.mark.parametrize(
    ("beat", "step", "group"),
    [(24, 24, 4), (24, 6, 4), (24, 8, 3), (24, 4, 3), (36, 12, 3), (36, 6, 6), (36, 3, 6), (36, 36, 4)],
)
def test_figures_have_as_many_notes_as_the_beat_has_parts(beat: int, step: int, group: int) -> None:
    assert Setting(96, beat, 100.0, "complex", (60, 84), (36, 60)).group(step) == group


def test_compound_beats_are_not_slower_than_felt() -> None:
    assert tempo_range(40.0, 200.0, 24) == (40.0, 200.0)
    assert tempo_range(40.0, 200.0, 36)[0] == pytest.approx(60 / 1.3 * 1.5)
    assert tempo_range(40.0, 60.0, 36) == (pytest.approx(2400**0.5), 60.0)
    assert tempo_range(80.0, 200.0, 36) == (80.0, 200.0)
    dataset = DatasetConfig(time_signatures=["6/8"], **WIDE)
    tempos = [compose(np.random.default_rng(seed), dataset).tempo_bpm for seed in range(40)]
    assert 69 < min(tempos) < 85


def test_a_data_set_uses_the_whole_keyboard() -> None:
    dataset = DatasetConfig(complexity="complex")
    composed = (compose(np.random.default_rng(seed), dataset) for seed in range(300))
    used = {note.pitch for piece in composed for note in piece.performance.notes}
    assert used == set(range(21, 109))


def test_performed_onsets_follow_the_beats() -> None:
    deviations = []
    for piece in [*every_piece(), bwv846()]:
        beats = np.array(piece.beats_s)
        assert (np.diff(beats) > 0).all()
        assert max(n.onset_beat + n.duration_beats for n in piece.notated) <= len(beats) - 1
        written = np.interp([n.onset_beat for n in piece.notated], np.arange(len(beats)), beats)
        played = np.array([n.onset_s for n in piece.performance.notes])
        deviations += np.abs(played - written).tolist()
    assert np.mean(np.array(deviations) <= 0.05) > 0.97  # the others are rolled chords and grace notes
    assert max(deviations) <= 0.36


def test_written_times_can_be_notated() -> None:
    for piece in every_piece():
        for note in piece.notated:
            assert (note.onset_beat * 24).is_integer()  # 32nds and triplets are multiples of 1/24
            assert note.duration_beats > 0


def test_keys_of_a_stroke_are_let_go_together_and_strokes_differ() -> None:
    """As in human performances, where logarithms of lengths correlate .83 within a stroke and .24 with the next."""
    within, between = [], []
    for piece in pieces("complex"):
        strokes: dict[str, dict[float, list[float]]] = {"R": {}, "L": {}}
        for note, notated in zip(piece.performance.notes, piece.notated, strict=True):
            share = (note.offset_s - note.onset_s) / notated.duration_beats
            strokes[notated.hand].setdefault(notated.onset_beat, []).append(np.log(share))
        for hand in strokes.values():
            shares = [hand[place] for place in sorted(hand)]
            within += [(keys[0], keys[-1]) for keys in shares if len(keys) > 1]
            between += [(one[0], following[0]) for one, following in pairwise(shares)]
    assert np.corrcoef(np.array(within).T)[0, 1] > 0.65
    assert np.corrcoef(np.array(between).T)[0, 1] < 0.6


def test_keys_are_let_go_at_once_or_held_to_the_next() -> None:
    """As in human performances: of longer notes some are struck and left, others joined, few lie between."""
    written_s, lengths_s = [], []
    for piece in pieces("complex"):
        grid = np.arange(len(piece.beats_s))
        for note, notated in zip(piece.performance.notes, piece.notated, strict=True):
            ends = notated.onset_beat, notated.onset_beat + notated.duration_beats
            written_s.append(np.diff(np.interp(ends, grid, piece.beats_s))[0])
            lengths_s.append(note.offset_s - note.onset_s)
    written, lengths = np.array(written_s), np.array(lengths_s)
    long, shares = (written > 0.35) & (written < 1), lengths / written
    lifted, joined = lengths[long] < 0.12, (shares[long] > 0.75) & (shares[long] < 1.35)
    assert np.mean(lifted) > 0.2
    assert np.mean(joined) > 0.2
    assert np.mean(~lifted & (shares[long] <= 0.75)) < 0.3
    assert np.median(shares[written < 0.12]) > 0.7


def test_tempo_breathes_and_slows_down_at_the_end() -> None:
    slower = 0
    for piece in pieces("medium"):
        beats = np.diff(piece.beats_s)
        slower += beats[-2:].mean() > 1.05 * np.median(beats)
    assert slower >= 50  # of 60


def test_hands_can_play_it() -> None:
    reaches = []
    for piece in every_piece():
        chords: dict[tuple[float, str], list[int]] = {}
        for note, notated in zip(piece.performance.notes, piece.notated, strict=True):
            assert notated.hand in "RL"
            assert notated.voice in (1, 2)
            chords.setdefault((notated.onset_beat, notated.hand), []).append(note.pitch)
        reaches += [(max(pitches) - min(pitches), len(pitches)) for pitches in chords.values()]
        right = [n.pitch for n, w in zip(piece.performance.notes, piece.notated, strict=True) if w.hand == "R"]
        left = [n.pitch for n, w in zip(piece.performance.notes, piece.notated, strict=True) if w.hand == "L"]
        assert np.median(right) > np.median(left) or "left crossing" in piece.tags
    assert max(count for _, count in reaches) <= 5
    assert max(reach for reach, _ in reaches) <= 16  # a tenth
    assert np.mean([reach <= 12 for reach, _ in reaches]) > 0.98


def test_the_pedal_is_there_and_changes() -> None:
    kinds = Counter()
    for piece in every_piece():
        kind = next(tag for tag in piece.tags if tag.startswith("pedal "))
        kinds[kind] += 1
        spans = pedal_spans(piece.performance.pedal, piece.performance.end_s)
        assert (not spans) == (kind == "pedal none")
        if spans:
            assert len(spans) >= 2
            assert all(up - down > 0.02 for down, up in spans)
    assert set(kinds) == {f"pedal {name}" for name in PEDALS}


def test_every_texture_and_figure_occurs() -> None:
    tags = {tag for level in LEVELS for piece in pieces(level, 200 if level == "complex" else 60) for tag in piece.tags}
    left = {"block", "held", "alberti", "tenths", "nocturne", "waltz", "octaves", "walking", "tremolo", "crossing",
            "counterpoint", "unison", "murky"}  # fmt: skip
    right = {"melody", "octaves", "thirds", "sixths", "chords", "two voices", "scales", "arpeggios", "broken",
             "repeated", "tremolo", "murmur", "chordal", "broken octaves", "double notes", "chromatic"}  # fmt: skip
    wanted = (
        {f"left {name}" for name in left}
        | {f"right {name}" for name in right}
        | {"trill", "turn", "mordent", "grace", "sweep"}
    )
    assert wanted <= tags


def test_melody_is_louder_and_dynamics_vary() -> None:
    louder, spread, levels = 0, [], []
    for piece in pieces("medium"):
        velocities = {"R": [], "L": []}
        for note, notated in zip(piece.performance.notes, piece.notated, strict=True):
            velocities[notated.hand].append(note.velocity)
        louder += np.mean(velocities["R"]) > np.mean(velocities["L"])
        spread.append(np.std(velocities["R"] + velocities["L"]))
        levels.append(np.mean(velocities["R"]))
    assert louder >= 45  # of 60
    assert np.mean(spread) > 8
    assert min(levels) < 45
    assert max(levels) > 80


def test_pieces_end_on_the_tonic() -> None:
    ending = 0
    for piece in every_piece():
        last = max(n.onset_beat for n in piece.notated)
        bass = min(n.pitch for n, w in zip(piece.performance.notes, piece.notated, strict=True) if w.onset_beat == last)
        ending += bass % 12 == parse_key(piece.key).tonic
    assert ending / len(every_piece()) > 0.9


def test_midi_gives_back_the_same_notes(tmp_path) -> None:
    for piece in [*pieces("simple")[:5], *pieces("complex")[:10], bwv846()]:
        write_piece(tmp_path / "piece.mid", piece)
        notes = sorted(read_midi(tmp_path / "piece.mid").notes, key=lambda n: (n.pitch, n.onset_s))
        wanted = sorted(piece.performance.notes, key=lambda n: (n.pitch, n.onset_s))
        assert [(n.pitch, n.velocity) for n in notes] == [(n.pitch, n.velocity) for n in wanted]
        times = np.array([(n.onset_s, n.offset_s) for n in notes])
        tick_s = max(np.diff(piece.beats_s).max(), piece.beats_s[1]) / TICKS_PER_BEAT
        assert np.abs(times - np.array([(n.onset_s, n.offset_s) for n in wanted])).max() <= 0.5 * tick_s + 0.0002
