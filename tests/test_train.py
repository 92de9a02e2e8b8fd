"""Training: every parameter counts, a broken-off run ends as an unbroken one, bad checkpoints are refused."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from small import small_config

from s2s_lib.config import Config
from s2s_lib.data import generate
from s2s_lib.errors import InputError
from s2s_lib.pretrained import build_model, load_model
from s2s_lib.train import History, train
from s2s_lib.train.loop import Trainer, _free_port


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset that all runs of this file share."""
    config = small_config(tmp_path_factory.mktemp("shared"))
    generate(config)
    return config.output.data


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Any:
    """Makes the config of a run over the shared dataset, in a folder of its own."""

    def make(name: str = "small", **overrides: dict[str, Any]) -> Config:
        overrides.setdefault("output", {})["name"] = name
        config = small_config(tmp_path, **overrides)
        shutil.copytree(data, config.output.data, dirs_exist_ok=True)
        return config

    return make


def _weights(config: Config, epoch: int) -> dict[str, torch.Tensor]:
    return load_file(config.output.checkpoints / f"checkpoint_epoch_{epoch}" / "model.safetensors")


def _break_off_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is killed when epoch `epochs` + 1 begins."""
    whole = Trainer._train_epoch

    def train_epoch(self: Trainer, epoch: int, progress: object) -> dict[str, float]:
        if epoch == epochs + 1:
            raise KeyboardInterrupt
        return whole(self, epoch, progress)

    monkeypatch.setattr(Trainer, "_train_epoch", train_epoch)


def test_a_run_leaves_model_checkpoints_history_log_and_curves(run: Any) -> None:
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


@pytest.mark.parametrize("accumulation", [1, 2])
def test_resume_is_exact(run: Any, monkeypatch: pytest.MonkeyPatch, accumulation: int) -> None:
    """With dropout, augmentation and random windows, the weights are the same to the last bit."""
    settings = {"num_epochs": 4, "gradient_accumulation_steps": accumulation, "batch_size": 2}
    whole = run("whole", training=settings)
    train(whole)
    broken = run("broken", training=settings)
    with monkeypatch.context() as patch:
        _break_off_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    torch.randn(7)  # whatever happens between
    history = train(broken)
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2, 3, 4]
    first, second = _weights(whole, 4), _weights(broken, 4)
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = [[epoch["val_loss"] for epoch in History.load(c.output.run_dir).epochs] for c in (whole, broken)]
    assert losses[0] == losses[1]


def test_resume_from_another_run_and_longer(run: Any) -> None:
    first = run("first")
    train(first)
    checkpoint = first.output.checkpoints / "checkpoint_epoch_2"
    longer = run("longer", training={"num_epochs": 3, "resume": str(checkpoint)})
    assert [epoch["epoch"] for epoch in train(longer).epochs] == [1, 2, 3]


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(run: Any) -> None:
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = run(name, training={"num_epochs": 1, "seed": seed})
        train(config)
        weights.append(_weights(config, 1))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_loader_workers_change_nothing(run: Any) -> None:
    weights = []
    for workers in (0, 2):
        config = run(f"workers{workers}", training={"num_epochs": 1, "num_workers": workers})
        train(config)
        weights.append(_weights(config, 1))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_early_stopping(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([3.0, 2.0, 2.5, 2.4, 1.0, 1.0])
    monkeypatch.setattr(Trainer, "_validate", lambda self: {"val_loss": next(values)})
    history = train(run(training={"num_epochs": 6, "early_stopping_patience": 2}))
    assert history.stopped_early
    assert len(history.epochs) == 4
    assert history.best["epoch"] == 2


def test_the_best_model_is_kept(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([3.0, 2.0, 2.5])
    monkeypatch.setattr(Trainer, "_validate", lambda self: {"val_loss": next(values)})
    config = run(training={"num_epochs": 3, "keep_checkpoints": 3})
    train(config)
    kept = load_model(config.output.model).state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in _weights(config, 2).items())
    assert not all(torch.equal(kept[name], weight) for name, weight in _weights(config, 3).items())


def _trainer(config: Config) -> Trainer:
    return Trainer(config, Accelerator(cpu=True, gradient_accumulation_steps=1))


def test_training_keys_reach_the_loop(run: Any) -> None:
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
    assert len(next(iter(trainer.loader))["waveform"]) == 3
    assert trainer.steps_per_epoch == -(-len(trainer.windows) // 3)


def test_accumulation_means_fewer_steps(run: Any) -> None:
    one, two = run("one", training={"batch_size": 2}), run("two", training={"batch_size": 2})
    two.training.gradient_accumulation_steps = 2
    steps = [_trainer(config).steps_per_epoch for config in (one, two)]
    assert steps[1] == -(-steps[0] // 2)


def test_gradients_are_clipped(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_augmentation_reaches_the_windows(run: Any) -> None:
    plain = _trainer(run("plain", audio={"augmentation": {"enabled": False}})).windows
    loud = {"gain_probability": 1.0, "gain_db": (-6.0, -6.0), "eq_probability": 0, "noise_probability": 0}
    quiet = _trainer(run("quiet", audio={"augmentation": {**loud, "reverb_probability": 0}})).windows
    expected = torch.from_numpy(plain[0]["waveform"]) * 10 ** (-6 / 20)
    assert torch.allclose(torch.from_numpy(quiet[0]["waveform"]), expected, atol=1e-6)


def test_bf16_is_used_where_it_pays(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s2s_lib.train.loop.bf16_pays", lambda device: True)
    types = set()
    forward = torch.nn.Linear.forward

    def watched(self: torch.nn.Linear, values: torch.Tensor) -> torch.Tensor:
        result = forward(self, values)
        types.add(result.dtype)
        return result

    monkeypatch.setattr(torch.nn.Linear, "forward", watched)
    assert train(run("bf16", training={"num_epochs": 1})).precision == "bf16"
    assert types == {torch.bfloat16}


def test_full_precision_when_asked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s2s_lib.train.loop.bf16_pays", lambda device: True)
    assert train(run("fp32", training={"num_epochs": 1, "use_mixed_precision": False})).precision == "fp32"


def test_a_frozen_encoder_stays_as_it_was(run: Any, tmp_path: Path) -> None:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    tiny = ASTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_mel_bins=64,
                     max_length=128)  # fmt: skip
    ASTModel(tiny).save_pretrained(tmp_path / "ast")
    ASTFeatureExtractor(num_mel_bins=64, max_length=128).save_pretrained(tmp_path / "ast")
    sizes = {"encoder_name": str(tmp_path / "ast"), "freeze_encoder": True, "window_seconds": None}
    config = run(model=sizes, audio={"n_mels": 64}, training={"num_epochs": 1})
    before = build_model(config).state_dict()
    train(config)
    after = load_model(config.output.model).state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert "encoder" not in changed
    assert "decoder" in changed


def test_two_processes_train_together(run: Any) -> None:
    """Two CPU processes halve the steps and leave one model; a fresh interpreter, since processes are forked."""
    config = run(training={"num_processes": 2, "num_epochs": 1, "batch_size": 2})
    config.save(config.output.run_dir / "parameters.yaml")
    code = (
        "from s2s_lib.config import Config; from s2s_lib.train import train\n"
        f"train(Config.load({str(config.output.run_dir / 'parameters.yaml')!r}))"
    )
    result = _in_a_group([sys.executable, "-c", code])
    assert result.returncode == 0, result.stderr[-3000:]
    history = History.load(config.output.run_dir)
    alone = _trainer(run("alone", training={"batch_size": 2}))
    assert history.processes == 2
    assert history.epochs[0]["steps"] == -(-alone.steps_per_epoch // 2)
    names = {path.name for path in (config.output.checkpoints / "checkpoint_epoch_1").iterdir()}
    assert {"random_states_0.pkl", "random_states_1.pkl"} <= names
    load_model(config.output.model)


def test_processes_launched_from_outside(run: Any) -> None:
    """`accelerate launch` sets the variables that torchrun sets; here two CPU processes train, then resume."""
    config = run(training={"num_epochs": 1, "batch_size": 2})
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", _free_port()]
    for epochs in (1, 2):
        config.training.num_epochs = epochs
        config.save(config.output.run_dir / "parameters.yaml")
        result = _in_a_group([*launch, "-m", "s2s_lib.train", str(config.output.run_dir / "parameters.yaml")])
        assert result.returncode == 0, result.stderr[-3000:]
        history = History.load(config.output.run_dir)
        assert (history.processes, len(history.epochs)) == (2, epochs)


def test_what_a_process_refuses_is_one_sentence(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run(training={"num_processes": 2}, model={"encoder_name": str(run("none").output.run_dir / "nothing")})
    config.save(config.output.run_dir / "parameters.yaml")
    result = _in_a_group([sys.executable, "-m", "s2s_lib.train", str(config.output.run_dir / "parameters.yaml")])
    assert result.returncode == 1
    assert "s2s_lib.train: error: model.encoder_name" in result.stderr.splitlines()[-1]


def _in_a_group(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command whose own processes end with it, whatever happens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    try:
        out, err = process.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture
def trained(run: Any) -> Config:
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


def test_a_resumed_run_has_a_model_even_if_it_never_gets_better(trained: Config, run: Any) -> None:
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


def test_training_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no dataset; run the generate stage"):
        train(small_config(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_of_other_parameters_is_refused(run: Any) -> None:
    config = run()
    config.dataset.complexity = "complex"
    with pytest.raises(InputError, match=r"generated with other dataset\.complexity"):
        train(config)


def test_a_tracker_that_is_not_installed_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install wandb"):
        train(run(training={"trackers": ["wandb"]}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_named(run: Any) -> None:
    with pytest.raises(InputError, match="PyTorch finds no GPU; use --device cpu or auto"):
        train(run(model={"device": "cuda"}))
