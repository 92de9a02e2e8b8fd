"""Bad input on the command line is refused in one sentence, before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest
import soundfile
from conftest import Outcome

from s2s_lib.config import Config
from s2s_lib.notes import Performance, write_midi
from s2s_lib.pipeline import inputs


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--sampels", "3"], "did you mean --samples?"),
        (["run", "--sample", "3"], "unknown argument --sample "),
        (["run", "extra"], "unknown argument extra"),
        (["generate", "--eval-only"], "--eval-only leaves nothing for 's2s generate' to do"),
        (["train", "--eval-only"], "--eval-only leaves nothing for 's2s train' to do"),
        (["run", "--samples"], "--samples"),
        (["run", "--samples", "many"], "--samples (dataset.samples) is 'many'"),
        (["run", "--samples", "0"], "--samples (dataset.samples) is '0'"),
        (["run", "--seed", "-1"], "--seed (dataset.seed)"),
        (["run", "--min-notes", "20", "--max-notes", "10"], "min_notes 20 is greater than max_notes 10"),
        (["run", "--complexity", "fiendish"], "--complexity (dataset.complexity) is 'fiendish'"),
        (["run", "--key-signatures", "C", "H"], "--key-signatures (dataset.key_signatures).1 is 'H'"),
        (["run", "--set", "dataset.sampels=3"], "unknown key 'dataset.sampels'"),
        (["run", "--set", "dataset.samples"], "section.key=value"),
        (["run", "--set", "dataset.samples=[3"], "not valid YAML"),
        (["run", "--set", "dataset.samples.more=3"], "dataset.samples"),
        (["run", "--config", "none.yaml"], "none.yaml: there is no such config file"),
        (["run", "--soundfont", "none.sf2"], "none.sf2"),
        (["generate", "--soundfont", "broken.sf2"], "broken.sf2"),
        (["run", "--device", "gpu"], "--device (model.device) is 'gpu'"),
        (["run", "--output-dir", "a-file"], "--output-dir"),
        (["run", "--log-dir", "a-file/logs"], "can't be written to"),
        (["run", "--name", "../up"], "--name (output.name)"),
        (["run", "--encoder", "scratch", "--freeze-encoder"], "would freeze random weights"),
        (["run", "--set", "dataset.synthesize_audio=false"], "no audio to train on"),
        (["run", "--samples", "2"], "the val split would hold no piece: dataset.samples 2 are too few"),
        (["run", "--set", "dataset.val_split=0"], "the val split would hold no piece: dataset.val_split is 0"),
        (["run", "--set", "dataset.train_split=0"], "the train split would hold no piece: dataset.train_split is 0"),
        (["run", "--set", "dataset.val_split=0.2"], "dataset.train_split and dataset.val_split leave none"),
        (["run", "--resume", "no-checkpoint"], "no-checkpoint: is no checkpoint"),
        (["run", "--resume", "model"], "model: is no checkpoint"),
        (["run", "--eval-only", "--no-eval"], "nothing to do"),
        (["train"], "s2s generate"),
        (["evaluate"], "there is no dataset"),
        (["run", "--eval-only"], "there is no dataset"),
        (["evaluate", "--eval-only"], "there is no dataset"),
        (["evaluate", "--model-path", "nowhere"], "nowhere: holds no model"),
        (["evaluate", "--model-path", "model"], "there is no dataset"),
        (["evaluate", "--model-path", "model", "--midi", "none.mid"], "none.mid: there is no such MIDI file"),
        (["evaluate", "--model-path", "model", "--midi", "broken.mid"], "broken.mid: not a readable MIDI file"),
        (["evaluate", "--model-path", "model", "--midi", "bwv846", "--audio", "none.wav"], "none.wav"),
        (["evaluate", "--model-path", "model", "--audio", "a-file"], "midi"),
        (["dance"], "dance"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("fake_model")
def test_bad_input_is_one_sentence(
    refused: Callable[..., str], tmp_path: Path, arguments: list[str], named: str
) -> None:
    (tmp_path / "broken.sf2").write_bytes(b"RIFF no soundfont")
    (tmp_path / "broken.mid").write_bytes(b"MThd nothing")
    (tmp_path / "a-file").write_text("not a folder")
    assert named in refused(*arguments)


EVALUATE = ["evaluate", "--model-path", "model", "--midi", "bwv846"]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(16000), "is silent"),
        (np.full(160, 0.5), "holds 0.010 s of audio"),
        (np.zeros(0), "holds 0.000 s of audio"),
        (None, "not a readable audio file"),
    ],
    ids=["silent", "short", "empty", "unreadable"],
)
@pytest.mark.usefixtures("fake_model")
def test_useless_recording_is_refused(
    refused: Callable[..., str], tmp_path: Path, samples: np.ndarray | None, reason: str
) -> None:
    if samples is None:
        (tmp_path / "take.wav").write_text("no sound")
    else:
        soundfile.write(tmp_path / "take.wav", samples, 16000)
    sentence = refused(*EVALUATE, "--audio", "take.wav")
    assert f"take.wav: {reason}" in sentence
    assert f"take.wav: {reason}" in refused("run", "--midi", "bwv846", "--audio", "take.wav")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model: holds no model"),
        (lambda folder: (folder / "config.json").unlink(), "model: holds no model"),
        (lambda folder: cut(folder / "model.safetensors"), "model: model.safetensors is truncated or damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "model.safetensors is truncated or damaged"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "not a Sound2Sheet model"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a Sound2Sheet model"),
    ],
)
def test_damaged_model_is_refused(
    refused: Callable[..., str], fake_model: Path, tmp_path: Path, damage: Callable[[Path], Any], named: str
) -> None:
    damage(fake_model)
    assert named in refused(*EVALUATE)
    own = tmp_path / "runs" / "default" / "model"
    own.parent.mkdir(parents=True)
    fake_model.rename(own)
    if (own / "model.safetensors").exists():
        assert named in refused("evaluate", "--midi", "bwv846")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "is no checkpoint"),
        ("{", "trainer_state.json is truncated or damaged"),
        ("[]", "trainer_state.json is truncated or damaged"),
        (json.dumps({"epochs": [{}] * 4}), "training is finished after epoch 4 of 4; raise --epochs"),
    ],
    ids=["none", "cut", "list", "finished"],
)
def test_useless_checkpoint_is_refused_before_anything_runs(
    refused: Callable[..., str], tmp_path: Path, state: str | None, reason: str
) -> None:
    (tmp_path / "checkpoint_epoch_4").mkdir()
    if state is not None:
        (tmp_path / "checkpoint_epoch_4" / inputs.TRAINER_STATE).write_text(state)
    sentence = refused("run", "--epochs", "4", "--resume", "checkpoint_epoch_4")
    assert f"checkpoint_epoch_4: {reason}" in sentence


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc is Linux's own")
@pytest.mark.parametrize("flag", ["--output-dir", "--checkpoint-dir", "--log-dir"])
def test_folder_that_even_root_cannot_write_to_is_refused(refused: Callable[..., str], flag: str) -> None:
    assert "can't be written to" in refused("run", flag, "/proc/s2s")


@pytest.mark.parametrize("command", ["run", "train", "evaluate"])
def test_chain_started_by_several_ranks_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    sentence = refused(command)
    assert "training.num_processes" in sentence
    assert "accelerate launch" in sentence


def test_reserved_names_are_not_taken_for_files(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    """Whatever lies in the working folder, 'released', 'embedded' and 'bwv846' mean what they mean."""
    (tmp_path / "released").mkdir()
    (tmp_path / "embedded").write_text("no soundfont")
    (tmp_path / "bwv846").write_text("no MIDI file")
    arguments = ["--samples", "3", "--complexity", "simple", "--midi", "bwv846", "--set", "output.html=false"]
    outcome = s2s("generate", *arguments, "--num-workers", "1", "--soundfont", "embedded")
    assert outcome.code == 0, outcome.err
    saved = Config.load(tmp_path / "runs" / "default" / "parameters.yaml")
    assert saved.model.encoder_name == "released"
    assert saved.dataset.soundfonts == ["embedded"]
    assert saved.evaluation.midi == ["bwv846"]
    state = (tmp_path / "runs" / "default" / "state.json").read_text()
    assert "content of" not in state


@pytest.mark.parametrize(
    ("text", "named"), [("dataset: {samples: 0}", "dataset.samples is 0"), ("dataset: {sampels: 3}", "sampels")]
)
def test_bad_parameters_of_a_run_are_named_by_their_file(
    refused: Callable[..., str], tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "runs" / "z").mkdir(parents=True)
    (tmp_path / "runs" / "z" / "parameters.yaml").write_text(text)
    sentence = refused("train", "--name", "z")
    assert f"{Path('runs', 'z', 'parameters.yaml')}: " in sentence
    assert named in sentence
    assert "command line" not in sentence


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"train": 3}', '{"train": {"status": "done"}}', '{"train": {"inputs": {}}}']
)
def test_bad_record_of_a_run_is_refused(refused: Callable[..., str], tmp_path: Path, text: str) -> None:
    (tmp_path / "runs" / "z").mkdir(parents=True)
    (tmp_path / "runs" / "z" / "state.json").write_text(text)
    assert "state.json: is no record of a run's stages" in refused("run", "--name", "z")


def test_file_at_fault_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("dataset: {samples: 0}")
    assert "mine.yaml: dataset.samples is 0" in refused("run", "--config", "mine.yaml", "--seed", "3")
    (tmp_path / "mine.yaml").write_text("dataset: 3")
    assert "mine.yaml: dataset is 3" in refused("run", "--config", "mine.yaml")


def test_missing_gpu_is_refused(refused: Callable[..., str]) -> None:
    assert "--device cpu" in refused("run", "--device", "cuda:63")


def test_missing_fluidsynth_is_refused(python: Callable[..., Any], tmp_path: Path) -> None:
    """Neither a library on the system nor pygame-ce's bundled one."""
    done = python(
        "import ctypes.util, sys; ctypes.util.find_library = lambda name: None\n"
        "import s2s_lib.render.library as library; library._bundled_library = lambda: None\n"
        f"from s2s_lib.cli import main; sys.exit(main(['generate', '--output-dir', {str(tmp_path / 'runs')!r}]))"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("s2s: error: FluidSynth is not installed")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("fake_model")
def test_midi_file_is_read_before_anything_runs(refused: Callable[..., str], tmp_path: Path) -> None:
    write_midi(tmp_path / "empty.mid", Performance(()))
    assert "empty.mid: holds no piano notes" in refused("evaluate", "--model-path", "model", "--midi", "empty.mid")
    for pitch in (20, 109):
        midi = pretty_midi.PrettyMIDI()
        midi.instruments.append(pretty_midi.Instrument(0))
        midi.instruments[0].notes.append(pretty_midi.Note(80, pitch, 0.0, 1.0))
        midi.write(str(tmp_path / "far.mid"))
        sentence = refused("run", "--midi", "far.mid")
        assert f"far.mid: has notes outside the piano's keys 21-108 (pitch {pitch})" in sentence


def test_unreachable_encoder_is_one_sentence(
    s2s: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the train stage can tell."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = s2s(
        "run", "--samples", "3", "--complexity", "simple", "--encoder", "nobody/no-such-encoder", "--num-workers", "1"
    )
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    errors = [line for line in outcome.err.splitlines() if "error" in line]
    assert errors == outcome.err.splitlines()[-1:]
    for word in ("nobody/no-such-encoder", "scratch", "save_pretrained"):
        assert word in errors[0]
    assert not (tmp_path / "runs" / "default" / "model").exists()
