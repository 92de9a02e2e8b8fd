"""Notes and MIDI: what is written is what is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from midi_files import melody, played, program, write
from small import TUNE

from s2s_lib.compose import bwv846
from s2s_lib.errors import InputError
from s2s_lib.notes import (
    NotatedNote,
    Note,
    PedalEvent,
    Performance,
    Piece,
    Timeline,
    extend_by_pedal,
    pedal_spans,
    read_midi,
    resolve_overlaps,
    write_midi,
    write_piece,
)
from s2s_lib.smf import read_music


def test_midi_keeps_times_to_a_millisecond(tmp_path: Path) -> None:
    write_midi(tmp_path / "tune.mid", TUNE)
    again = read_midi(tmp_path / "tune.mid")
    assert [(n.pitch, n.velocity) for n in again.notes] == [(n.pitch, n.velocity) for n in TUNE.notes]
    assert np.allclose([n.onset_s for n in again.notes], [n.onset_s for n in TUNE.notes], atol=1e-3)
    assert np.allclose([n.offset_s for n in again.notes], [n.offset_s for n in TUNE.notes], atol=1e-3)
    assert [p.value for p in again.pedal] == [127, 0]


def _movements(*moves: tuple[int, int]) -> list[tuple[int, mido.Message]]:
    return [(tick, mido.Message("control_change", control=64, value=value)) for tick, value in moves]


def test_pedal_movements_of_one_tick_keep_the_order_of_the_file(tmp_path: Path) -> None:
    moves = _movements((100, 80), (100, 0), (480, 0), (480, 90), (480, 90), (960, 90), (960, 20))
    performance = read_midi(write(tmp_path / "pedal.mid", [*played(60, 0, 1920), *moves]))
    assert [event.value for event in performance.pedal] == [80, 0, 0, 90, 90, 20]
    assert pedal_spans(performance.pedal, 9.0)[-1] == (0.5, 1.0)
    write_midi(tmp_path / "again.mid", performance)
    again = read_midi(tmp_path / "again.mid").pedal
    assert [event.value for event in again] == [80, 0, 0, 90, 90, 20]
    assert np.allclose([e.time_s for e in again], [e.time_s for e in performance.pedal], atol=1e-3)
    write_piece(tmp_path / "piece.mid", replace(bwv846(), performance=replace(bwv846().performance, pedal=again)))
    assert [event.value for event in read_midi(tmp_path / "piece.mid").pedal] == [80, 0, 0, 90, 90, 20]


@pytest.mark.parametrize("slower", [1, 7, 25, 70])
def test_beats_of_any_length_keep_times_true(tmp_path: Path, slower: float) -> None:
    """MIDI has no beat longer than 16.7 s; the longest here lasts 43 s."""
    piece = bwv846()
    notes = tuple(replace(n, onset_s=n.onset_s * slower, offset_s=n.offset_s * slower) for n in piece.performance.notes)
    beats_s = tuple(beat_s * slower for beat_s in piece.beats_s)
    write_piece(tmp_path / "slow.mid", replace(piece, performance=Performance(notes), beats_s=beats_s))
    found = sorted(read_midi(tmp_path / "slow.mid").notes, key=lambda n: (n.pitch, n.onset_s))
    wanted = sorted(notes, key=lambda n: (n.pitch, n.onset_s))
    assert [n.pitch for n in found] == [n.pitch for n in wanted]
    longest_s = min(max(np.diff((0.0, *beats_s[1:]))), 2**24 / 1e6)
    errors = [(a.onset_s - b.onset_s, a.offset_s - b.offset_s) for a, b in zip(found, wanted, strict=True)]
    assert np.abs(errors).max() <= longest_s / 3840 + 2e-6 * len(beats_s) * max(1, slower / 16)


@pytest.mark.parametrize("notated", [False, True])
def test_others_read_three_hours_of_midi(tmp_path: Path, notated: bool) -> None:
    """pretty_midi refuses a file of more than ten million ticks."""
    starts = np.arange(0.3, 3 * 3600, 61.7)
    notes = tuple(Note(start, start + 0.5, 60, 64) for start in starts.tolist())
    written = tuple(NotatedNote(round(2 * note.onset_s), 1.0, "R", 1) for note in notes) if notated else ()
    beats_s = tuple(np.arange(0, 3 * 3600 + 2, 0.5).tolist())
    piece = replace(bwv846(), performance=Performance(notes), notated=written, beats_s=beats_s)
    write_piece(tmp_path / "long.mid", piece)
    found = pretty_midi.PrettyMIDI(str(tmp_path / "long.mid")).instruments[0].notes
    assert np.abs([note.start for note in found] - starts).max() < 1.1e-3


def test_a_piece_carries_key_metre_hands_and_beats(tmp_path: Path) -> None:
    piece = bwv846()
    write_piece(tmp_path / "piece.mid", piece)
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "piece.mid"))
    assert [track.name for track in midi.instruments] == ["right hand", "left hand"]
    assert [(t.numerator, t.denominator) for t in midi.time_signature_changes] == [(4, 4)]
    assert midi.key_signature_changes[0].key_number == pretty_midi.key_name_to_key_number("C major")
    found = midi.get_beats()[1 : len(piece.beats_s) - 1]
    assert np.allclose(found, piece.beats_s[1 : 1 + len(found)], atol=2e-3)


@pytest.mark.parametrize(
    ("early_s", "metre", "metres", "left_out"),
    [
        (-0.6, (4, 4), [(4, 4)], 0),
        (0.2, (4, 4), [(4, 4)], 0),
        (1.7, (4, 4), [(1, 4), (4, 4)], 3),
        (1.2, (4, 4), [(2, 4), (4, 4)], 2),
        (0.8, (3, 8), [(1, 8), (3, 8)], 1),
        (1.7, (3, 4), [(3, 4)], 3),
        (0.6, (2, 2), [(3, 4), (2, 2)], 1),
    ],
)
def test_a_pickup_that_starts_the_recording_leaves_out_the_beats_before_it(
    tmp_path: Path, early_s: float, metre: tuple[int, int], metres: list[tuple[int, int]], left_out: int
) -> None:
    """Quarters of half a second, from `early_s` before the recording on."""
    beats_s = tuple(0.5 * k - early_s for k in range(16))
    notes = tuple(Note(round(0.11 + 0.37 * i, 4), round(0.31 + 0.37 * i, 4), 60 + i, 40 + i) for i in range(15))
    notated = tuple(NotatedNote(4 + 0.5 * i, 0.5, "RL"[i % 2], 1) for i in range(15))
    piece = Piece(Performance(notes, (PedalEvent(0.4, 99),)), notated, beats_s, metre, "Eb", 120.0)
    write_piece(tmp_path / "piece.mid", piece)
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "piece.mid"))
    assert [(t.numerator, t.denominator) for t in midi.time_signature_changes] == metres
    ticks = np.arange(1, 15 - left_out) * midi.resolution
    assert np.allclose([midi.tick_to_time(int(t)) for t in ticks], beats_s[1 + left_out : 15], atol=1e-4)
    again = read_midi(tmp_path / "piece.mid")
    assert [(n.pitch, n.velocity) for n in again.notes] == [(n.pitch, n.velocity) for n in notes]
    assert np.allclose(
        [(n.onset_s, n.offset_s) for n in again.notes], [(n.onset_s, n.offset_s) for n in notes], atol=3e-4
    )
    assert np.isclose(again.pedal[0].time_s, 0.4, atol=3e-4)


def test_pedal_lengthens_notes_until_it_lifts_or_the_key_is_struck_again() -> None:
    played = Performance(
        (Note(0.0, 0.4, 60, 80), Note(0.2, 0.3, 62, 80), Note(1.0, 1.1, 60, 80), Note(3.0, 3.5, 64, 80)),
        (PedalEvent(0.35, 100), PedalEvent(2.0, 20)),
    )
    ends = {(n.onset_s, n.pitch): n.offset_s for n in extend_by_pedal(played)}
    assert ends == {(0.0, 60): 1.0, (0.2, 62): 0.3, (1.0, 60): 2.0, (3.0, 64): 3.5}


def test_extended_notes_keep_the_order_of_the_notes() -> None:
    chord = Performance((Note(0.0, 0.2, 64, 80), Note(0.0, 0.3, 60, 80)), (PedalEvent(0.1, 100), PedalEvent(0.9, 0)))
    assert [(note.pitch, note.offset_s) for note in extend_by_pedal(chord)] == [(64, 0.9), (60, 0.9)]


def test_ends_that_are_known_are_not_derived_from_the_pedal() -> None:
    known = (Note(0.0, 0.9, 60, 80),)
    played = Performance((Note(0.0, 0.4, 60, 80),), (PedalEvent(0.1, 127), PedalEvent(2.0, 0)), known)
    assert extend_by_pedal(played) == known
    assert extend_by_pedal(played.shifted(1.0)) == (Note(1.0, 1.9, 60, 80),)
    assert extend_by_pedal(replace(played, extended=None))[0].offset_s == 2.0


def test_a_half_value_counts_as_down_and_an_open_pedal_ends_with_the_music() -> None:
    played = Performance((Note(0.0, 0.5, 60, 80), Note(1.0, 2.0, 62, 80)), (PedalEvent(0.1, 64),))
    assert extend_by_pedal(played)[0].offset_s == 2.0


def test_overlaps_of_one_key_end_at_the_next_onset() -> None:
    notes = resolve_overlaps([Note(0.0, 2.0, 60, 50), Note(1.0, 3.0, 60, 60), Note(1.0002, 1.5, 60, 90)])
    assert notes == (Note(0.0, 1.0002, 60, 50), Note(1.0002, 3.0, 60, 90))


def _save(path: Path, *notes: pretty_midi.Note, drums: bool = False) -> Path:
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(0, is_drum=drums))
    midi.instruments[0].notes = list(notes)
    midi.write(str(path))
    return path


def _delta(path: Path, delta: bytes) -> Path:
    """A file whose second event comes after this time, given as its bytes."""
    track = b"\x00\x90\x3c\x40" + delta + b"\x80\x3c\x00\x00\xff\x2f\x00"
    path.write_bytes(b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk" + len(track).to_bytes(4, "big") + track)
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path, "no such MIDI file"),
        (lambda path: path.write_bytes(b"MThd nonsense") and path, "not a readable MIDI file"),
        (
            lambda path: path.write_bytes(_save(path, pretty_midi.Note(80, 60, 0, 1)).read_bytes()[:-9]) and path,
            "cut off",
        ),
        (lambda path: write(path, played(60, 0, 480), kind=2), "it is of type 2, and types 0 and 1 are read"),
        (lambda path: _delta(path, b"\x8f\xff\xff\xff\x7f"), "it has a negative or impossible time"),
        (lambda path: write(path, played(60, 0, 9), played(60, 10**8, 10**8 + 9)), "lasts 29 hours; at most 24"),
        (lambda path: path.write_bytes(bytes(17 * 2**20)) and path, "is 17 MiB of MIDI; at most 16 are read"),
        (lambda path: _save(path), "holds no piano notes; name"),
        (lambda path: write(path, played(60, 7, 7)), "holds no piano notes (left out: 1 without length)"),
        (lambda path: _save(path, pretty_midi.Note(80, 40, 0, 1), drums=True), "no piano notes (left out: 1 drums)"),
        (lambda path: _save(path, pretty_midi.Note(80, 15, 0, 1)), "outside the piano's keys 21-108 (pitch 15)"),
    ],
)
def test_bad_midi_is_named(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    path = make(tmp_path / "file.mid")
    with pytest.raises(InputError) as caught:
        read_midi(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", [0, 1])
def test_reading_agrees_with_pretty_midi(tmp_path: Path, kind: int) -> None:
    """Random notes that overlap on the same key, pedal, and a tempo that changes: the same as the field's reader."""
    rng = np.random.default_rng(kind)
    starts = rng.integers(0, 40_000, 500).tolist()
    notes = [e for s in starts for e in played(int(rng.integers(40, 60)), s, s + int(rng.integers(1, 2000)))]
    pedal = [
        (int(t), mido.Message("control_change", control=64, value=int(t) % 128)) for t in rng.integers(0, 40_000, 99)
    ]
    tempos = [(t, mido.MetaMessage("set_tempo", tempo=int(rng.integers(2e5, 2e6)))) for t in range(0, 40_000, 3000)]
    tracks = [[*tempos, *notes, *pedal]] if kind == 0 else [tempos, notes, pedal]
    path = write(tmp_path / "random.mid", *tracks, kind=kind)
    music, _ = read_music(path)
    theirs = pretty_midi.PrettyMIDI(str(path)).instruments[0]
    expected = sorted((n.start, n.end, n.pitch, n.velocity) for n in theirs.notes)
    found = sorted(zip(music.onset_s, music.offset_s, music.pitch, music.velocity, strict=True))
    assert np.allclose(found, expected, atol=1e-9)
    if kind == 0:  # of a track without notes pretty_midi drops the pedal
        moves = sorted({(c.time, c.value) for c in theirs.control_changes})
        assert np.allclose(np.stack((music.pedal_s, music.pedal_value), axis=1), moves)


