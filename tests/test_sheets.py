"""Reference scores from annotated performances, other programs' scores, and the table made of them."""

from __future__ import annotations

import shutil
from dataclasses import replace

import mido
import numpy as np
import pytest

from s2s_lib.benchmark import sheets
from s2s_lib.benchmark.sheets.peers import MUSESCORE, PEERS, tempo_map
from s2s_lib.benchmark.sheets.sheet import Sheet, SheetNote, read_sheet
from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.errors import InputError
from s2s_lib.metrics import Notation, notation_scores
from s2s_lib.notes import NotatedNote, Note, Performance, read_midi, write_midi

STEPS = {60: "C4", 62: "D4", 64: "E4", 65: "F4", 67: "G4", 69: "A4", 48: "C3", 43: "G2", 45: "A2"}
# (onset, duration, pitch, hand) in quarters of three-four time: a pickup, a repeated measure, one more with a tie out
# of it, and the last
PICKUP, REPEATED = [(0, 1, 67, "R")], [(1, 2, 60, "R"), (3, 1, 62, "R"), (1, 3, 48, "L")]
REST = [(4, 1, 64, "R"), (5, 1, 65, "R"), (6, 2, 69, "R"), (4, 3, 43, "L"), (8, 2, 60, "R"), (7, 3, 45, "L")]
BARS = [(0, 1), (1, 3), (4, 3), (7, 3)]


def write_score(path):
    """The example as MusicXML through music21, its third measure's last note tied over the bar line."""
    from music21 import bar, key, meter, note, stream, tie

    score = stream.Score()
    for hand in "RL":
        part = stream.PartStaff()
        for number, (start, length) in enumerate(BARS):
            measure = stream.Measure(number=number)
            if number == 0:
                measure.append([meter.TimeSignature("3/4"), key.KeySignature(0)])
                measure.paddingLeft = 2
            if number == 1:
                measure.leftBarline, measure.rightBarline = bar.Repeat("start"), bar.Repeat("end")
            for a, d, pitch, side in [*PICKUP, *REPEATED, *REST]:
                if side != hand or not a < start + length or not a + d > start:
                    continue
                first, last = max(a, start), min(a + d, start + length)
                made = note.Note(STEPS[pitch], quarterLength=last - first)
                if last - first < d:
                    made.tie = tie.Tie("start" if first == a else "stop")
                measure.insert(first - start, made)
            measure.makeRests(fillGaps=True, inPlace=True, timeRangeFromBarDuration=number > 0)
            part.append(measure)
        score.insert(0, part)
    score.write("musicxml", path)


def write_beats(path, times_s, first):
    labels = ["db" if k % 3 == first else "b" for k in range(len(times_s))]
    path.write_text("".join(f"{t:.6f}\t{t:.6f}\t{label}\n" for t, label in zip(times_s, labels, strict=True)))


@pytest.fixture
def folder(tmp_path):
    """A performance with rubato, the repeat taken, one wrong note and one left out."""
    made = tmp_path / "set" / "waltz"
    made.mkdir(parents=True)
    write_score(made / "score.musicxml")
    played = [*PICKUP, *REPEATED, *((a + 3, *rest) for a, *rest in [*REPEATED, *REST])]
    beats_s = 0.5 + np.cumsum([0, *np.tile([0.6, 0.5, 0.7], 5)])[:13]
    ends = np.arange(13)
    notes = [
        Note(float(np.interp(a, ends, beats_s)), float(np.interp(a + d, ends, beats_s)) - 0.01, pitch, 64)
        for a, d, pitch, _ in played
        if pitch != 65
    ]
    notes.append(Note(2.0, 2.2, 70, 50))
    write_midi(made / "performance.mid", Performance(tuple(sorted(notes))))
    write_beats(made / "performance_beats.txt", beats_s, 1)
    midi = mido.MidiFile(ticks_per_beat=480, tracks=[mido.MidiTrack([mido.Message("note_on", note=60, time=9600)])])
    midi.save(made / "score.mid")
    write_beats(made / "score_beats.txt", 0.5 * np.arange(13), 1)
    return made


def test_true_score_of_a_performance(folder):
    performance, truth = sheets.read_truth(folder)
    found = {
        (note.pitch, round(written.onset_beat, 3)): (round(written.duration_beats, 3), written.hand)
        for note, written in zip(performance.notes, truth.notated, strict=True)
        if written is not None
    }
    # places count from the bar line before the pickup, and the repeat is played
    expected = {(67, 2): (1, "R")}
    for by in (2, 5):
        expected |= {(pitch, a + by): (d, hand) for a, d, pitch, hand in REPEATED}
    expected |= {(pitch, a + 5): (d, hand) for a, d, pitch, hand in REST if pitch != 65}
    assert found == expected
    assert [note.pitch for note, written in zip(truth.notes, truth.notated, strict=True) if written is None] == [70]
    assert truth.time_signature == (3, 4)
    assert truth.key == "Am", "the last bass note is A, and the signature has no sharps or flats"
    assert truth.downbeats.tolist() == [3, 6, 9, 12]
    assert truth.seconds([2.0, 3.0]) == pytest.approx([0.5, 1.1])
    assert truth.in_measure(2.0) == 2
    assert notation_scores(truth, truth).rhythm == 1


