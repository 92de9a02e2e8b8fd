"""The command line: every flag reaches its key, priorities hold."""

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
from s2s_lib.pipeline import paths

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
