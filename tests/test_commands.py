"""The commands of `s2s` that run no stage: soundfonts and import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from midi_files import melody
from tiny_soundfont import write_soundfont

from s2s_lib.notes import write_midi
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import file_sha256, find_soundfonts


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder of four pieces, each as WAV and MIDI."""
    folder = tmp_path_factory.mktemp("pairs")
    piano = Piano.plain(find_soundfonts(["embedded"])[0])
    for seed in range(4):
        performance = melody(seed, 8)
        write_midi(folder / f"{seed}.mid", performance)
        soundfile.write(folder / f"{seed}.wav", render(performance, piano, 16000), 16000)
    return folder


def test_soundfonts_lists_pianos_licence_size_and_hash_and_what_is_of_no_use(s2s, tmp_path):
    font = write_soundfont(tmp_path / "fonts" / "mine.sf2", [(0, 0, "Grand"), (0, 3, "Honky"), (0, 40, "Violin")],
                           texts={"ICOP": "CC0"})  # fmt: skip
    (tmp_path / "fonts" / "broken.sf2").write_bytes(b"RIFF1234sfbk")
    outcome = s2s("soundfonts", str(tmp_path / "fonts"))
    assert outcome.code == 0
    assert f"pianos   0 Grand, 3 Honky\n  licence  CC0\n  SHA-256  {file_sha256(font)}" in outcome.out
    assert "broken.sf2\n  of no use: " in outcome.out
    assert outcome.out.endswith("1 soundfont with a piano, 1 of no use\n")


def test_soundfonts_of_nowhere_are_refused(refused):
    assert "nowhere: there is no such soundfont" in refused("soundfonts", "nowhere")


def test_import_makes_a_run_that_goes_on_with_training(s2s, pairs):
    outcome = s2s("import", str(pairs), "--name", "real")
    assert outcome.code == 0, outcome.err
    assert "4" in outcome.out
    run = Path("runs/real")
    assert json.loads((run / "state.json").read_text())["generate"]["status"] == "done"
    assert (run / "parameters.yaml").is_file()
    audio = [sample["audio"] for sample in json.loads((run / "data" / "train_manifest.json").read_text())["samples"]]
    assert all(Path(name).is_absolute() and Path(name).parent == pairs for name in audio)  # nothing is copied
    assert s2s("generate", "--name", "real", "--samples", "5").code == 0  # how music is composed is of no matter here
    again = s2s("generate", "--name", "real", "--sample-rate", "8000")
    assert again.code == 2
    assert "holds an imported dataset (layout 'pairs'), which generating would replace" in again.err


def test_import_of_a_bad_pair_is_refused_by_name_or_skipped(s2s, pairs, tmp_path):
    for file in pairs.iterdir():
        (tmp_path / "pairs" / file.name).parent.mkdir(exist_ok=True)
        (tmp_path / "pairs" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pairs" / "3.mid").unlink()
    refusal = s2s("import", "pairs", "--name", "real")
    assert refusal.code in (1, 2)
    assert "3.wav" in refusal.err
    assert not Path("runs").exists()
    outcome = s2s("import", "pairs", "--name", "real", "--skip-bad")
    assert outcome.code == 0, outcome.err
    assert "3.wav" in outcome.out


def test_import_of_no_recordings_is_refused(s2s, tmp_path):
    (tmp_path / "empty").mkdir()
    outcome = s2s("import", "empty", "--name", "real")
    assert outcome.code in (1, 2)
    assert "empty: holds no " in outcome.err
