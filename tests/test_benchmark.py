"""The benchmark's parts: music, statistics, peers and how they are run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import librosa
import nbformat
import numpy as np
import pytest
from conftest import ROOT
from small import TUNE

from s2s_lib.benchmark import COLUMNS, PEERS, commands
from s2s_lib.benchmark.peers import missing, version_of
from s2s_lib.benchmark.repertoire import LEAD_S, WORKS, beginning, pieces, play
from s2s_lib.benchmark.runners import torchaudio_stub
from s2s_lib.benchmark.sound import choose_piano, render_file
from s2s_lib.benchmark.tools import RUNNERS, run_tool
from s2s_lib.config import BenchmarkConfig, Config
from s2s_lib.errors import InputError
from s2s_lib.files import write_json
from s2s_lib.metrics import estimate
from s2s_lib.notes import Note, PedalEvent, Performance, write_midi
from s2s_lib.soundfonts import find_soundfonts

FAKE = """#!{python}
import os, sys
sys.path.insert(0, {runners!r})
from protocol import serve

def load(job):
    calls = []
    def transcribe(audio, target):
        calls.append(audio)
        print("what a tool prints")
        if len(calls) == 3:
            {third}
        with open({midi!r}, "rb") as source, open(target, "wb") as file:
            file.write(source.read())
    return transcribe, {{"parameters": 12, "bytes": 34, "device": "cpu"}}

serve(load)
"""


@pytest.fixture
def fake_peer(tmp_path: Path):
    """Makes a basic-pitch that writes the tune whatever it hears, and at its third file does something else."""

    def make(third: str) -> Config:
        folder = tmp_path / "peers" / "basic-pitch"
        (folder / "bin").mkdir(parents=True)
        (folder / "lib/python3.11/site-packages/basic_pitch-9.8.dist-info").mkdir(parents=True)
        write_midi(tmp_path / "tune.mid", TUNE)
        script = folder / "bin" / "python"
        script.write_text(
            FAKE.format(python=sys.executable, runners=str(RUNNERS), midi=str(tmp_path / "tune.mid"), third=third)
        )
        script.chmod(0o755)
        return Config.resolve({"benchmark": {"peers": ["basic-pitch"], "peers_dir": str(tmp_path / "peers")}})

    return make


def test_beginning_is_cut_and_starts_after_the_lead() -> None:
    played = Performance(
        (Note(5.0, 9.0, 60, 70), Note(5.5, 6.0, 64, 70), Note(8.0, 9.0, 67, 70)),
        (PedalEvent(1.0, 100), PedalEvent(5.2, 0), PedalEvent(6.0, 90)),
    )
    cut = beginning(played, 2.0)
    assert [(n.pitch, round(n.onset_s, 6), round(n.offset_s, 6)) for n in cut.notes] == [(60, 0.1, 2.0), (64, 0.6, 1.1)]
    assert [(round(p.time_s, 6), p.value) for p in cut.pedal] == [(0.0, 100), (0.3, 0), (1.1, 90), (2.0, 0)]


def test_a_folder_gives_its_first_files_in_order(tmp_path: Path) -> None:
    for name in ("b.mid", "a.mid", "c.mid"):
        write_midi(tmp_path / name, TUNE)
    found = list(pieces(BenchmarkConfig(midi_dir=str(tmp_path), pieces=2)))
    assert [piece.id for piece in found] == ["a.mid", "b.mid"]
    assert len(found[0].performance.notes) == len(TUNE.notes)


@pytest.mark.parametrize("number", [1, 3, 5], ids=lambda number: WORKS[number].title)
def test_works_are_played_with_expression(number: int) -> None:
    played = [beginning(play(WORKS[number], 8.0, np.random.default_rng(seed)), 8.0) for seed in (1, 1, 2)]
    assert played[0] == played[1]
    assert played[0] != played[2]
    notes = played[0].notes
    assert notes[0].onset_s == pytest.approx(LEAD_S)
    assert 7.0 < notes[-1].offset_s <= 8.0
    assert len(notes) > 15
    assert len({note.velocity for note in notes}) > 8


def test_works_are_in_the_corpus() -> None:
    import music21

    corpus = Path(music21.__file__).parent / "corpus"
    assert not [work.file for work in WORKS if not (corpus / work.file).is_file()]
    assert len({work.title for work in WORKS}) == len(WORKS)


def test_intervals_hold_the_mean_and_need_two_pieces() -> None:
    settings = BenchmarkConfig(resamples=200)
    values = np.random.default_rng(0).normal(0.8, 0.1, 40)
    found = estimate(values, settings)
    assert found == estimate(values, settings)
    assert found.low < found.mean < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 40**0.5, rel=0.3)
    assert estimate([0.5, 0.5], settings).as_dict() == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert estimate([0.5], settings).low is None
    assert estimate([], settings).mean is None


def test_stub_has_torchaudios_filters() -> None:
    """librosa computes the same filters; transkun's own settings."""
    ours = torchaudio_stub.functional.melscale_fbanks(n_freqs=2049, f_min=30, f_max=8000, n_mels=229, sample_rate=44100)
    theirs = librosa.filters.mel(sr=44100, n_fft=4096, n_mels=229, fmin=30, fmax=8000, htk=True, norm=None)
    np.testing.assert_allclose(ours.numpy(), theirs.T, atol=2e-3)


