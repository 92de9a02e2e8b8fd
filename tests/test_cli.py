"""The command line: every flag reaches its key, priorities hold, bad input is refused in one sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np
import pretty_midi
import pytest
import soundfile
import yaml
from conftest import ROOT, TINY, Outcome

from s2s_lib.cli import Flag, schema_flags
from s2s_lib.config import Config
from s2s_lib.notes import Performance, write_midi
from s2s_lib.pipeline import inputs, paths

FLAGS = [flag for flags in schema_flags().values() for flag in flags]
DOCUMENTED_FLAGS = """
    --name --seed --samples --complexity --min-notes --max-notes --min-duration --max-duration --soundfont
    --key-signatures --sample-rate --no-augmentation --encoder --freeze-encoder --hidden-size
    --num-decoder-layers --device --batch-size --epochs --lr --warmup-steps --gradient-accumulation-steps
    --no-mixed-precision --num-workers --resume --no-eval --no-viz --model-path --output-dir --checkpoint-dir --log-dir
""".split()
SPECIAL = {  # values that the schema's limits leave
    "--key-signatures": (["Am", "F#"], ["Am", "F#"]),
    "--soundfont": (["a.sf2", "b.sf2"], ["a.sf2", "b.sf2"]),
    "--complexity": (["complex"], "complex"),
    "--device": (["cpu"], "cpu"),
    "--sample-rate": (["22050"], 22050),
    "--hidden-size": (["64"], 64),
    "--min-notes": (["11"], 11),
    "--min-duration": (["6.5"], 6.5),
    "--audio": (["a.wav", "b.wav"], ["a.wav", "b.wav"]),
    "--search": (["tpe"], "tpe"),
    "--trials": (["17"], 17),
    "--parallel": (["3"], 3),
}
TOGETHER = {"--freeze-encoder": ["--encoder", "x/y"], "--audio": ["--midi", "a.mid", "b.mid"]}


def example(flag: Flag) -> tuple[list[str], Any]:
    """Words to give with a flag, and the value they should become; never the default."""
    if flag.name in SPECIAL:
        return SPECIAL[flag.name]
    kind = flag.field.annotation
    if kind is bool:
        return [], not flag.name.startswith("--no-")
    if get_origin(kind) is list:
        return ["one", "two"], ["one", "two"]
    if kind is int:
        return ["17"], 17
    if kind is float:
        return ["0.125"], 0.125
    assert kind is str or str in get_args(kind)
    return ["something"], "something"


def test_flags_are_the_documented_ones() -> None:
    assert set(DOCUMENTED_FLAGS) <= {flag.name for flag in FLAGS}


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_reaches_its_keys(s2s: Callable[..., Outcome], flag: Flag) -> None:
    words, value = example(flag)
    if flag.name == "--max-duration":
        words, value = ["31.5"], 31.5
    outcome = s2s("config", flag.name, *words, *TOGETHER.get(flag.name, []))
    assert outcome.code == 0, outcome.err
    for path in flag.paths:
        found, default = yaml.safe_load(outcome.out), Config().model_dump(mode="json")
        for name in path:
            found, default = found[name], default[name]
        assert found == value
        assert found != default


@pytest.mark.parametrize(
    "flag", [flag for flag in FLAGS if get_origin(flag.field.annotation) is list], ids=lambda f: f.name
)
def test_repeated_list_flag_adds_up(s2s: Callable[..., Outcome], flag: Flag) -> None:
    words, value = example(flag)
    outcome = s2s("config", flag.name, words[0], flag.name, *words[1:], *TOGETHER.get(flag.name, []))
    found = yaml.safe_load(outcome.out)
    for name in flag.paths[0]:
        found = found[name]
    assert found == value


def test_seed_sets_both_seeds(s2s: Callable[..., Outcome]) -> None:
    config = yaml.safe_load(s2s("config", "--seed", "7").out)
    assert (config["dataset"]["seed"], config["training"]["seed"]) == (7, 7)


@pytest.mark.parametrize("command", ["run", "generate", "train", "evaluate", "config"])
def test_every_command_lists_every_flag(s2s: Callable[..., Outcome], command: str) -> None:
    outcome = s2s(command, "--help")
    assert outcome.code == 0
    for name in (*DOCUMENTED_FLAGS, "--config", "--set"):
        assert name in outcome.out
    assert ("--eval-only" in outcome.out) == (command != "config")


def test_command_line_beats_yaml_beats_defaults(s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("training: {batch_size: 4, num_epochs: 9}\noutput: {output_dir: there}\n")
    outcome = s2s("config", "--config", "mine.yaml", "--batch-size", "6", "--set", "training.weight_decay=1e-3")
    config = Config.resolve(yaml.safe_load(outcome.out))
    assert config.training.batch_size == 6
    assert config.training.num_epochs == 9
    assert config.training.weight_decay == 0.001
    assert config.training.learning_rate == Config().training.learning_rate
    assert config.output.output_dir == "there"


@pytest.mark.parametrize(
    ("text", "arguments", "name"),
    [
        ("{}", [], "mine"),
        ("output: {name: theirs}", [], "theirs"),
        ("output: {name: theirs}", ["--name", "ours"], "ours"),
        ("{}", ["--set", "output.name=ours"], "ours"),
    ],
)
def test_name_of_the_run(
    s2s: Callable[..., Outcome], tmp_path: Path, text: str, arguments: list[str], name: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    outcome = s2s("config", "--config", "mine.yaml", *arguments)
    assert yaml.safe_load(outcome.out)["output"]["name"] == name


def test_set_takes_yaml_values(s2s: Callable[..., Outcome]) -> None:
    outcome = s2s(
        "config", "--set", "audio.augmentation.gain_db=[-3, 2]", "--set", "model.window_seconds=2.5",
        "--set", "output.html=false", "--set", "dataset.time_signatures=[3/4]",
    )  # fmt: skip
    config = Config.resolve(yaml.safe_load(outcome.out))
    assert config.audio.augmentation.gain_db == (-3, 2)
    assert config.model.window_seconds == 2.5
    assert config.output.html is False
    assert config.dataset.time_signatures == ["3/4"]


def test_own_files_go_by_bare_name(s2s: Callable[..., Outcome]) -> None:
    config = yaml.safe_load(s2s("config", "--config", "production").out)
    assert config["dataset"]["samples"] == 20000
    assert config["output"]["name"] == "production"


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


def test_built_in_midi_names_are_known_on_both_sides() -> None:
    from s2s_lib.sources import BUILT_IN

    assert set(paths.BUILT_IN_MIDI) == set(BUILT_IN)


def test_help_is_fast_because_torch_stays_out(python: Callable[..., Any]) -> None:
    done = python(
        "import sys; from s2s_lib.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'librosa', 'matplotlib', 'papermill', 'nbconvert'} & set(sys.modules)\n"
        "print('loaded:', sorted(heavy))"
    )
    assert done.stdout.endswith("loaded: []\n"), done.stdout + done.stderr


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "s2s_lib", "config", "--config", str(TINY)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["output"]["name"] == "tiny"


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind exist on POSIX only")
def test_interrupt_is_one_line_and_130(tmp_path: Path) -> None:
    arguments = ["run", "--config", str(TINY), "--output-dir", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "s2s_lib", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where a shell runs us in background
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "tiny" / "01_generate.ipynb").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)  # the kernel is starting
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("s2s: interrupted")
    assert "Traceback" not in err
