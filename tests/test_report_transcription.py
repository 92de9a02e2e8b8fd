"""A recording in pictures, its score on a page that follows the sound, and the desk that overrules what was found."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transcriptions import RATE, composed, heard_as, tone, with_score

from s2s_lib import report
from s2s_lib.config import Config, TranscriptionConfig
from s2s_lib.errors import InputError
from s2s_lib.metre import bar_quarters
from s2s_lib.report import transcription_widgets
from s2s_lib.report.transcription import bar_lines, key_spectrogram
from s2s_lib.targets import Grid
from s2s_lib.transcription import Transcription, write_files
from s2s_lib.transcription.listening import Heard, hear


@pytest.fixture(scope="module")
def heard() -> Heard:
    return heard_as(composed().performance)


@pytest.fixture(scope="module")
def found() -> Transcription:
    return with_score(composed())


@pytest.mark.parametrize(("hz", "pitch"), [(440.0, 69), (65.41, 36), (2093.0, 96)])
def test_spectrogram_names_the_key(hz: float, pitch: int) -> None:
    levels = key_spectrogram(tone(2.0, hz), RATE)
    loudest = levels.mean(axis=1).argmax()
    assert (loudest + 0.5) / 3 - 0.5 + 21 == pytest.approx(pitch, abs=0.5)
    assert levels.max() == pytest.approx(0, abs=1e-6)


def test_spectrogram_is_silent_above_half_the_rate() -> None:
    levels = key_spectrogram(np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32), 4000)
    rows = (96 - 21 + 1) * 3  # from above C7, 2093 Hz
    assert levels[rows:].max() == -70.0
    assert levels[: rows - 6].max() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seconds", [0.1, 3.0])
def test_recording_figure(heard: Heard, seconds: float) -> None:
    figure = report.recording_figure(replace(heard, waveform=tone(seconds)))
    assert [ax.get_ylabel() for ax in figure.axes[:2]] == ["amplitude\n(1 = full scale)", "key"]
    assert figure.axes[1].get_xlim() == pytest.approx((0, seconds))
    assert figure.png().startswith(b"\x89PNG")


def test_notes_figure_shows_every_note_by_hand(found: Transcription) -> None:
    ax = report.notes_figure(found).axes[0]
    drawn = [len(collection.get_paths()) for collection in ax.collections]
    hands = [note.hand for note in found.to_score().notated]
    assert drawn == [hands.count("R"), hands.count("L")]
    assert sum(drawn) == len(found.notes)
    numbers = [int(text.get_text()) for text in ax.texts]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_notes_figure_takes_a_row_for_every_twenty_seconds() -> None:
    axes = report.notes_figure(with_score(composed(min_duration=45.0, max_duration=50.0, max_notes=300))).axes
    assert [ax.get_xlim() for ax in axes] == [(0, 20), (20, 40), (40, 60)]


def test_notes_figure_of_a_short_piece_ends_with_it(found: Transcription) -> None:
    (ax,) = report.notes_figure(found).axes
    assert ax.get_xlim() == pytest.approx((0, found.performance.end_s))


@pytest.mark.parametrize("metre", ["3/4", "6/8"])
def test_bar_lines_lie_on_the_true_beats(metre: str) -> None:
    piece = composed(time_signatures=[metre], complexity="medium")
    bar = bar_quarters(piece.time_signature)
    for number, time_s in bar_lines(piece):
        place = (number - 1) * bar
        before, after = piece.beats_s[int(place)], piece.beats_s[min(int(np.ceil(place)), len(piece.beats_s) - 1)]
        assert before - 1e-6 <= time_s <= after + 1e-6
    assert bar_lines(piece)[0] == (1, pytest.approx(piece.beats_s[0]))


def test_tempo_figure_shows_the_tempo() -> None:
    piece = composed(time_signatures=["3/4"])
    last = len(piece.beats_s) - 1
    steady = replace(piece, beats_s=(*(0.5 * k for k in range(last)), 0.5 * (last + 1)))
    (steps,) = report.tempo_figure(with_score(steady)).axes[0].patches
    tempo = steps.get_data().values
    assert tempo[:-1] == pytest.approx(120)
    assert tempo[-1] == pytest.approx(60)


def test_score_table_tells_found_from_given(heard: Heard) -> None:
    told = TranscriptionConfig(key_signature="Eb", time_signature="3/4")
    shown = {row[0]: row[1:] for row in report.score_table(heard.transcription(told)).rows}
    assert shown["key"] == ("E♭ major", "given")
    assert shown["metre"] == ("3/4", "given")
    assert shown["tempo (quarter notes a minute)"][1] == "found"


def test_onset_threshold_lets_fewer_notes_through(heard: Heard) -> None:
    grid = heard.probabilities.grid
    last = int(np.flatnonzero(grid.onset.any(axis=0))[-1])
    loudness = np.interp(np.arange(grid.onset.shape[1]), (0, last), (0.1, 1)).astype(np.float32)
    fading = replace(grid, onset=grid.onset * loudness)
    quieter = replace(heard, probabilities=replace(heard.probabilities, grid=fading))
    counts = [len(quieter.transcription(TranscriptionConfig(onset_threshold=t)).notes) for t in (0.05, 0.4, 0.6)]
    assert counts[0] > counts[1] > counts[2] > 0


def test_settings_become_wishes(heard: Heard) -> None:
    told = TranscriptionConfig(tempo_bpm=90, time_signature="6/8", smallest_note="1/8", pedal=False)
    wished = heard.transcription(told).wishes
    assert (wished.tempo_bpm, wished.time_signature, wished.smallest, wished.pedal) == (
        90,
        (6, 8),
        Fraction(1, 8),
        False,
    )


def test_downloads_carry_the_files(found: Transcription, tmp_path: Path) -> None:
    files = write_files(found, ["midi", "musicxml", "midi"], tmp_path / 'a "folder"')
    assert [file.name for file in files] == ["a piece.mid", "a piece.musicxml"]
    links = re.findall(r'download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', report.downloads(files).data)
    assert [html.unescape(name) for name, _ in links] == [file.name for file in files]
    assert [base64.b64decode(data) for _, data in links] == [file.read_bytes() for file in files]


def test_what_was_heard_at_the_desk_is_a_file_like_any_other(heard: Heard, tmp_path: Path) -> None:
    files = write_files(heard.transcription(TranscriptionConfig()), ["json", "html"], tmp_path)
    assert json.loads(files[0].read_text(encoding="utf-8"))["model"] == vars(heard.model)
    assert "data:audio/mpeg;base64," in files[1].read_text(encoding="utf-8")


def test_pages_are_files_of_their_own(found: Transcription, tmp_path: Path) -> None:
    files = write_files(found, ["svg"], tmp_path)
    assert [file.suffix for file in files] == [".svg"] * found.engraving.pages


def test_pages_of_a_longer_score_go_and_one_bad_format_costs_the_others_nothing(
    found: Transcription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale, other = tmp_path / "a piece-77.svg", tmp_path / "a piece-77.png"
    for file in (stale, other):
        file.write_text("old")

    def refuse(self: Transcription, path: Path) -> None:
        raise InputError("no engraver.")

    monkeypatch.setattr(Transcription, "to_musicxml", refuse)
    with pytest.raises(InputError, match="no engraver"):
        write_files(found, ["musicxml", "svg", "midi"], tmp_path)
    assert not stale.exists()
    assert other.exists()
    assert {file.suffix for file in tmp_path.iterdir()} == {".svg", ".mid", ".png"}


def uploaded(name: str, content: bytes) -> dict[str, object]:
    """A file as the upload button hands it over."""
    now = datetime.now(UTC)
    return {"name": name, "type": "", "size": len(content), "content": content, "last_modified": now}


class TestDesk:
    """The widgets, without a browser in front of them."""

    @pytest.fixture
    def desk(self, heard: Heard, tmp_path: Path) -> transcription_widgets.Desk:
        config = Config.resolve({
            "transcription": {"player_seconds": 1, "formats": ["midi"]}, "output": {"output_dir": str(tmp_path)},
        })  # fmt: skip
        return report.score_desk(heard, config)

    def test_what_is_told_is_written(self, desk: transcription_widgets.Desk, heard: Heard) -> None:
        assert [menu.label for menu in (desk.metre, desk.key)] == ["as found"] * 2
        assert desk.transcription.to_score() == heard.transcription(TranscriptionConfig()).to_score()
        desk.metre.value, desk.key.value, desk.smallest.value = "6/8", "F#m", "1/8"
        piece = desk.transcription.to_score()
        assert (piece.time_signature, piece.key) == ((6, 8), "F#m")
        assert desk.transcription.wishes.smallest == Fraction(1, 8)
        desk.metre.label = "as found"
        assert desk.transcription.wishes.time_signature is None

    def test_too_few_notes_are_a_sentence(self, desk: transcription_widgets.Desk) -> None:
        desk.threshold.value = 0.98
        silent = replace(desk.heard.probabilities, grid=Grid.empty(100))
        desk.heard = replace(desk.heard, probabilities=silent)
        desk.threshold.value = 0.97
        assert desk.transcription is None
        assert "too few notes" in desk.status.value

    def test_tempo_that_can_not_be_is_a_sentence(self, desk: transcription_widgets.Desk) -> None:
        desk.tempo.value = 3
        assert "tempo_bpm" in desk.status.value

    def test_upload_is_heard(self, desk: transcription_widgets.Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        other = heard_as(composed(2).performance, "other")
        paths = []
        monkeypatch.setattr(transcription_widgets, "hear", lambda _, path: paths.append(path.read_bytes()) or other)
        desk.upload.value = [uploaded("../an other.wav", b"abc")]
        assert paths == [b"abc"]
        assert desk.transcription.title == "other"

    def test_upload_that_is_no_audio_is_refused(self, desk: transcription_widgets.Desk) -> None:
        before = desk.transcription
        desk.upload.value = [uploaded("notes.txt", b"abc")]
        assert desk.status.value.startswith("notes.txt: not a readable audio file")
        assert desk.transcription is before

    def test_files_are_written_when_asked(self, desk: transcription_widgets.Desk, tmp_path: Path) -> None:
        assert not list(tmp_path.rglob("*.mid"))
        desk.save.click()
        assert [file.name for file in tmp_path.rglob("*.mid")] == ["a piece.mid"]


def test_silent_recording_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    with pytest.raises(InputError, match="silent"):
        hear(Config(), tmp_path / "silence.wav")


@pytest.mark.parametrize(
    ("key", "value"),
    [("time_signature", "3/5"), ("time_signature", "0/4"), ("key_signature", "H"), ("tempo_bpm", 3),
     ("smallest_note", "1/3"), ("formats", ["docx"]), ("onset_threshold", 2), ("audio", "")],
)  # fmt: skip
def test_impossible_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"transcription\.{key}"):
        Config.resolve({"transcription": {key: value}})
