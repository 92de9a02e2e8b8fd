"""`s2s transcribe`: a batch with good and bad inputs, every refusal in one sentence, and nothing overwritten."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Outcome
from small import TUNE

from s2s_lib import transcription
from s2s_lib.notes import Performance, read_midi, write_midi
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.transcription import formats, result

RATE = 22050
STRANGE = "Für Élise “live” 'take \"2\"' 演奏"
FIRST_BYTES = {
    ".mid": b"MThd", ".musicxml": b"<?xml", "-1.svg": b"<", ".pdf": b"%PDF", "-1.png": b"\x89PNG", ".json": b"{",
    ".html": b"<!DOCTYPE html>",
}  # fmt: skip


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return render(TUNE, Piano.plain(find_soundfonts(["embedded"])[0]), RATE)


@pytest.fixture
def tune(tmp_path: Path) -> str:
    write_midi(tmp_path / "tune.mid", TUNE)
    return "tune.mid"


@pytest.fixture
def loud(tmp_path: Path) -> str:
    """A file that would be transcribed were it not for what is refused before."""
    soundfile.write(tmp_path / "loud.wav", np.ones(RATE), RATE)
    return "loud.wav"


def test_a_batch_does_what_it_can(
    s2s: Callable[..., Outcome], tmp_path: Path, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # without ffmpeg
    takes = tmp_path / "takes" / "of today"
    takes.mkdir(parents=True)
    soundfile.write(takes / f"{STRANGE}.flac", sound, RATE)
    soundfile.write(takes / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(takes / "nothing.wav", np.zeros(0), RATE)
    (takes / "empty.wav").touch()
    (takes / "text.wav").write_text("no sound at all")
    (takes / "voice.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(400))
    (takes / "cover.jpg").touch()
    write_midi(tmp_path / "tune.mid", TUNE)
    done = s2s("transcribe", "takes", "tune.mid", "-o", "out", "missing.wav", "--device", "cpu")
    assert done.code == 1
    line = rf"{re.escape(STRANGE)}\.flac: \d+ notes, \d+ bpm, [A-G][b#]? (major|minor), \d+/\d+, 1 page, [\d.]+ s$"
    assert len(done.out.splitlines()) == 1
    assert re.search(line, done.out)
    says = {
        "silent.wav": "is silent",
        "nothing.wav": "holds no audio",
        "empty.wav": r"not a readable audio file \(it is empty\)",
        "text.wav": r"not a readable audio file \(.*\); convert it",
        "voice.m4a": r"not a readable audio file \(.*\); convert it to WAV, FLAC, OGG or MP3, or install ffmpeg",
        "tune.mid": "is a MIDI file, no recording; add --from-midi",
        "missing.wav": "there is no such audio file",
    }
    errors = [line for line in done.err.splitlines() if line.startswith("s2s: error: ")]
    assert len(errors) == len(says)
    for file, sentence in says.items():
        assert re.search(rf"{re.escape(file)}: {sentence}", done.err)
    assert "Traceback" not in done.err
    written = {f"{STRANGE}{ending}" for ending in (".mid", ".musicxml", "-1.svg")}
    assert {file.name for file in (tmp_path / "out").iterdir()} == written


def test_a_recording_without_a_piano_is_said_to_have_none(
    s2s: Callable[..., Outcome], tmp_path: Path, sound: np.ndarray
) -> None:
    soundfile.write(tmp_path / "take.ogg", sound, RATE)
    done = s2s("transcribe", "take.ogg", "-o", "out", "--onset-threshold", "1")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith("s2s: error: take.ogg: no piano is heard in it; ")
    assert not (tmp_path / "out").exists()


def test_every_format_is_written_whole(s2s: Callable[..., Outcome], tmp_path: Path, tune: str) -> None:
    named = ("--title", "A <tune>", "--key", "F", "--time-signature", "3/4")
    done = s2s(
        "transcribe", "--from-midi", tune, "-o", "a/b", "--format", "midi,musicxml, svg,PDF,png,json,html", *named
    )
    assert (done.code, done.err.count("error")) == (0, 0), done.err
    assert re.fullmatch(r"tune\.mid: 5 notes, \d+ bpm, F major, 3/4, 1 page, .* s\n", done.out)
    assert {file.name for file in (tmp_path / "a/b").iterdir()} == {f"tune{ending}" for ending in FIRST_BYTES}
    for ending, start in FIRST_BYTES.items():
        assert (tmp_path / f"a/b/tune{ending}").read_bytes().startswith(start)
    assert len(read_midi(tmp_path / "a/b/tune.mid").notes) == len(TUNE.notes)
    assert json.loads((tmp_path / "a/b/tune.json").read_text())["title"] == "A <tune>"
    assert "A &lt;tune&gt;" in (tmp_path / "a/b/tune.musicxml").read_text()


@pytest.mark.parametrize("stem", [b"caf\xe9", b"two\nlines\x07"], ids=["Latin-1", "control characters"])
def test_names_that_are_no_text_do_no_harm(s2s: Callable[..., Outcome], tmp_path: Path, stem: bytes) -> None:
    if sys.platform != "linux":
        pytest.skip("the disk takes no such names")
    name = os.fsdecode(stem)
    write_midi(tmp_path / f"{name}.mid", TUNE)
    kinds = ("midi", "musicxml", "json", "html")
    done = s2s("transcribe", "--from-midi", f"{name}.mid", f"no {name}.mid", "-o", "out", "--format", ",".join(kinds))
    assert (done.code, done.out.count("\n"), done.err.count("error")) == (1, 1, 1), done.err
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        f"{name}{formats.FORMATS[kind].ending}" for kind in kinds
    }


REFUSED = {
    "unknown format": (("--format", "midi,xls"), "--format xls: choose among midi, musicxml, svg"),
    "no format": (("--format", ","), "--format: names no format"),
    "key": (("--key", "H"), r"--key .*'H'.* 'Eb'"),
    "metre": (("--time-signature", "three"), "--time-signature .*'three'"),
    "tempo": (("--tempo", "fast"), "--tempo .*'fast'"),
    "slow tempo": (("--tempo", "0"), "--tempo .*'0'"),
    "note value": (("--quantize", "1/5"), "--quantize .*'1/5'.* '1/16'"),
    "threshold": (("--onset-threshold", "1.5"), "--onset-threshold .*'1.5'"),
    "device": (("--device", "tpu"), "--device .*'tpu'"),
    "model": (("--model-path", "nowhere"), "nowhere: holds no model"),
    "flag": (("--temp", "90"), r"unknown argument --temp \(did you mean --tempo\?\)"),
    "file for a folder": (("-o", "loud.wav"), "-o loud.wav: is a file; name a folder"),
    "folder in a file": (("-o", "loud.wav/out"), "loud.wav/out: can't be written to"),
    "title of many": (("--title", "One", "other.wav"), "--title One: is for one input, and there are 2"),
    "folder without any": (("hollow",), r"hollow: holds no recordings \(\.wav, "),
    "model for MIDI": (("--from-midi", "--device", "cpu"), "--device: no model is asked with --from-midi"),
    "one stem": (("hollow/loud.flac",), "loud.wav and hollow/loud.flac: their files would have the same names"),
    "one stem by case": (("LOUD.mp3",), "loud.wav and LOUD.mp3: their files would have the same names"),
}


@pytest.mark.parametrize(("arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_the_whole_is_refused_before_it_starts(
    refused: Callable[..., str], tmp_path: Path, loud: str, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "hollow").mkdir()
    assert re.search(says, refused("transcribe", loud, *arguments))


def test_a_format_that_needs_a_missing_package_is_refused(
    refused: Callable[..., str], loud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert re.search(
        r"--format svg: needs the Python package verovio, .*; run 'pip install verovio'", refused("transcribe", loud)
    )


def test_nothing_is_overwritten_without_force(
    s2s: Callable[..., Outcome], refused: Callable[..., str], tmp_path: Path, tune: str
) -> None:
    out, call = tmp_path / "out", ("transcribe", "--from-midi", ".", "-o", "out", "--format", "midi,svg")
    out.mkdir()
    (out / "tune-12.svg").write_text("mine")
    says = refused(*call, code=1)
    assert "tune.mid: out/tune-12.svg is there already; add --force to overwrite" in says
    shutil.copy(tune, "other.mid")
    done = s2s(*call)  # the other file of the batch is done
    assert (done.code, done.out.count("\n")) == (1, 1)
    assert {file.name for file in out.iterdir()} == {"tune-12.svg", "other.mid", "other-1.svg"}
    assert s2s(*call, "--force", "--title", "Again").code == 2  # two inputs
    assert s2s("transcribe", "--from-midi", tune, "-o", "out", "--format", "midi,svg", "--force").code == 0
    # a page of the longer score that was here is gone, and other inputs' files are not
    assert {file.name for file in out.iterdir()} == {"tune.mid", "tune-1.svg", "other.mid", "other-1.svg"}


def test_an_input_is_never_overwritten(s2s: Callable[..., Outcome], tmp_path: Path, tune: str) -> None:
    before = (tmp_path / tune).read_bytes()
    done = s2s("transcribe", "--from-midi", tune, "--force")
    assert (done.code, done.out) == (1, "")
    assert "tune.mid: its own .mid file would be written over it; name another folder with -o." in done.err
    assert (tmp_path / tune).read_bytes() == before


def test_too_few_notes_for_a_score_leave_what_needs_none(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    write_midi(tmp_path / "few.mid", Performance(TUNE.notes[:2]))
    done = s2s("transcribe", "--from-midi", "few.mid", "-o", "out", "--format", "midi,musicxml,pdf,json")
    assert done.code == 1
    assert done.out.startswith("few.mid: 2 notes, ")
    assert done.err.count("error") == 1
    assert "few.mid: too few notes for a score (2, and it needs" in done.err
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"few.mid", "few.json"}


def test_a_fault_of_ours_costs_one_input_and_shows_itself(
    s2s: Callable[..., Outcome], tmp_path: Path, tune: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(piece: object, title: str, whole: Callable = result.musicxml) -> str:
        if title == "bad":
            raise ZeroDivisionError("division by zero")
        return whole(piece, title)

    monkeypatch.setattr(result, "musicxml", broken)
    shutil.copy(tune, "bad.mid")
    done = s2s("transcribe", "--from-midi", "bad.mid", tune, "-o", "out", "--format", "musicxml")
    assert done.code == 1
    assert "Traceback" in done.err
    assert "bad.mid: could not be transcribed (ZeroDivisionError: division by zero)" in done.err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["tune.musicxml"]


def test_a_broken_off_batch_tells_what_is_done(
    s2s: Callable[..., Outcome], tmp_path: Path, tune: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(path: Path, *settings: object, whole: Callable = transcription.read_performance, **more: object):
        if path.name == "zzz.mid":
            raise KeyboardInterrupt
        return whole(path, *settings, **more)

    monkeypatch.setattr(transcription, "read_performance", stopped)
    shutil.copy(tune, "zzz.mid")
    call = ("transcribe", "--from-midi", ".", "-o", "out", "--format", "midi")
    done = s2s(*call)
    assert (done.code, done.out.split(":")[0]) == (130, "tune.mid")
    assert "run the same command again" in done.err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["tune.mid"]
