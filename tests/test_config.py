"""The schema: the documented files load, priorities hold, what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from s2s_lib import Config, InputError

ROOT = Path(__file__).resolve().parents[1]

# the two documented files of the original system, word for word
DOCUMENTED_DEFAULT = """\
dataset: {samples: 1000, complexity: "medium", min_notes: 10, max_notes: 50, min_duration: 5.0, max_duration: 30.0, synthesize_audio: true}   # also key_signatures: ["C", "G", ...]
model: {encoder_name: "MIT/ast-finetuned-audioset-10-10-0.4593", freeze_encoder: true, hidden_size: 768, num_decoder_layers: 6, device: "cuda"}
training: {batch_size: 16, num_epochs: 50, learning_rate: 0.0001, use_mixed_precision: true, early_stopping_patience: 10}
evaluation: {enabled: true, onset_tolerance: 0.05, visualizations: {enabled: true, plot_types: ["dashboard", "confusion_matrix"]}}
"""  # noqa: E501
DOCUMENTED_PRODUCTION = """\
dataset: {samples: 5000, complexity: "complex", key_signatures: ["C","G","D","A","E"]}
training: {batch_size: 24, num_epochs: 75, learning_rate: 0.00005}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Config]:
    def load(text: str) -> Config:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return Config.load(path)

    return load


def values(config: Any, given: dict) -> dict:
    """The config's values at the places that `given` sets, in the same nesting."""
    found = {}
    for name, value in given.items():
        here = config[name] if isinstance(config, dict) else getattr(config, name)
        found[name] = values(here, value) if isinstance(value, dict) else here
    return found


@pytest.mark.parametrize("text", [DOCUMENTED_DEFAULT, DOCUMENTED_PRODUCTION], ids=["default", "production"])
def test_documented_files_load_unchanged(load: Callable[[str], Config], text: str) -> None:
    given = yaml.safe_load(text)
    assert values(load(text), given) == given


def test_documented_defaults_are_the_schema_defaults() -> None:
    given = yaml.safe_load(DOCUMENTED_DEFAULT)
    del given["model"]  # the encoder is the one that comes with the package, and smaller
    given["evaluation"].pop("visualizations")
    assert values(Config(), given) == given
    assert (Config().model.encoder_name, Config().model.hidden_size) == ("released", 96)


@pytest.mark.parametrize("path", sorted((ROOT / "parameters").glob("*.yaml")), ids=lambda path: path.stem)
def test_files_in_parameters_load(path: Path) -> None:
    given = yaml.safe_load(path.read_text())
    assert values(Config.load(path), given) == yaml.safe_load(path.read_text())


def test_saved_config_loads_as_the_same(tmp_path: Path) -> None:
    config = Config.resolve({"dataset": {"samples": 7}, "audio": {"augmentation": {"gain_db": [-3, 2]}}})
    config.save(tmp_path / "saved.yaml")
    assert Config.load(tmp_path / "saved.yaml") == config


def test_number_in_yaml_1_1_habit_is_a_number(load: Callable[[str], Config]) -> None:
    assert load("training: {learning_rate: 1e-3}").training.learning_rate == 0.001


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dataset: {sampels: 3}", "unknown key 'dataset.sampels' (did you mean 'samples'?)"),
        ("datasets: {samples: 3}", "unknown key 'datasets' (did you mean 'dataset'?)"),
        ("audio: {augmentation: {noise: 3}}", "unknown key 'audio.augmentation.noise'"),
        ("dataset: {samples: many}", "dataset.samples is 'many'"),
        ("dataset: {samples: 2.5}", "dataset.samples is 2.5"),
        ("dataset: {samples: 0}", "dataset.samples is 0"),
        ("dataset: [1, 2]", "dataset is [1, 2]"),
        ("dataset: {complexity: fiendish}", "dataset.complexity is 'fiendish'"),
        ("dataset: {key_signatures: [C, H]}", "dataset.key_signatures.1 is 'H'"),
        ("dataset: {key_signatures: []}", "dataset.key_signatures is []"),
        ("dataset: {min_notes: 60}", "min_notes 60 is greater than max_notes 50"),
        ("dataset: {min_duration: 40}", "min_duration 40.0 is greater than max_duration 30.0"),
        ("dataset: {min_tempo: 190, max_tempo: 60}", "min_tempo 190.0 is greater than max_tempo 60.0"),
        ("dataset: {train_split: 0.9, val_split: 0.2}", "add up to more than 1"),
        ("audio: {n_mels: 128}", "unknown key 'audio.n_mels'"),
        ("audio: {bins_per_semitone: 4}", "bins_per_semitone 4 is even, so no bin would lie on a key"),
        ("audio: {long_n_fft: 1024}", "long_n_fft 1024 is shorter than n_fft 2048"),
        ("audio: {hop_length: 4000}", "hop_length 4000 is longer than n_fft 2048"),
        ("audio: {sample_rate: 4000}", "audio.sample_rate is 4000"),
        ("model: {hidden_size: 98}", "hidden_size 98 is no multiple of num_decoder_heads 4"),
        ("model: {encoder_hidden_size: 98}", "encoder_hidden_size 98 is no multiple of num_encoder_heads 4"),
        ("model: {encoder_name: scratch, freeze_encoder: true}", "would freeze random weights"),
        ("{model: {encoder_name: scratch, window_seconds: 0.5, patch_size: 64}}", "fewer than model.patch_size"),
        ("model: {device: gpu}", "model.device is 'gpu'"),
        ("training: {learning_rate: .nan}", "training.learning_rate is nan"),
        ("evaluation: {visualizations: {plot_types: [pie]}}", "evaluation.visualizations.plot_types.0 is 'pie'"),
        ("evaluation: {audio: [a.wav]}", "audio names 1 recording and midi 0 files"),
        ("output: {name: ../up}", "output.name is '../up'"),
        ("- a list", "holds a list"),
        ("dataset: {samples: 3", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(load: Callable[[str], Config], text: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    assert caught.value.usage
    assert named in str(caught.value)
    assert "config.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such config file"):
        Config.load(tmp_path / "none.yaml")


def test_splits_add_up() -> None:
    for samples in (1, 2, 3, 5, 10, 99):
        sizes = Config.resolve({"dataset": {"samples": samples}}).dataset.split_sizes()
        assert sum(sizes.values()) == samples
        assert sizes["train"] >= 1
        assert samples < 3 or min(sizes.values()) >= 1