def test_notebook_says_how_to_install_the_peers() -> None:
    text = nbformat.read(ROOT / "notebooks" / "benchmark.ipynb", as_version=4).cells[0].source
    for name in PEERS:
        for command in commands(name, Path("~/.cache/sound2sheet/peers") / name)[1:]:
            words = [f"'{word}'" if set(word) & set("<>; ") else word for word in command]
            assert " ".join(words) in text


def test_readmes_table_is_the_benchmarks() -> None:
    section = (ROOT / "README.md").read_text().partition("<!-- peers -->")[2].partition("<!-- /peers -->")[0]
    header, rule, *rows = section.strip().splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")] == list(COLUMNS)
    assert rule.count("|") == len(COLUMNS) + 1
    assert rows[0].startswith("| sound2sheet")


def test_missing_peers_are_told(tmp_path: Path) -> None:
    told = missing(BenchmarkConfig(peers_dir=str(tmp_path)))
    assert list(told) == ["transkun", "basic-pitch"]
    assert str(tmp_path / "transkun") in told["transkun"]
    assert "--install-peers" in told["transkun"]


def test_a_failure_on_one_file_is_told_and_the_others_count(fake_peer, tmp_path: Path) -> None:
    config = fake_peer('raise ValueError("no sound\\nat all")')
    files, calls = [tmp_path / f"{i}.wav" for i in range(3)], []
    run = run_tool("basic-pitch", config, tmp_path, files[0], files, lambda: calls.append(1))
    assert version_of("basic_pitch", tmp_path / "peers" / "basic-pitch") == run.version == "9.8"
    assert (run.parameters, run.bytes, len(calls)) == (12, 34, 3)
    assert [one.error for one in run.transcriptions] == [None, "ValueError: no sound", None]
    assert len(run.transcriptions[0].notes.notes) == len(TUNE.notes)
    assert run.transcriptions[0].cpu_s >= 0


def test_a_dead_process_fails_on_what_is_left(fake_peer, tmp_path: Path) -> None:
    config = fake_peer('print("out of memory", flush=True); os._exit(3)')
    files = [tmp_path / f"{i}.wav" for i in range(3)]
    run = run_tool("basic-pitch", config, tmp_path, files[0], files, lambda: None)
    assert run.transcriptions[0].error is None
    assert [one.error for one in run.transcriptions[1:]] == ["its process ended with code 3: out of memory"] * 2


def test_a_tool_that_does_not_start_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "transkun"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib/python3.11/site-packages/transkun-2.0.1.dist-info").mkdir(parents=True)
    os.symlink(sys.executable, folder / "bin" / "python")
    config = Config.resolve({"benchmark": {"peers_dir": str(tmp_path)}})
    with pytest.raises(InputError, match=r"transkun does not start: .*ModuleNotFoundError"):
        run_tool("transkun", config, tmp_path, tmp_path / "a.wav", [], lambda: None)


def test_piano_is_told_heard_or_not(tmp_path: Path) -> None:
    font = find_soundfonts(["embedded"])[0]
    settings = BenchmarkConfig(soundfont="embedded")
    for heard, said in (
        ({}, "does not say"),
        ({font.sha256: "x.sf2"}, "heard this piano"),
        ({"0": "y"}, "never heard"),
    ):
        write_json(tmp_path / "config.json", {"soundfonts": heard})
        assert said in choose_piano(settings, tmp_path)[1]
    write_json(tmp_path / "config.json", {"soundfonts": {font.sha256: "x.sf2"}})
    chosen, said = choose_piano(BenchmarkConfig(), tmp_path)
    assert (chosen.sha256 == font.sha256) == ("has an advantage" in said)


def test_tuning_is_heard(tmp_path: Path) -> None:
    """A long A4, tuned 50 cents up."""
    import soundfile

    font, note = find_soundfonts(["embedded"])[0], Performance((Note(0.1, 2.0, 69, 90),))
    peaks = []
    for cents in (0.0, 50.0):
        render_file(note, font, tmp_path / "a.wav", cents=cents)
        samples, rate = soundfile.read(tmp_path / "a.wav")
        spectrum = np.abs(np.fft.rfft(samples[rate // 2 : 3 * rate // 2] * np.hanning(rate)))
        peaks.append(400 + int(np.argmax(spectrum[400:500])))
    assert 1200 * np.log2(peaks[1] / peaks[0]) == pytest.approx(50, abs=8)
