"""A training stopped by a person: where it ends, what it leaves, how it goes on; and the desk that watches it."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from trainings import Runs, in_a_group, weights

from s2s_lib import report
from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline.stages import RunState
from s2s_lib.pretrained import load_model
from s2s_lib.progress import read_state
from s2s_lib.report import live
from s2s_lib.train import History, train
from s2s_lib.train.feed import Feed
from s2s_lib.train.loop import Trainer
from s2s_lib.train.steps import StepLog, read_steps
from s2s_lib.train.stop import ask_to_stop, stop_file


def stop_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person asks the training to stop while it learns from its `batches`-th batch."""
    whole, learnt = Trainer._learn, []

    def learn(self: Trainer, *arguments: Any) -> Any:
        learnt.append(1)
        if len(learnt) == batches:
            ask_to_stop(self.config.output.run_dir)
        return whole(self, *arguments)

    monkeypatch.setattr(Trainer, "_learn", learn)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_stopped_training_goes_on_exactly(run: Runs, monkeypatch: pytest.MonkeyPatch, accumulation: int) -> None:
    """Stopped in the second epoch, it ends with the weights and losses of one that never stopped, to the last bit."""
    settings = {"num_epochs": 3, "gradient_accumulation_steps": accumulation, "batch_size": 1}
    whole, stopped = run("whole", training=settings), run("stopped", training=settings)
    train(whole)
    each = _batches(whole)
    with monkeypatch.context() as patch:
        stop_after(each + 3, patch)
        history = train(stopped)
    done = 3 if accumulation == 1 else 4
    assert len(history.epochs) == 1
    assert history.unfinished["batches"] == done
    assert not stop_file(stopped.output.run_dir).exists()
    assert (stopped.output.checkpoints / f"checkpoint_epoch_1_batch_{done}").is_dir()
    kept = load_model(stopped.output.model).state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in weights(stopped, 1).items())
    torch.randn(7)  # whatever happens between
    history = train(stopped)
    assert history.unfinished is None
    first, second = weights(whole, 3), weights(stopped, 3)
    assert all(torch.equal(first[name], second[name]) for name in first)
    alike = ("steps", "train_loss", "val_loss", "grad_norm", "learning_rate", "val_onset_f1")
    a, b = ([[e[name] for name in alike] for e in History.load(c.output.run_dir).epochs] for c in (whole, stopped))
    assert np.allclose(a, b, rtol=1e-6, atol=0)


def _batches(config: Config) -> int:
    """Batches in an epoch."""
    return Trainer(config, Accelerator(cpu=True)).feed.batches_per_epoch


