"""The command line: every flag reaches its key, priorities hold, bad input is refused in one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from conftest import ROOT, TINY, Outcome

from s2s_lib.cli import Flag, schema_flags
from s2s_lib.config import Config
from s2s_lib.notes import Performance, write_midi
from s2s_lib.pipeline import checks

FLAGS = [flag for flags in schema_flags().values() for flag in flags]
DOCUMENTED_FLAGS = """
    --name --seed --samples --complexity --min-notes --max-notes --min-duration --max-duration --soundfont
    --key-signatures --sample-rate --n-mels --no-augmentation --encoder --freeze-encoder --hidden-size
    --num-decoder-layers --device --batch-size --epochs --lr --warmup-steps --gradient-accumulation-steps
    --no-mixed-precision --num-workers --resume --no-eval --no-viz --model-path --output-dir --checkpoint-dir --log-dir
""".split()
SPECIAL = {  # values that the schema's limits leave
    "--key-signatures": (["Am", "F#"], ["Am", "F#"]),
    "--complexity": (["complex"], "complex"),
    "--device": (["cpu"], "cpu"),
    "--sample-rate": (["22050"], 22050),
    "--hidden-size": (["96"], 96),
    "--n-mels": (["96"], 96),
    "--min-notes": (["11"], 11),
    "--min-duration": (["6.5"], 6.5),
    "--audio": (["a.wav", "b.wav"], ["a.wav", "b.wav"]),
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


def test_seed_sets_both_seeds(s2s: Callable[..., Outcome]) -> None:
    config = yaml.safe_load(s2s("config", "--seed", "7").out)
    assert (config["dataset"]["seed"], config["training"]["seed"]) == (7, 7)


@pytest.mark.parametrize("command", ["run", "generate", "train", "evaluate", "config"])
def test_every_command_lists_every_flag(s2s: Callable[..., Outcome], command: str) -> None:
    outcome = s2s(command, "--help")
    assert outcome.code == 0
    for name in (*DOCUMENTED_FLAGS, "--config", "--set"):
        assert name in outcome.out
    assert ("--eval-only" in outcome.out) == (command == "run")


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
    assert config["dataset"]["samples"] == 5000
    assert config["output"]["name"] == "production"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--sampels", "3"], "did you mean --samples?"),
        (["run", "--sample", "3"], "unknown argument --sample "),
        (["run", "extra"], "unknown argument extra"),
        (["generate", "--eval-only"], "--eval-only"),
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
        (["run", "--freeze-encoder"], "would freeze random weights"),
        (["run", "--set", "dataset.synthesize_audio=false"], "no audio to train on"),
        (["run", "--resume", "no-checkpoint"], "no-checkpoint"),
        (["run", "--eval-only", "--no-eval"], "nothing to do"),
        (["train"], "s2s generate"),
        (["evaluate"], "there is no model"),
        (["run", "--eval-only"], "there is no model"),
        (["evaluate", "--model-path", "nowhere"], "nowhere"),
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
def test_bad_input_is_one_sentence(
    refused: Callable[..., str], tmp_path: Path, arguments: list[str], named: str
) -> None:
    (tmp_path / "broken.sf2").write_bytes(b"RIFF no soundfont")
    (tmp_path / "broken.mid").write_bytes(b"MThd nothing")
    (tmp_path / "a-file").write_text("not a folder")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert named in refused(*arguments)


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
        "import s2s_lib.render as render; render._bundled_library = lambda: None\n"
        f"from s2s_lib.cli import main; sys.exit(main(['generate', '--output-dir', {str(tmp_path / 'runs')!r}]))"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("s2s: error: FluidSynth is not installed")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_midi_file_is_read_before_anything_runs(refused: Callable[..., str], tmp_path: Path) -> None:

    write_midi(tmp_path / "empty.mid", Performance(()))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert "holds no piano notes" in refused("evaluate", "--model-path", "model", "--midi", "empty.mid")


def test_built_in_midi_names_are_known_on_both_sides() -> None:
    from s2s_lib.evaluate import BUILT_IN

    assert set(checks.BUILT_IN_MIDI) == set(BUILT_IN)


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
        [sys.executable, "-m", "s2s_lib", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "tiny" / "state.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("s2s: interrupted")
    assert "Traceback" not in err
