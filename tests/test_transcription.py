"""A recording to notes, a score and files, with the weights that come with the package."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pretty_midi
import pytest
import soundfile
from small import TUNE

from s2s_lib.compose import bwv846
from s2s_lib.config import RELEASED_FOLDER, EvaluationConfig, TranscriptionConfig
from s2s_lib.config.transcription import ScoreFile
from s2s_lib.errors import InputError
from s2s_lib.metrics import score
from s2s_lib.notes import Note, Performance, extend_by_pedal, read_midi, write_midi
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.score import engrave
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.transcription import (
    FORMATS,
    Transcription,
    load_transcriber,
    page_paths,
    read_performance,
    transcribe,
    wishes,
    write_files,
)

RATE = 22050
SECONDS = 12.0


@pytest.fixture(scope="module")
def played() -> Performance:
    """The beginning of a prelude."""
    whole = bwv846().performance
    notes = tuple(note for note in whole.notes if note.onset_s < SECONDS)
    return Performance(notes, tuple(event for event in whole.pedal if event.time_s < SECONDS))


@pytest.fixture(scope="module")
def recording(played: Performance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("takes") / "Prélude <live>.flac"
    waveform = render(played, Piano.plain(find_soundfonts(["embedded"])[0]), RATE)
    soundfile.write(path, waveform, RATE)
    return path


@pytest.fixture(scope="module")
def found(recording: Path) -> Transcription:
    return transcribe(recording, device="cpu")


@pytest.fixture(scope="module")
def engraved(tmp_path_factory: pytest.TempPathFactory) -> Transcription:
    """A performance with pedal, known to the note, and its score."""
    path = tmp_path_factory.mktemp("midi") / "tune.mid"
    write_midi(path, TUNE)
    return read_performance(path, title="A tune")


def test_a_recording_gives_its_notes_and_a_score(played: Performance, found: Transcription, recording: Path) -> None:
    assert score(played, found.performance, EvaluationConfig()).onset.f1 > 0.95
    piece = found.to_score()
    assert len(piece.notated) == len(found.notes) == len(piece.performance.notes)
    assert found.to_score() is piece
    assert found.summary().startswith(f"{len(found.notes)} notes, {piece.tempo_bpm:.0f} bpm, ")
    assert found.title == recording.stem
    assert found.model.name == "released"
    weights = (RELEASED_FOLDER / "model.safetensors").read_bytes()
    assert found.model.sha256 == hashlib.sha256(weights).hexdigest()


def test_an_array_gives_what_its_file_gives(found: Transcription, recording: Path) -> None:
    waveform, rate = soundfile.read(recording, dtype="float32")
    told = []
    same = transcribe(
        waveform, sample_rate=rate, device="cpu", watch=lambda read_s, all_s: told.append((read_s, all_s))
    )
    assert same.performance == found.performance
    assert [read_s for read_s, _ in told] == sorted(read_s for read_s, _ in told)
    assert {all_s for _, all_s in told} == {len(waveform) / rate} == {told[-1][0]}


def test_the_model_is_loaded_once() -> None:
    assert load_transcriber(None, "cpu") is load_transcriber("released", "cpu")


def test_midi_keeps_what_was_played(engraved: Transcription, tmp_path: Path) -> None:
    engraved.to_midi(tmp_path / "tune.mid")
    again = read_midi(tmp_path / "tune.mid")
    for note, kept in zip(engraved.notes, again.notes, strict=True):
        assert kept == Note(pytest.approx(note.onset_s, abs=2e-3), pytest.approx(note.offset_s, abs=2e-3), *_key(note))
    assert [event.value for event in again.pedal] == [event.value for event in engraved.pedal]


def test_midi_carries_the_beats_metre_and_key(found: Transcription, tmp_path: Path) -> None:
    found.to_midi(tmp_path / "found.mid")
    midi, piece = pretty_midi.PrettyMIDI(str(tmp_path / "found.mid")), found.to_score()
    metre = midi.time_signature_changes[-1]  # there may be a pickup before it
    assert (metre.numerator, metre.denominator) == piece.time_signature
    assert midi.key_signature_changes[0].key_number == pretty_midi.key_name_to_key_number(f"{piece.key} major")
    quarters = np.array([midi.tick_to_time(tick) for tick in range(0, 100 * midi.resolution, midi.resolution)])
    beats_s = np.array([time_s for time_s in piece.beats_s[1:] if 0 < time_s <= SECONDS])
    assert len(beats_s) > 5
    assert np.abs(quarters[:, None] - beats_s).min(axis=0).max() < 5e-3
    bar = piece.time_signature[0] * 4 // piece.time_signature[1]
    downbeats_s = [time_s for time_s in piece.beats_s[bar::bar] if 0 < time_s <= SECONDS]
    assert np.abs(midi.get_downbeats()[:, None] - downbeats_s).min(axis=0).max() < 5e-3


def _key(note: Note) -> tuple[int, int]:
    return note.pitch, note.velocity


def test_a_score_without_pedal_marks_leaves_the_midi_its_pedal(tmp_path: Path, engraved: Transcription) -> None:
    bare = replace(engraved, wishes=replace(engraved.wishes, pedal=False))
    bare.to_midi(tmp_path / "bare.mid")
    assert len(read_midi(tmp_path / "bare.mid").pedal) == len(TUNE.pedal)
    assert "<pedal" not in bare.musicxml
    assert (bare.to_score().performance.pedal, engraved.to_score().performance.pedal) == ((), engraved.pedal)


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-3


@pytest.mark.parametrize(
    ("key", "value", "in_score"),
    [
        ("key_signature", "Eb", lambda piece: piece.key == "Eb"),
        ("time_signature", "3/4", lambda piece: piece.time_signature == (3, 4)),
        ("tempo_bpm", 120, lambda piece: 80 < piece.tempo_bpm < 180),
        ("tempo_bpm", 40, lambda piece: piece.tempo_bpm < 70),
        ("smallest_note", "1/4", lambda piece: all(_whole(note.onset_beat * 6) for note in piece.notated)),
    ],
)
def test_what_is_wished_for_is_in_the_score(found: Transcription, key: str, value: object, in_score: object) -> None:
    wished = replace(found, wishes=wishes(TranscriptionConfig(**{key: value})))
    assert in_score(wished.to_score())


def test_json_says_what_was_played_and_where_it_stands(engraved: Transcription, tmp_path: Path) -> None:
    engraved.to_json(tmp_path / "tune.json")
    described, piece = json.loads((tmp_path / "tune.json").read_text(encoding="utf-8")), engraved.to_score()
    assert described["schema"] == "sound2sheet.transcription/1"
    assert (described["title"], described["source"], described["model"]) == ("A tune", "tune.mid", None)
    assert (described["key"], described["tempo_bpm"]) == (piece.key, piece.tempo_bpm)
    assert described["time_signature"] == "{}/{}".format(*piece.time_signature)
    assert [event["value"] for event in described["pedal"]] == [127, 0]
    assert [note["pedal_offset_s"] for note in described["notes"]] == [
        pytest.approx(note.offset_s, abs=1e-3) for note in extend_by_pedal(engraved.performance)
    ]
    steps = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    for note, notated in zip(described["notes"], piece.notated, strict=True):
        name = note["score"]["name"]
        alteration = name.count("#") - name[1:].count("b")
        assert 12 * (int(name[-1]) + 1) + steps[name[0]] + alteration == note["pitch"]
        assert (note["score"]["hand"], note["score"]["voice"]) == (notated.hand, notated.voice)
        assert note["score"]["duration_quarters"] == pytest.approx(notated.duration_beats, abs=1e-3)
    first = described["notes"][0]
    beat = next(beat for beat in described["beats"] if beat["time_s"] >= first["onset_s"] - 0.1)
    assert beat["measure"] == first["score"]["measure"]


class Page(HTMLParser):
    """What a page would fetch, and what it offers for download."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.downloads, self.tags = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.addresses += [values[name] for name in ("src", "href", "xlink:href", "data") if name in values]
        if "download" in values:
            self.downloads[Path(values["download"]).suffix] = base64.b64decode(values["href"].partition("base64,")[2])