@pytest.mark.parametrize("name", ["score.musicxml", "performance_beats.txt"])
def test_what_a_folder_must_hold(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}; name folders"):
        sheets.read_truth(folder)


def test_damaged_beats_are_refused(folder):
    (folder / "performance_beats.txt").write_text("0.5\t0.5\tdb\nsoon\n")
    with pytest.raises(InputError, match="line 2 is no"):
        sheets.read_truth(folder)


def test_no_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no folders with performance"):
        list(sheets.human_cases(tmp_path))


def test_music21_finds_what_is_played_on_the_files_beats(tmp_path):
    rows = [(k * 0.5, (k + 1) * 0.5 - 0.01, pitch) for k, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72))]
    performance = Performance(tuple(Note(*row, 64) for row in rows))
    midi = tmp_path / "strict.mid"
    write_midi(midi, performance)
    got = PEERS["music21"](midi, performance)
    assert [note.onset_beat for note in got.notated] == list(range(8))
    assert [note.duration_beats for note in got.notated] == [1] * 8
    assert got.seconds(got.beats).tolist() == pytest.approx([0.5 * k for k in range(8)])
    assert got.downbeats.tolist() == [0, 4]
    assert {note.hand for note in got.notated} == {"R"}


@pytest.mark.skipif(not any(map(shutil.which, MUSESCORE)), reason="needs MuseScore 3")
def test_musescore_and_the_performance_are_aligned(tmp_path):
    piece = sheets.without_rubato(compose(np.random.default_rng(5), DatasetConfig(complexity="simple")))
    midi = tmp_path / "piece.mid"
    write_midi(midi, piece.performance)
    got = PEERS["MuseScore"](midi, piece.performance)
    printed = [(note, written) for note, written in zip(got.notes, got.notated, strict=True) if written is not None]
    assert len(printed) >= 0.95 * len(got.notes)
    errors_s = [note.onset_s - got.seconds([written.onset_beat])[0] for note, written in printed]
    assert np.percentile(np.abs(errors_s), 90) < 0.1


def test_tempo_map_leaves_out_what_goes_back_in_time():
    notes = [SheetNote(60 + k, NotatedNote(float(k), 1.0, "R", 1)) for k in range(5)]
    played = [Note(t, t + 0.1, 60 + k, 64) for k, t in enumerate((1.0, 2.0, 9.0, 4.0, 5.0))]
    sheet = Sheet(tuple(notes), (0.0, 4.0), 8.0, 0.0, (4, 4), "C")
    places, times_s = tempo_map(Performance(tuple(sorted(played))), sheet)
    assert (places.tolist(), times_s.tolist()) == ([0, 1, 3, 4], [1, 2, 4, 5])


def test_strict_time_keeps_the_score_and_the_touch():
    piece = compose(np.random.default_rng(1), DatasetConfig(complexity="complex"))
    strict = sheets.without_rubato(piece)
    assert np.ptp(np.diff(strict.beats_s)) < 1e-9
    assert np.ptp(np.diff(piece.beats_s)) > 0.01
    assert sorted(strict.notated, key=repr) == sorted(piece.notated, key=repr)
    before, after = Notation.of(piece), Notation.of(strict)
    off = [
        sorted(np.interp(note.onset_s, n.times_s, n.places) - written.onset_beat for note, written in rows)
        for n in (before, after)
        for rows in [list(zip(n.notes, n.notated, strict=True))[5:]]
    ]
    assert off[0] == pytest.approx(off[1], abs=0.02)


def test_table_and_rows_of_all_tools(tmp_path):
    case = next(iter(sheets.composed_cases(1, tmp_path)))
    assert read_midi(case.midi).notes[0].pitch == case.performance.notes[0].pitch

    def fails(midi, performance):
        raise InputError("no score today")

    results = [
        sheets.measure(case, "right", lambda midi, performance: case.truth),
        sheets.measure(replace(case, name="again"), "right", lambda midi, performance: replace(case.truth, key="C#")),
        sheets.measure(case, "lazy", fails),
    ]
    lines = sheets.table(results, {"hand": "hand", "key_signature": "key"}).splitlines()
    assert lines[0] == "| music | score by | pieces | hand | key |"
    assert lines[2:] == ["| composed | right | 2 | 1.000 | 0.500 |", "| composed | lazy | 0 | – | – |"]
    rows = sheets.rows(results)
    assert [row["error"] for row in rows] == ["", "", "no score today"]
    assert [row.get("mv2h.mean") for row in rows][::2] == [1.0, None]


def test_a_file_that_is_no_score(tmp_path):
    path = tmp_path / "bad.musicxml"
    path.write_text("<score-partwise>")
    with pytest.raises(InputError, match="music21 can't read it"):
        read_sheet(path)
