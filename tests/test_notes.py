"""Notes and MIDI: what is written is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from small import TUNE

from s2s_lib.compose import bwv846
from s2s_lib.errors import InputError
from s2s_lib.notes import (
    Note,
    PedalEvent,
    Performance,
    extend_by_pedal,
    read_midi,
    resolve_overlaps,
    write_midi,
    write_piece,
)


def test_midi_keeps_times_to_a_millisecond(tmp_path: Path) -> None:
    write_midi(tmp_path / "tune.mid", TUNE)
    again = read_midi(tmp_path / "tune.mid")
    assert [(n.pitch, n.velocity) for n in again.notes] == [(n.pitch, n.velocity) for n in TUNE.notes]
    assert np.allclose([n.onset_s for n in again.notes], [n.onset_s for n in TUNE.notes], atol=1e-3)
    assert np.allclose([n.offset_s for n in again.notes], [n.offset_s for n in TUNE.notes], atol=1e-3)
    assert [p.value for p in again.pedal] == [127, 0]


def test_a_piece_carries_key_metre_hands_and_beats(tmp_path: Path) -> None:
    piece = bwv846()
    write_piece(tmp_path / "piece.mid", piece)
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "piece.mid"))
    assert [track.name for track in midi.instruments] == ["right hand", "left hand"]
    assert [(t.numerator, t.denominator) for t in midi.time_signature_changes] == [(4, 4)]
    assert midi.key_signature_changes[0].key_number == pretty_midi.key_name_to_key_number("C major")
    found = midi.get_beats()[1 : len(piece.beats_s) - 1]
    assert np.allclose(found, piece.beats_s[1 : 1 + len(found)], atol=2e-3)


def test_pedal_lengthens_notes_until_it_lifts_or_the_key_is_struck_again() -> None:
    played = Performance(
        (Note(0.0, 0.4, 60, 80), Note(0.2, 0.3, 62, 80), Note(1.0, 1.1, 60, 80), Note(3.0, 3.5, 64, 80)),
        (PedalEvent(0.35, 100), PedalEvent(2.0, 20)),
    )
    ends = {(n.onset_s, n.pitch): n.offset_s for n in extend_by_pedal(played)}
    assert ends == {(0.0, 60): 1.0, (0.2, 62): 0.3, (1.0, 60): 2.0, (3.0, 64): 3.5}


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


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path, "no such MIDI file"),
        (lambda path: path.write_bytes(b"MThd nonsense") and path, "not a readable MIDI file"),
        (lambda path: _save(path), "holds no piano notes"),
        (lambda path: _save(path, pretty_midi.Note(80, 40, 0, 1), drums=True), "holds no piano notes"),
        (lambda path: _save(path, pretty_midi.Note(80, 15, 0, 1)), "outside the piano's keys 21-108 (pitch 15)"),
    ],
)
def test_bad_midi_is_named(tmp_path: Path, make: object, says: str) -> None:
    path = make(tmp_path / "file.mid")
    with pytest.raises(InputError) as caught:
        read_midi(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
