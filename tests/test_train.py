"""Training: every parameter counts, several processes train together, and what does not fit is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from small import small_config
from trainings import Runs, in_a_group, weights

from s2s_lib.config import AugmentationConfig, Config
from s2s_lib.errors import InputError
from s2s_lib.pretrained import build_model, load_model
from s2s_lib.train import History, train
from s2s_lib.train.launch import _free_port
from s2s_lib.train.loop import Trainer


def test_a_run_leaves_model_checkpoints_history_log_and_curves(run: Runs) -> None:
    config = run(training={"num_epochs": 3, "trackers": ["tensorboard"], "keep_checkpoints": 2})
    history = train(config)
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2, 3]
    assert history.epochs[-1]["train_loss"] < history.epochs[0]["train_loss"]
    assert history.parameters == sum(p.numel() for p in load_model(config.output.model).parameters())
    assert [path.name for path in sorted(config.output.checkpoints.iterdir())] == [
        "checkpoint_epoch_2",
        "checkpoint_epoch_3",
    ]
    saved = json.loads((config.output.run_dir / "training_history.json").read_text())
    assert saved["best_epoch"] == min(saved["epochs"], key=lambda epoch: epoch["val_loss"])["epoch"]
    assert "epoch 3: train loss" in (config.output.logs / "training.log").read_text()
    assert list(config.output.logs.rglob("events.out.tfevents.*"))


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(run: Runs) -> None:
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = run(name, training={"num_epochs": 1, "seed": seed})
        train(config)
        found.append(weights(config, 1))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not all(torch.equal(found[0][name], found[2][name]) for name in found[0])


def test_loader_workers_change_nothing(run: Runs) -> None:
    found = []
    for workers in (0, 2):
        config = run(f"workers{workers}", training={"num_epochs": 1, "num_workers": workers})
        train(config)
        found.append(weights(config, 1))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def _validation_losses(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """Each epoch's validation loss is replaced by the next of `values`."""
    real, given = Trainer._validate, iter(values)
    monkeypatch.setattr(Trainer, "_validate", lambda self: real(self) | {"val_loss": next(given)})


