"""A recording in pictures, its score on a page that follows the sound, and the desk that overrules what was found."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_lib import report
from s2s_lib.compose import compose
from s2s_lib.config import Config, DatasetConfig, TranscriptionConfig
from s2s_lib.errors import InputError
from s2s_lib.metre import bar_quarters
from s2s_lib.notes import Performance, Piece
from s2s_lib.report import transcription_widgets
from s2s_lib.report.pages import struck_times
from s2s_lib.report.transcription import bar_lines, key_spectrogram, performed_times
from s2s_lib.score import Engraving, Wishes, musicxml
from s2s_lib.targets import Grid, Thresholds, encode
from s2s_lib.transcribe import Probabilities
from s2s_lib.transcription import Transcription, write_files
from s2s_lib.transcription.listening import Heard, hear
from s2s_lib.transcription.result import Source

RATE, FRAME_S = 16000, 0.02
CHROMIUM = shutil.which("chromium")
PLAIN = {"complexity": "simple", "min_notes": 40, "max_notes": 60, "min_duration": 10.0, "max_duration": 14.0}


def composed(seed: int = 1, **limits: object) -> Piece:
    return compose(np.random.default_rng(seed), DatasetConfig(**(PLAIN | limits)))


def tone(seconds: float, hz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def heard_as(performance: Performance, title: str = "A <piece> & more") -> Heard:
    """As if a perfect model had heard a performance; its sound is a tone of that length."""
    frames = int(performance.end_s / FRAME_S) + 10
    grid = encode(performance, 0.0, frames, FRAME_S)
    probabilities = Probabilities(grid, FRAME_S, Thresholds(), frames * FRAME_S)
    return Heard(title, "a piece.flac", tone(frames * FRAME_S), RATE, probabilities)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return heard_as(composed().performance)


def with_score(piece: Piece, title: str = "A <piece> & more") -> Transcription:
    """A transcription whose score is the true one."""
    transcription = Transcription(piece.performance, title, Source("a piece.flac"), Wishes())
    vars(transcription)["_piece"] = piece
    return transcription


@pytest.fixture(scope="module")
def found() -> Transcription:
    return with_score(composed())


@pytest.fixture(scope="module")
def page(heard: Heard, found: Transcription) -> str:
    return report.score_page(heard, found, seconds=5.0).data


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


def test_performed_times_go_on_beyond_the_last_beat() -> None:
    piece = replace(composed(), beats_s=(0.0, 1.0, 1.5))
    assert performed_times(piece, [0.5, 1.5, 2, 4]).tolist() == [0.5, 1.25, 1.5, 2.5]


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
    fading = replace(grid, onset=grid.onset * np.linspace(0.1, 1, grid.onset.shape[1], dtype=np.float32))
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


@pytest.mark.parametrize(("seed", "metre", "complexity"), [(1, "4/4", "simple"), (14, "6/8", "complex")])
def test_struck_times_are_those_of_the_performance(seed: int, metre: str, complexity: str) -> None:
    piece = composed(seed, time_signatures=[metre], complexity=complexity, max_notes=150)
    struck = struck_times(Engraving(musicxml(piece, "x")).timemap(), piece)
    starts = np.array([start for start, _, _ in struck])
    printed = [note.onset_beat for note in piece.notated if note.ornament != "trilled"]
    for wanted in performed_times(piece, printed):
        assert np.abs(starts - wanted).min() < 0.002
    names = [name for *_, together in struck for name in together]
    assert len(set(names)) == len(names) >= len(printed)  # more, where a note is written as several tied ones
    assert all(start < end for start, end, _ in struck)


def test_struck_times_start_with_the_pickup() -> None:
    piece = composed(time_signatures=["4/4"])
    late = tuple(replace(note, onset_beat=note.onset_beat + 3) for note in piece.notated)  # a pickup of a beat
    moved = replace(piece, notated=late, beats_s=(-3.0, -2.0, -1.0, *piece.beats_s))
    timemap = [{"qstamp": 0, "on": ["a"]}, {"qstamp": 1, "off": ["a"], "on": ["b", "c"]},
               {"qstamp": 2, "off": ["b"]}, {"qstamp": 3, "off": ["c"]}]  # fmt: skip
    first, second, third, fourth = moved.beats_s[3:7]
    assert struck_times(timemap, moved) == [
        (pytest.approx(first, abs=1e-3), pytest.approx(second, abs=1e-3), ["a"]),
        (pytest.approx(second, abs=1e-3), pytest.approx(third, abs=1e-3), ["b"]),
        (pytest.approx(second, abs=1e-3), pytest.approx(fourth, abs=1e-3), ["c"]),
    ]


def test_score_page_holds_all_it_needs(page: str, found: Transcription) -> None:
    assert page.count('class="s2s-page"') == found.engraving.pages
    assert "A &lt;piece&gt; &amp; more, page 1 of" in page
    assert not re.search(r'(src|href)\s*=\s*"(?!data:|#)', page)
    ids = {name for *_, names in json.loads(re.search(r's2s-times">(.*?)</script>', page)[1]) for name in names}
    assert ids <= set(re.findall(r'<g id="([^"]+)" class="note', page))
    sounds = [base64.b64decode(data) for data in re.findall(r"data:audio/mpeg;base64,([^\"]+)", page)]
    assert [soundfile.info(io.BytesIO(sound)).duration for sound in sounds] == pytest.approx([5, 5], abs=0.2)
    assert page.count("<figcaption>the recording (the first 5 s)") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_score_follows_the_sound_in_a_browser(page: str, tmp_path: Path) -> None:
    """At 3 s notes are lit, the cursor stands over them, and the page they are on is the one shown."""
    seek = (
        "<script>const sound = document.querySelector('audio');"
        "Object.defineProperty(sound, 'currentTime', {value: 3}); sound.dispatchEvent(new Event('seeked'));</script>"
    )
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset='utf-8'><body>{page}{seek}</body>")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom",
             f"--user-data-dir={tmp_path}/chromium"]  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *flags, f"file://{tmp_path}/page.html"], capture_output=True, text=True, timeout=60
    )
    assert re.search(r'class="note[^"]*\bs2s-lit\b', done.stdout)
    cursor = re.search(r'class="s2s-cursor"([^>]*)', done.stdout)[1]
    assert "hidden" not in cursor
    assert re.search(r"height: \d", cursor)
    assert re.search(r"page 1 of \d", done.stdout)


def test_downloads_carry_the_files(found: Transcription, tmp_path: Path) -> None:
    files = write_files(found, ["midi", "musicxml", "midi"], tmp_path / 'a "folder"')
    assert [file.name for file in files] == ["a piece.mid", "a piece.musicxml"]
    links = re.findall(r'download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', report.downloads(files).data)
    assert [html.unescape(name) for name, _ in links] == [file.name for file in files]
    assert [base64.b64decode(data) for _, data in links] == [file.read_bytes() for file in files]


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