@pytest.mark.parametrize(
    ("tracks", "pitches", "left_out"),
    [
        ([[program(0), *played(60, 0, 9)], [program(40, 1), *played(61, 0, 9, 1)]], [60], {"other instruments": 1}),
        ([played(60, 0, 9), played(61, 0, 9, 1), played(40, 0, 9, 9)], [60, 61], {"drums": 1}),
        ([played(60, 0, 9), [program(40, 1), *played(61, 0, 9, 1)]], [60], {"other instruments": 1}),
        ([[program(0, 2)], [program(48, 3)], played(60, 0, 9, 2), played(61, 0, 9, 3)], [60], {"other instruments": 1}),
        ([[program(40), *played(60, 0, 9)]], [], {"other instruments": 1}),
    ],
    ids=["a piano program", "no program at all", "a part without one", "programs in tracks of their own", "a violin"],
)
def test_what_counts_as_piano(tmp_path: Path, tracks: list, pitches: list[int], left_out: dict[str, int]) -> None:
    music, _ = read_music(write(tmp_path / "band.mid", *tracks))
    assert music.pitch.tolist() == pitches
    assert music.left_out == left_out


def test_smpte_time_ignores_the_tempo(tmp_path: Path) -> None:
    tempo = (0, mido.MetaMessage("set_tempo", tempo=250_000))
    path = write(tmp_path / "smpte.mid", [tempo, *played(60, 1000, 2000)])
    data = bytearray(path.read_bytes())
    data[12:14] = (256 - 25, 40)  # 25 frames of 40 ticks: a tick is a millisecond
    path.write_bytes(data)
    assert read_midi(path).notes[0] == Note(1.0, 2.0, 60, 80)


