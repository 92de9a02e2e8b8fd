"""MusicXML: it says what the piece says, in bars that add up, written as a copyist would."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.errors import InputError
from s2s_lib.metre import bar_quarters
from s2s_lib.notes import NotatedNote, Note, PedalEvent, Performance, Piece
from s2s_lib.score.musicxml import musicxml
from s2s_lib.score.musicxml.accidentals import accidentals
from s2s_lib.score.musicxml.lengths import QUARTER, find_tuplets, grid_of, split, value_of
from s2s_lib.score.musicxml.measures import measures

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
        if n.ornament in (None, "trill")
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


@pytest.mark.parametrize("metre", ["2/4", "3/4", "4/4", "6/8"])
@pytest.mark.parametrize("complexity", ["simple", "medium", "complex"])
def test_composed_pieces_come_back_the_same(complexity: str, metre: str) -> None:
    config = DatasetConfig(complexity=complexity, time_signatures=[metre], max_notes=150)
    piece = compose(np.random.default_rng(len(metre + complexity)), config)
    assert read_back(musicxml(piece, "A study")) == wanted(piece)
    pickup = later(piece, float(bar_quarters(piece.time_signature)) - 0.5)
    assert read_back(musicxml(pickup, "A study")) == wanted(pickup)


METRES = [(4, 4), (3, 4), (2, 2), (5, 4), (7, 8), (3, 8), (6, 8), (9, 8), (12, 8), (6, 4)]


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_any_rhythm_in_any_metre_comes_back_the_same(metre: tuple[int, int]) -> None:
    piece = random_piece(sum(metre), metre)
    assert read_back(musicxml(piece, "Noise")) == wanted(piece)


@pytest.mark.skipif(not shutil.which("mscore3"), reason="needs MuseScore 3")
def test_musescore_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    pieces = [random_piece(1, (4, 4)), later(random_piece(2, (6, 8)), 2.5)]
    jobs = [{"in": str(tmp_path / f"{i}.musicxml"), "out": str(tmp_path / f"{i}.ms.musicxml")} for i in range(2)]
    for piece, job in zip(pieces, jobs, strict=True):
        Path(job["in"]).write_text(musicxml(piece, "Noise"))
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    subprocess.run(["mscore3", "-j", "jobs.json"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    for piece, job in zip(pieces, jobs, strict=True):
        assert read_back(Path(job["out"]).read_text()) == wanted(piece)


@pytest.mark.parametrize(
    ("metre", "start", "length", "written"),
    [
        ((4, 4), 0, 1.5, ["quarter."]),
        ((4, 4), 0.5, 1.5, ["quarter."]),
        ((4, 4), 0.5, 1, ["quarter"]),
        ((4, 4), 1, 2, ["half"]),
        ((4, 4), 1.5, 1, ["eighth", "eighth"]),
        ((4, 4), 0, 3.5, ["half", "quarter."]),
        ((4, 4), 0.75, 1.25, ["16th", "quarter"]),
        ((3, 4), 0, 3, ["half."]),
        ((3, 4), 1.5, 1.5, ["quarter."]),
        ((6, 8), 0.5, 2.5, ["quarter", "quarter."]),
        ((6, 8), 0, 3, ["half."]),
        ((5, 4), 0, 5, ["half.", "half"]),
        ((12, 8), 1.5, 3, ["quarter.", "quarter."]),
    ],
)
def test_lengths_are_cut_where_the_beat_must_show(
    metre: tuple[int, int], start: float, length: float, written: list[str]
) -> None:
    spans = split(round(start * QUARTER), round((start + length) * QUARTER), grid_of(metre), (), rest=False)
    values = [value_of(b - a) for a, b in spans]
    assert [value.type + "." * value.dots for value in values] == written


def test_rests_show_every_beat_of_simple_metres() -> None:
    assert split(QUARTER, 3 * QUARTER, grid_of((3, 4)), (), rest=True) == [(48, 96), (96, 144)]
    assert split(QUARTER, 4 * QUARTER, grid_of((4, 4)), (), rest=True) == [(48, 96), (96, 192)]
    assert split(24, 144, grid_of((6, 8)), (), rest=True) == [(24, 48), (48, 72), (72, 144)]


@pytest.mark.parametrize(
    ("places", "tuplets"),
    [
        ({16, 32, 48}, [(0, 48, 1)]),
        ({24, 32, 40, 48}, [(24, 48, 1)]),
        ({8, 16, 24, 32, 40, 48}, [(0, 48, 2)]),
        ({16, 32, 48, 64, 80, 96}, [(0, 48, 1), (48, 96, 1)]),
        ({32, 64, 96}, [(0, 96, 1)]),
        ({64, 128}, [(0, 192, 1)]),
        ({12, 24, 48, 60}, []),
    ],
)
def test_tuplets_are_no_longer_than_they_must_be(places: set[int], tuplets: list[tuple[int, int, int]]) -> None:
    assert [(t.start, t.end, t.parts) for t in find_tuplets(places, grid_of((4, 4)))] == tuplets


def _xml(rows: list[Row], *args: object) -> ElementTree.Element:
    return ElementTree.fromstring(musicxml(piece_of(rows, *args), "Title"))


def _beams(root: ElementTree.Element) -> list[str]:
    """First-level beams as b(egin), c(ontinue), e(nd), or - for none."""
    notes = (note for note in root.iter("note") if note.find("rest") is None and note.find("chord") is None)
    return ["-" if note.find("beam") is None else note.find("beam").text[0] for note in notes]


@pytest.mark.parametrize(
    ("metre", "durations", "beams"),
    [
        ((4, 4), (0.5,) * 8, "bccebcce"),
        ((3, 4), (0.5,) * 6, "bcccce"),
        ((6, 8), (0.5,) * 6, "bcebce"),
        ((4, 4), (0.5, 0.5, 0.25, 0.25, 0.5, 1, 1), "bebce--"),
        ((4, 4), (0.5, -0.5, 0.5, 0.5, 2), "-be-"),
        ((2, 4), (1 / 3,) * 3 + (0.5, 0.5), "bcebe"),
    ],
)
def test_beams_follow_the_beat(metre: tuple[int, int], durations: tuple[float, ...], beams: str) -> None:
    assert "".join(_beams(_xml(melody(*durations), metre))) == beams


def test_hooks_of_dotted_rhythms_point_to_the_dotted_note() -> None:
    root = _xml(melody(0.75, 0.25, 0.25, 0.75, 2))
    assert [beam.text for beam in root.iter("beam") if beam.get("number") == "2"] == ["backward hook", "forward hook"]


@pytest.mark.parametrize(
    ("metre", "start", "pickup"),
    [((4, 4), 3.5, 24), ((4, 4), 3, 48), ((4, 4), 2.5, 96), ((4, 4), 0.5, None), ((6, 8), 2.5, 24), ((3, 4), 2.75, 12)],
)
def test_a_pickup_is_bar_0_without_rests_before_it(metre: tuple[int, int], start: float, pickup: int | None) -> None:
    root = _xml([*melody(0.25, start=start), *melody(1, start=4, pitch=40, hand="L")], metre)
    bar, following = root.findall("part/measure")[:2]
    assert (bar.get("number"), bar.get("implicit")) == (("0", "yes") if pickup else ("1", None))
    assert following.get("number") == ("1" if pickup else "2")
    upper = [int(note.findtext("duration")) for note in bar.iter("note") if note.findtext("staff") == "1"]
    assert sum(upper) == (pickup or 192)


@pytest.mark.parametrize(
    ("metre", "written", "signs"),
    [
        ((4, 4), ["F#4", "F#4", "F4", "F#4"], [None, None, "natural", "sharp"]),
        ((4, 4), ["F4", "F4", "F5", "Gb4"], ["natural", None, "natural", "flat"]),
        ((2, 4), ["F4", "G4", "F#4", "F#4", "F#4"], ["natural", None, "(sharp)", None, None]),
        ((1, 4), ["F4", "F4", "F#5", "F##4"], ["natural", "natural", None, "double-sharp"]),
    ],
)
def test_signs_hold_for_the_bar_and_are_recalled_in_the_next(
    metre: tuple[int, int], written: list[str], signs: list[str | None]
) -> None:
    """In G major, one quarter note after the other."""
    bars = measures(piece_of(melody(*[1.0] * len(written)), metre))
    spelled = {i: (name[0], name.count("#") - name.count("b"), int(name[-1])) for i, name in enumerate(written)}
    found = accidentals(bars, spelled, fifths=1)
    shown = [found.get(i) for i in range(len(written))]
    assert [sign and (f"({sign.name})" if sign.cautionary else sign.name) for sign in shown] == signs


def test_ornaments_stand_at_their_note() -> None:
    rows: list[Row] = [
        ("R", 1, 0.0, 2.0, 72, "trill"), ("R", 1, 0.25, 0.25, 74, "trilled"), ("R", 1, 2.0, 0.0, 76, "grace"),
        ("R", 1, 2.0, 2.0, 77, None),
    ]  # fmt: skip
    notes = [note for note in _xml(rows).iter("note") if note.findtext("staff") == "1"]
    assert [note.findtext("pitch/step") for note in notes] == ["C", "E", "F"]
    assert [note.find("grace") is not None for note in notes] == [False, True, False]
    assert notes[1].find("grace").get("slash") == "yes"
    assert notes[0].find("notations/ornaments/trill-mark") is not None


def test_marks_come_by_the_passage() -> None:
    """Eight loud fast bars, then eight soft slow ones with pedal; velocities waver by 6 all along."""
    piece = piece_of(melody(*[1.0] * 64))
    beats_s = tuple(np.cumsum([0.0, *[0.5] * 32, *[0.8] * 34]))
    notes = tuple(
        Note(beats_s[i], beats_s[i + 1], n.pitch, (98 if i < 32 else 46) + 6 * (-1) ** i)
        for i, n in enumerate(piece.performance.notes)
    )
    pedal = (PedalEvent(beats_s[40] + 0.05, 127), PedalEvent(beats_s[44] + 0.02, 0), PedalEvent(beats_s[44] + 0.2, 90),
             PedalEvent(beats_s[46], 0))  # fmt: skip
    root = ElementTree.fromstring(musicxml(replace(piece, performance=Performance(notes, pedal), beats_s=beats_s), "M"))
    bars = root.findall("part/measure")
    where = {
        name: [(i, e) for i, bar in enumerate(bars) for e in bar.iter(name)] for name in ("dynamics", "pedal", "sound")
    }
    assert [(i, e[0].tag) for i, e in where["dynamics"]] == [(0, "f"), (8, "p")]
    assert [(i, round(float(e.get("tempo")))) for i, e in where["sound"]] == [(0, 120), (8, 75)]
    assert [(i, e.get("type")) for i, e in where["pedal"]] == [(10, "start"), (10, "stop"), (11, "start"), (11, "stop")]


def test_a_staff_far_out_changes_its_clef_or_octave() -> None:
    low, high = melody(*[1.0] * 16, pitch=45), melody(*[1.0] * 16, pitch=98)
    low = [(hand, voice, at + 16, *rest) for hand, voice, at, *rest in low]
    root = _xml([*melody(*[1.0] * 16), *low, *((hand, voice, at + 32, *rest) for hand, voice, at, *rest in high)])
    bars = root.findall("part/measure")
    clefs = [(i, c.findtext("sign")) for i, bar in enumerate(bars) for c in bar.iter("clef") if c.get("number") == "1"]
    shifts = [(i, e.get("type")) for i, bar in enumerate(bars) for e in bar.iter("octave-shift")]
    assert clefs == [(0, "G"), (4, "F"), (8, "G")]
    assert shifts == [(8, "down"), (11, "stop")]


def test_voices_that_overlap_and_doubled_notes_are_still_written() -> None:
    rows: list[Row] = [("R", 1, 0.0, 2.0, 60, None), ("R", 1, 1.0, 3.0, 64, None), ("R", 1, 1.0, 1.0, 64, None)]
    assert read_back(musicxml(piece_of(rows), "Both")) == {("R", 1, 60, 0, 96): 1, ("R", 1, 64, 48, 144): 1}


def test_a_performance_without_score_is_refused() -> None:
    with pytest.raises(InputError, match=r"song\.mid: holds no score"):
        musicxml(Piece(Performance((Note(0.0, 1.0, 60, 60),))), "song.mid")


def test_titles_of_any_letters_survive() -> None:
    title = "Prélude & Fugue <“7”> 前奏曲"
    assert ElementTree.fromstring(musicxml(piece_of(melody(4)), title)).findtext("work/work-title") == title