def test_the_page_needs_nothing_else(found: Transcription, tmp_path: Path) -> None:
    found.to_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags.count("audio") == 1
    assert text.count('class="s2s-page"') == found.engraving.pages
    assert page.tags.count("script") == 2, "the times of the notes, and what moves the cursor"
    assert "live" not in page.tags  # the title is text
    assert page.downloads[".pdf"].startswith(b"%PDF")
    assert page.downloads[".musicxml"].decode() == found.musicxml
    sound = next(address for address in page.addresses if address.startswith("data:audio/mpeg"))
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(sound.partition("base64,")[2])))
    assert len(heard) / rate == pytest.approx(soundfile.info(found.source.audio).duration, abs=0.1)


def test_pages_are_drawn_once_for_all_formats(
    engraved: Transcription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, draw = [], engrave.plain_text
    monkeypatch.setattr(engrave, "plain_text", lambda *drawing: drawn.append(drawing) or draw(*drawing))
    afresh = replace(engraved)
    files = write_files(afresh, ["svg", "png", "pdf", "html"], tmp_path)
    assert {file.suffix for file in files} == {".svg", ".png", ".pdf", ".html"}
    assert len(drawn) == afresh.engraving.pages


def test_the_notebook_can_write_every_format() -> None:
    assert set(get_args(ScoreFile)) == set(FORMATS)


def test_pages_are_numbered_so_that_they_sort() -> None:
    assert [path.name for path in page_paths(Path("a.b.svg"), 1)] == ["a.b-1.svg"]
    names = [path.name for path in page_paths(Path("a.svg"), 12)]
    assert names[0] == "a-01.svg"
    assert names == sorted(names)


def test_too_few_notes_give_a_midi_file_and_no_score(tmp_path: Path) -> None:
    write_midi(tmp_path / "two.mid", Performance(TUNE.notes[:2]))
    few = read_performance(tmp_path / "two.mid")
    for write in (few.to_score, lambda: few.to_musicxml(tmp_path / "x"), lambda: few.to_pdf(tmp_path / "x")):
        with pytest.raises(InputError, match=r"two\.mid: too few notes for a score \(2, and it needs \d\)"):
            write()
    few.to_midi(tmp_path / "again.mid")
    few.to_json(tmp_path / "again.json")
    assert len(read_midi(tmp_path / "again.mid").notes) == 2
    assert [note["score"] for note in json.loads((tmp_path / "again.json").read_text())["notes"]] == [None, None]
    assert not (tmp_path / "x").exists()