def test_what_a_file_states_of_its_score(tmp_path: Path) -> None:
    events = [
        (0, mido.MetaMessage("key_signature", key="F#m")),
        (960, mido.MetaMessage("time_signature", numerator=3, denominator=8)),
        (480, mido.MetaMessage("set_tempo", tempo=1_000_000)),
    ]
    music, _ = read_music(write(tmp_path / "song.mid", events, played(60, 0, 480), played(62, 485, 960)))
    assert music.keys == ((0.0, "F#m"),)
    assert music.metres == ((1.5, (3, 8)),)
    assert music.tempos == ((0.5, 60.0),)
    assert music.on_grid == 0.5


def test_damaged_bytes_are_refused_or_read_but_never_a_traceback(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    write_piece(tmp_path / "whole.mid", bwv846())
    whole = (tmp_path / "whole.mid").read_bytes()[:600]
    refused = 0
    for _ in range(300):
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(0, len(data), 6)] = rng.integers(0, 256, 6)
        (tmp_path / "damaged.mid").write_bytes(data[: rng.integers(10, len(data) + 1)].tobytes())
        try:
            read_music(tmp_path / "damaged.mid")
        except InputError:
            refused += 1
    assert refused > 100


def test_a_stretch_of_a_timeline_is_what_sounds_there() -> None:
    played = melody(5, 30)
    held = Note(0.1, 25.0, 25, 40)
    whole = Performance(tuple(sorted([*played.notes, held])), (PedalEvent(0.1, 90), PedalEvent(11.0, 3)))
    part = Timeline(whole).between(10.05, 12.0)
    heard = {note: end for note, end in zip(whole.notes, extend_by_pedal(whole), strict=True) if end.offset_s > 10.05}
    assert part.notes == tuple(note for note in heard if note.onset_s < 12.0)
    assert part.extended == tuple(end for note, end in heard.items() if note.onset_s < 12.0)
    assert held in part.notes
    assert any(note.offset_s < 10.0 for note in part.notes), "one rings through the pedal alone"
    assert part.pedal == whole.pedal
    assert Timeline(whole).between(12.0, 13.0).pedal == (PedalEvent(11.0, 3),)
    assert Timeline(Performance(())).between(0.0, 1.0) == Performance((), extended=())