def test_early_stopping(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    _validation_losses(monkeypatch, 3.0, 2.0, 2.5, 2.4, 1.0, 1.0)
    history = train(run(training={"num_epochs": 6, "early_stopping_patience": 2}))
    assert history.stopped_early
    assert len(history.epochs) == 4
    assert history.best["epoch"] == 2


def test_the_best_model_is_kept(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    _validation_losses(monkeypatch, 3.0, 2.0, 2.5)
    config = run(training={"num_epochs": 3, "keep_checkpoints": 3})
    train(config)
    kept = load_model(config.output.model).state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in weights(config, 2).items())
    assert not all(torch.equal(kept[name], weight) for name, weight in weights(config, 3).items())


def _trainer(config: Config) -> Trainer:
    """A trainer in fp32, whatever a training before it has left in Accelerate's shared state."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return Trainer(config, Accelerator(cpu=True, mixed_precision="no"))


def test_training_keys_reach_the_loop(run: Runs) -> None:
    settings = {"batch_size": 3, "learning_rate": 3e-4, "warmup_steps": 7, "weight_decay": 0.05, "num_epochs": 9}
    trainer = _trainer(run(training=settings))
    group = trainer.optimizer.param_groups[0]
    assert (group["initial_lr"], group["weight_decay"]) == (3e-4, 0.05)
    rates = []
    for _ in range(9 * trainer.steps_per_epoch):
        rates.append(trainer.scheduler.get_last_lr()[0])
        trainer.optimizer.step()
        trainer.scheduler.step()
    assert rates[0] == 0
    assert rates[7] == pytest.approx(3e-4)
    assert max(rates) == rates[7]
    assert rates[-1] < 1e-5
    with trainer.feed.from_epoch(1):
        sizes = [len(batch["waveform"]) for batch in trainer.feed.epoch()]
    assert sizes[:-1] == [3] * (len(sizes) - 1)
    assert sum(sizes) == trainer.feed.source.windows_per_epoch
    assert trainer.steps_per_epoch == len(sizes)


def test_accumulation_takes_the_mean_of_its_batches(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches of two give the optimizer one gradient, the one of a batch of six; the last step takes the rest."""
    steps: list[torch.Tensor] = []
    step = torch.optim.AdamW.step

    def kept(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        steps.append(torch.cat([p.grad.flatten() for g in self.param_groups for p in g["params"]]))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", kept)
    gradients = []
    for name, settings in {
        "whole": {"batch_size": 6},
        "parts": {"batch_size": 2, "gradient_accumulation_steps": 3},
    }.items():
        steps.clear()
        trainer = _trainer(run(name, training={**settings, "num_epochs": 1, "max_grad_norm": 1e9}))
        for module in trainer.model.modules():  # dropout would differ with the batches' sizes
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        trainer.fit()
        assert len(steps) == trainer.steps_per_epoch == trainer.history.epochs[0]["steps"]
        gradients.append(list(steps))
    assert len(gradients[0]) == len(gradients[1]) > 1
    for whole, parts in zip(*gradients, strict=True):
        assert torch.allclose(whole, parts, atol=1e-4 * float(whole.abs().max()))


def test_gradients_are_clipped(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    step = torch.optim.AdamW.step

    def measured(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        gradients = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack(gradients).norm()))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", measured)
    train(run(training={"max_grad_norm": 0.01, "num_epochs": 1}))
    assert norms
    assert max(norms) <= 0.0101


def test_augmentation_reaches_the_windows(run: Runs) -> None:
    off = {name: 0.0 for name in AugmentationConfig.model_fields if name.endswith("_probability")}
    quiet = {**off, "gain_probability": 1.0, "gain_db": (-6.0, -6.0)}
    configs = run("plain", audio={"augmentation": {"enabled": False}}), run("quiet", audio={"augmentation": quiet})
    plain, quieter = (_trainer(config).feed.source[1, 0]["waveform"] for config in configs)
    assert np.abs(plain).max() > 0.01
    assert np.allclose(quieter, plain * 10 ** (-6 / 20), atol=1e-6)


def test_bf16_is_used_where_it_pays(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s2s_lib.train.launch.bf16_pays", lambda device: True)
    types = set()
    forward = torch.nn.Linear.forward

    def watched(self: torch.nn.Linear, values: torch.Tensor) -> torch.Tensor:
        result = forward(self, values)
        if self.training:  # clips are heard as `Transcriber` does, and operations counted in fp32
            types.add(result.dtype)
        return result

    monkeypatch.setattr(torch.nn.Linear, "forward", watched)
    assert train(run("bf16", training={"num_epochs": 1})).precision == "bf16"
    assert types == {torch.bfloat16}


def test_full_precision_when_asked(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s2s_lib.train.launch.bf16_pays", lambda device: True)
    assert train(run("fp32", training={"num_epochs": 1, "use_mixed_precision": False})).precision == "fp32"


def test_a_frozen_encoder_stays_as_it_was(run: Runs, tmp_path: Path) -> None:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    tiny = ASTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_mel_bins=64,
                     max_length=128)  # fmt: skip
    ASTModel(tiny).save_pretrained(tmp_path / "ast")
    ASTFeatureExtractor(num_mel_bins=64, max_length=128).save_pretrained(tmp_path / "ast")
    sizes = {"encoder_name": str(tmp_path / "ast"), "freeze_encoder": True, "window_seconds": None}
    config = run(model=sizes, training={"num_epochs": 1})
    before = build_model(config).state_dict()
    train(config)
    after = load_model(config.output.model).state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"to_memory", "to_queries", "layers", "norm", "head", "pedal"}


def test_two_processes_train_together(run: Runs) -> None:
    """Two CPU processes halve the steps and leave one model; a fresh interpreter, since processes are forked."""
    config = run(training={"num_processes": 2, "num_epochs": 1, "batch_size": 2})
    config.save(config.output.run_dir / "parameters.yaml")
    code = (
        "from s2s_lib.config import Config; from s2s_lib.train import train\n"
        f"train(Config.load({str(config.output.run_dir / 'parameters.yaml')!r}))"
    )
    result = in_a_group([sys.executable, "-c", code])
    assert result.returncode == 0, result.stderr[-3000:]
    history = History.load(config.output.run_dir)
    alone = _trainer(run("alone", training={"batch_size": 2}))
    assert history.processes == 2
    assert history.epochs[0]["steps"] == -(-alone.steps_per_epoch // 2)
    names = {path.name for path in (config.output.checkpoints / "checkpoint_epoch_1").iterdir()}
    assert {"random_states_0.pkl", "random_states_1.pkl"} <= names
    load_model(config.output.model)


def test_processes_launched_from_outside(run: Runs) -> None:
    """`accelerate launch` sets the variables that torchrun sets; here two CPU processes train, then resume."""
    config = run(training={"num_epochs": 1, "batch_size": 2})
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", _free_port()]
    for epochs in (1, 2):
        config.training.num_epochs = epochs
        config.save(config.output.run_dir / "parameters.yaml")
        result = in_a_group([*launch, "-m", "s2s_lib.train", str(config.output.run_dir / "parameters.yaml")])
        assert result.returncode == 0, result.stderr[-3000:]
        history = History.load(config.output.run_dir)
        assert (history.processes, len(history.epochs)) == (2, epochs)


def test_what_a_process_refuses_is_one_sentence(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run(training={"num_processes": 2}, model={"encoder_name": str(run("none").output.run_dir / "nothing")})
    config.save(config.output.run_dir / "parameters.yaml")
    result = in_a_group([sys.executable, "-m", "s2s_lib.train", str(config.output.run_dir / "parameters.yaml")])
    assert result.returncode == 1
    assert "s2s_lib.train: error: model.encoder_name" in result.stderr.splitlines()[-1]


def test_training_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no dataset; run the generate stage"):
        train(small_config(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_of_other_parameters_is_refused(run: Runs) -> None:
    config = run()
    config.dataset.complexity = "complex"
    with pytest.raises(InputError, match=r"generated with other dataset\.complexity"):
        train(config)


def test_a_tracker_that_is_not_installed_is_named(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install wandb"):
        train(run(training={"trackers": ["wandb"]}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_named(run: Runs) -> None:
    with pytest.raises(InputError, match="PyTorch finds no GPU; use --device cpu or auto"):
        train(run(model={"device": "cuda"}))