def test_stopped_in_the_first_epoch_it_leaves_a_model(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run(training={"batch_size": 1, "num_epochs": 2})
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        history = train(config)
    assert history.epochs == []
    assert "after 2 batches of epoch 1" in report.training_outcome(history)
    load_model(config.output.model)
    assert report.training_figure(history, config.output.logs).png()
    assert [epoch["epoch"] for epoch in train(config).epochs] == [1, 2]


def test_stopped_by_an_epochs_last_batch_it_ends_with_the_epoch(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run(training={"batch_size": 4, "num_epochs": 2})
    with monkeypatch.context() as patch:
        stop_after(_batches(config), patch)
        history = train(config)
    assert "Stopped on request after epoch 1;" in report.training_outcome(history)
    assert [path.name for path in config.output.checkpoints.iterdir()] == ["checkpoint_epoch_1"]
    history = train(config)
    assert len(history.epochs) == 2
    assert history.unfinished is None


def test_a_stop_left_from_before_stops_nothing(run: Runs) -> None:
    config = run(training={"num_epochs": 1})
    ask_to_stop(config.output.run_dir)
    assert len(train(config).epochs) == 1
    assert not stop_file(config.output.run_dir).exists()


def test_the_same_command_goes_on_after_a_stop(run: Runs) -> None:
    """A stage whose training was stopped is not taken for done."""
    config = run()
    (config.output.model).mkdir(parents=True)
    (config.output.model / "model.safetensors").touch()
    state = {"train": {"status": "done", "inputs": {}}}
    (config.output.run_dir / "state.json").write_text(json.dumps(state))
    for unfinished, current in ((None, True), ({"batches": 3}, False)):
        History(unfinished=unfinished).save(config.output.run_dir)
        assert RunState(config.output).is_current("train", config) is current


def test_processes_agree_where_to_stop(run: Runs) -> None:
    config = run(training={"num_processes": 2, "num_epochs": 300, "batch_size": 1, "val_clips": 1})
    config.save(config.output.run_dir / "parameters.yaml")
    done = threading.Event()

    def stop_when_it_runs() -> None:
        while not done.wait(0.2):
            if read_steps(config.output.logs):
                ask_to_stop(config.output.run_dir)
                return

    watcher = threading.Thread(target=stop_when_it_runs, daemon=True)
    watcher.start()
    result = in_a_group([sys.executable, "-m", "s2s_lib.train", str(config.output.run_dir / "parameters.yaml")])
    done.set()
    assert result.returncode == 0, result.stderr[-3000:]
    history = History.load(config.output.run_dir)
    assert history.unfinished is not None
    assert len(history.epochs) < 300


@pytest.mark.parametrize("done", [0, 1, 2, 3, 5])
def test_a_feed_goes_on_inside_an_epoch(done: int) -> None:
    """After so many batches of the first epoch: items of two batches, the last one of an item included."""

    class Source:
        batch_size, batches_per_item, windows_per_epoch = 2, 2, 12

        def __len__(self) -> int:
            return 3

        def __getitem__(self, key: tuple[int, int]) -> dict[str, np.ndarray]:
            epoch, index = key
            return {"waveform": np.arange(4) + 4 * index + 100 * epoch}

    accelerator = SimpleNamespace(num_processes=1, process_index=0, device=torch.device("cpu"))
    feed = Feed(Source(), 0, 2, accelerator)
    with feed.from_epoch(1, done):
        got = [batch["waveform"].tolist() for _ in (1, 2) for batch in feed.epoch()]
    expected = [[100 * e + i, 100 * e + i + 1] for e in (1, 2) for i in range(0, 12, 2)]
    assert got == expected[done:]


def test_clips_change_nothing_that_is_learnt(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """F1 is in the history, notes of two clips beside it; the weights are those of a training without clips."""
    tracked: set[str] = set()
    monkeypatch.setattr(Accelerator, "log", lambda self, values, step: tracked.update(values))
    configs = [run(f"clips{count}", training={"val_clips": count, "num_epochs": 3}) for count in (0, 4)]
    without, history = (train(config) for config in configs)
    first, second = (weights(config, 3) for config in configs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert "val_onset_f1" not in without.epochs[0]
    assert all(0 <= epoch[f"val_{name}_f1"] <= 1 for epoch in history.epochs for name in ("onset", "onset_offset_key"))
    assert report.examples_figure(configs[0]) is None
    kept = json.loads((configs[1].output.run_dir / "training_clips.json").read_text())
    assert [epoch["epoch"] for epoch in kept["epochs"]] == [1, 2, 3]
    assert 1 <= len(kept["clips"]) <= 2
    assert all(clip["played"] for clip in kept["clips"])
    assert f"{kept['clips'][0]['id']}, epoch 1" in _texts(report.examples_figure(configs[1]))
    assert all(0 < epoch["peak_share"] < 1 for epoch in history.epochs)
    assert set(report.training_table(history).columns) - tracked == {"steps"}, "trackers use the table's names"
    elapsed = [epoch["elapsed_seconds"] for epoch in history.epochs]
    assert elapsed == sorted(elapsed)


def _texts(figure: Any) -> str:
    return " ".join(text.get_text() for ax in figure.axes for text in (ax.title, ax._left_title))


def test_lines_of_steps_are_read_while_they_are_written(tmp_path: Path) -> None:
    log = StepLog(tmp_path, 90_000)
    assert log.every == 30
    log.rewind(0)
    for step in (30, 60, 90):
        log.write({"step": step, "batch_loss": 1.0})
    with (tmp_path / "training_steps.jsonl").open("a") as file:
        file.write('{"step": 12')
    assert [line["step"] for line in read_steps(tmp_path)] == [30, 60, 90]
    log.rewind(60)
    assert [line["step"] for line in read_steps(tmp_path)] == [30, 60]
    assert read_steps(tmp_path / "nothing") == []


def test_the_desk_follows_and_stops_a_training(run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run()
    monkeypatch.setattr(live, "DRAW_S", 0.0)
    progress = tmp_path / "progress.json"
    desk = live.Desk(config, progress)
    desk.refresh()
    assert desk.button.disabled, "there is nothing to stop yet"
    state = {"label": "training", "done": 5, "before": 0, "total": 20, "unit": "batch", "note": "", "seconds": 1.0}
    progress.write_text(json.dumps(state))
    log = StepLog(config.output.logs, 20)
    log.rewind(0)
    log.write({"step": 10, "batch_loss": 1.0})
    desk.refresh()
    assert not desk.button.disabled
    assert desk.bar.value == 0.25
    assert "training: 5/20 batches" in desk.status.value
    before = desk.picture.value
    assert before[:4] == b"\x89PNG"
    log.write({"step": 20, "batch_loss": 0.5})
    desk.refresh()
    assert desk.picture.value != before
    desk.button.click()
    assert stop_file(config.output.run_dir).exists()
    assert desk.button.disabled
    desk.refresh()
    assert desk.status.value == live.STOPPING


def test_training_in_a_process_of_its_own(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped by interrupting the kernel, and a second time goes on to its end."""
    config = run(training={"num_epochs": 400, "batch_size": 1, "val_clips": 0})
    monkeypatch.setattr(live, "display", lambda *things: None)
    refresh, times = live.Desk.refresh, []

    def interrupted(self: live.Desk) -> None:
        refresh(self)
        state = read_state(self._progress)
        if state and state["done"] > 5 and not times:
            times.append(1)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(live.Desk, "refresh", interrupted)
        history = asyncio.run(report.train_live(config))
    assert history.unfinished is not None
    assert len(history.epochs) < 400
    config.training.num_epochs = len(history.epochs) + 1
    history = asyncio.run(report.train_live(config))
    assert history.unfinished is None
    assert len(history.epochs) == config.training.num_epochs


def test_what_the_training_process_refuses_is_refused_here(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run(training={"resume": "nowhere"})
    monkeypatch.setattr(live, "display", lambda *things: None)
    with pytest.raises(InputError, match="nowhere: is no checkpoint") as caught:
        asyncio.run(report.train_live(config))
    assert caught.value.usage
