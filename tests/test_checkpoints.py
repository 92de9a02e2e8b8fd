"""Checkpoints: a broken-off run ends as an unbroken one, and what does not fit or is damaged is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from trainings import Runs, break_off_after, weights

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pretrained import build_model, load_model
from s2s_lib.train import History, train


@pytest.mark.parametrize("accumulation", [1, 2])
def test_resume_is_exact(run: Runs, monkeypatch: pytest.MonkeyPatch, accumulation: int) -> None:
    """With dropout, augmentation and random windows, the weights are the same to the last bit."""
    settings = {"num_epochs": 4, "gradient_accumulation_steps": accumulation, "batch_size": 2}
    whole = run("whole", training=settings)
    train(whole)
    broken = run("broken", training=settings)
    with monkeypatch.context() as patch:
        break_off_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    torch.randn(7)  # whatever happens between
    history = train(broken)
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2, 3, 4]
    first, second = weights(whole, 4), weights(broken, 4)
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = [[epoch["val_loss"] for epoch in History.load(c.output.run_dir).epochs] for c in (whole, broken)]
    assert losses[0] == losses[1]


def test_resume_from_another_run_and_longer(run: Runs) -> None:
    first = run("first")
    train(first)
    checkpoint = first.output.checkpoints / "checkpoint_epoch_2"
    longer = run("longer", training={"num_epochs": 3, "resume": str(checkpoint)})
    assert [epoch["epoch"] for epoch in train(longer).epochs] == [1, 2, 3]


@pytest.fixture
def trained(run: Runs) -> Config:
    config = run()
    train(config)
    return config


def test_resume_on_a_finished_run_is_refused(trained: Config) -> None:
    trained.training.resume = str(trained.output.checkpoints / "checkpoint_epoch_2")
    with pytest.raises(InputError, match="training is finished after epoch 2 of 2; raise --epochs"):
        train(trained)


def test_resume_on_a_run_that_was_stopped_early_is_refused(trained: Config) -> None:
    state = trained.output.checkpoints / "checkpoint_epoch_2" / "trainer_state.json"
    content = json.loads(state.read_text())
    content["epochs"][0]["val_loss"] = 0.0
    state.write_text(json.dumps(content))
    trained.training.resume = str(state.parent)
    trained.training.num_epochs, trained.training.early_stopping_patience = 9, 1
    with pytest.raises(InputError, match=r"stopped early after epoch 2; raise training\.early_stopping_patience"):
        train(trained)


def test_a_lost_model_comes_back_from_the_checkpoint(trained: Config) -> None:
    before = load_model(trained.output.model).state_dict()
    shutil.rmtree(trained.output.model)
    train(trained)
    after = load_model(trained.output.model).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_resumed_run_has_a_model_even_if_it_never_gets_better(trained: Config, run: Runs) -> None:
    checkpoint = trained.output.checkpoints / "checkpoint_epoch_2"
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    for epoch in state["epochs"]:
        epoch["val_loss"] = 0.0
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    longer = run("longer", training={"num_epochs": 3, "resume": str(checkpoint)})
    train(longer)
    kept, best = load_model(longer.output.model).state_dict(), load_model(trained.output.model).state_dict()
    assert all(torch.equal(kept[name], best[name]) for name in best)


def test_a_checkpoint_of_other_shapes_is_refused(trained: Config) -> None:
    checkpoint = trained.output.checkpoints / "checkpoint_epoch_1"
    other = trained.model_copy(deep=True)
    other.model.hidden_size = 64
    build_model(other).save_pretrained(checkpoint)
    trained.training.resume, trained.training.num_epochs = str(checkpoint), 5
    with pytest.raises(InputError, match="does not fit this model"):
        train(trained)


def test_a_checkpoint_of_other_parameters_is_refused(trained: Config) -> None:
    trained.training.resume = str(trained.output.checkpoints / "checkpoint_epoch_1")
    trained.training.num_epochs = 5
    trained.model.hidden_size = 64
    with pytest.raises(InputError, match="was made with other dataset, audio, model or training parameters"):
        train(trained)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.bin", "trainer_state.json"])
def test_a_truncated_checkpoint_is_named(trained: Config, file: str) -> None:
    checkpoint = trained.output.checkpoints / "checkpoint_epoch_1"
    content = (checkpoint / file).read_bytes()
    (checkpoint / file).write_bytes(content[: len(content) // 2])
    trained.training.resume = str(checkpoint)
    before = (trained.output.model / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="truncated or damaged") as caught:
        train(trained)
    assert str(checkpoint) in str(caught.value)
    assert (trained.output.model / "model.safetensors").read_bytes() == before


def test_a_missing_checkpoint_is_named(trained: Config, tmp_path: Path) -> None:
    trained.training.resume = str(tmp_path / "nothing")
    with pytest.raises(InputError, match="is no checkpoint"):
        train(trained)
