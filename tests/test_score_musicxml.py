"""MusicXML: it says what the piece says, in bars that add up, written as a copyist would."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scores import Row, later, melody, piece_of, random_piece, read_back, wanted

from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.errors import InputError
from s2s_lib.metre import bar_quarters
from s2s_lib.notes import Note, Performance, Piece
from s2s_lib.score.musicxml import musicxml
from s2s_lib.score.musicxml.accidentals import accidentals
from s2s_lib.score.musicxml.lengths import QUARTER, find_tuplets, grid_of, split, value_of
from s2s_lib.score.musicxml.measures import measures


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


def marked_piece() -> Piece:
    """A tune with a hairpin, an octave line, a rolled chord and a mordent."""
    chord: list[Row] = [("L", 1, 0.0, 4.0, pitch, None) for pitch in (45, 52, 57)]
    piece = piece_of([*melody(*[1.0] * 31), *melody(*[0.5] * 16, pitch=98, start=32), *chord])
    notes = [replace(n, velocity=round(50 + 45 * np.clip(n.onset_s / 8 - 0.5, 0, 1))) for n in piece.performance.notes]
    notes[:4] = [replace(note, onset_s=0.01 + abs(note.pitch - 45) / 100) for note in notes[:4]]
    notated = list(piece.notated)
    notated[6] = replace(notated[6], ornament="mordent")
    piece = replace(piece, performance=Performance(tuple(notes)), notated=tuple(notated))
    text = musicxml(piece, "Marks")
    assert all(f"<{mark}" in text for mark in ("wedge", "octave-shift", "arpeggiate", "mordent"))
    return piece


@pytest.mark.skipif(not shutil.which("mscore3"), reason="needs MuseScore 3")
def test_musescore_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    pieces = [random_piece(1, (4, 4)), later(random_piece(2, (6, 8)), 2.5), marked_piece()]
    jobs = [{"in": str(tmp_path / f"{i}.musicxml"), "out": str(tmp_path / f"{i}.ms.musicxml")} for i in range(3)]
    for piece, job in zip(pieces, jobs, strict=True):
        Path(job["in"]).write_text(musicxml(piece, "Noise"))
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    run = subprocess.run(
        ["mscore3", "-j", "jobs.json"], cwd=tmp_path, check=True, capture_output=True, timeout=120, text=True
    )
    assert "rror" not in run.stdout + run.stderr
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
        ((4, 4), 0.25, 1.75, ["eighth.", "quarter"]),
        ((4, 4), 2.25, 1.75, ["eighth.", "quarter"]),
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
        ("R", 1, 2.0, 1.0, 77, None), ("R", 1, 3.0, 1.0, 76, "inverted-mordent"),
    ]  # fmt: skip
    notes = [note for note in _xml(rows).iter("note") if note.findtext("staff") == "1"]
    assert [note.findtext("pitch/step") for note in notes] == ["C", "E", "F", "E"]
    assert [note.find("grace") is not None for note in notes] == [False, True, False, False]
    assert notes[1].find("grace").get("slash") == "yes"
    assert notes[0].find("notations/ornaments/trill-mark") is not None
    assert notes[3].find("notations/ornaments/inverted-mordent") is not None


def test_voices_that_overlap_and_doubled_notes_are_still_written() -> None:
    rows: list[Row] = [("R", 1, 0.0, 2.0, 60, None), ("R", 1, 1.0, 3.0, 64, None), ("R", 1, 1.0, 1.0, 64, None)]
    assert read_back(musicxml(piece_of(rows), "Both")) == {("R", 1, 60, 0, 96): 1, ("R", 1, 64, 48, 144): 1}


def test_a_performance_without_score_is_refused() -> None:
    with pytest.raises(InputError, match=r"song\.mid: holds no score"):
        musicxml(Piece(Performance((Note(0.0, 1.0, 60, 60),))), "song.mid")


def test_titles_of_any_letters_survive() -> None:
    title = "Prélude & Fugue <“7”> 前奏曲"
    assert ElementTree.fromstring(musicxml(piece_of(melody(4)), title)).findtext("work/work-title") == title
