"""TensorBoard and W&B are given what the history holds, under the names that the reports show; no key is asked for."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from trainings import Runs, break_off_after

from s2s_lib import report
from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.train import History, train
from s2s_lib.train.history import label
from s2s_lib.train.steps import read_steps

Curves = dict[str, dict[int, float]]  # name: {step: value}
OWN = {"_step", "_runtime", "_timestamp"}  # W&B's


def of_tensorboard(config: Config) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = config.output.logs.rglob("events.out.tfevents.*")
    read = EventAccumulator(str(events))
    read.Reload()
    return {name: {event.step: event.value for event in read.Scalars(name)} for name in read.Tags()["scalars"]}


def of_wandb(config: Config) -> Curves:
    curves: Curves = {}
    for record in wandb_records(config):
        row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for name in set(row) - OWN:
            curves.setdefault(name, {})[row["_step"]] = row[name]
    return curves


def wandb_ids(config: Config) -> set[str]:
    return {record.run.run_id for record in wandb_records(config)} - {""}


def wandb_records(config: Config) -> Iterator[Any]:
    """All that W&B wrote into the folder of logs, in however many files."""
    from wandb.proto import wandb_internal_pb2

    for file in config.output.logs.rglob("*.wandb"):
        for data in records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            yield record


def records(data: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format (blocks of 32 KiB, heads of checksum, length and kind), as W&B's is."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        record, at = record + data[at + 7 : at + 7 + length], at + 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


@pytest.mark.parametrize(("tracker", "read"), [("tensorboard", of_tensorboard), ("wandb", of_wandb)])
def test_trackers_hold_the_history_under_the_names_of_the_reports(
    run: Runs, tracker: str, read: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if tracker == "wandb":
        wandb = pytest.importorskip("wandb")
        monkeypatch.setenv("WANDB_MODE", "offline")
        monkeypatch.setattr(wandb, "login", lambda **_: pytest.fail("asked for a key"))
    monkeypatch.chdir(tmp_path)
    config = run(training={"trackers": [tracker], "val_clips": 2, "batch_size": 1, "num_epochs": 3})
    history = train(config)
    if tracker == "wandb":
        wandb.teardown()
    curves = read(config)
    expected: Curves = {}
    for epoch in history.epochs:
        for name in set(epoch) - {"steps"}:  # the steps are the curves' abscissa
            expected.setdefault(label(name), {})[epoch["steps"]] = epoch[name]
    expected[label("batch_loss")] = {line["step"]: line["batch_loss"] for line in read_steps(config.output.logs)}
    assert len(expected[label("batch_loss")]) > 1
    assert set(curves) == set(expected)
    for name, curve in expected.items():
        assert curves[name] == pytest.approx(curve, rel=1e-5), name
    assert set(report.training_table(history).columns) - set(curves) == {"steps"}
    assert not (tmp_path / "wandb").exists(), "all of it belongs to the run"


def test_wandb_knows_a_training_that_goes_on_as_the_same_run_and_one_begun_afresh_as_another(
    run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = run(training={"trackers": ["wandb"], "val_clips": 0, "num_epochs": 2})
    with monkeypatch.context() as broken:
        break_off_after(1, broken)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    wandb.teardown()
    history = train(config)
    wandb.teardown()
    assert len(wandb_ids(config)) == 1
    assert sorted(of_wandb(config)[label("val_loss")]) == [epoch["steps"] for epoch in history.epochs]
    shutil.rmtree(config.output.checkpoints)
    train(config)
    wandb.teardown()
    assert len(wandb_ids(config)) == 2


class CommError(Exception):
    """As W&B raises it."""


CommError.__module__ = "wandb.errors.errors"


@pytest.mark.parametrize(
    ("mode", "login", "refusal"),
    [
        ("online", lambda **asked: asked["prompt"], "is not logged in; run 'wandb login', set WANDB_MODE=offline"),
        ("online", "no such host\nmore", r"can't begin \(no such host\); set WANDB_MODE=offline"),
        ("offline", "not to be asked", None),
    ],
)
def test_a_key_is_never_asked_for(
    run: Runs, mode: str, login: Any, refusal: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> bool:
        raise CommError(login)

    settings = SimpleNamespace(mode=mode)
    fake = SimpleNamespace(
        setup=lambda: SimpleNamespace(settings=settings), login=login if callable(login) else fail, __spec__=object()
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setattr("s2s_lib.train.launch._process", lambda config: History().save(config.output.run_dir))
    config = run(training={"trackers": ["wandb"]})
    if refusal is None:
        train(config)
        return
    with pytest.raises(InputError, match=refusal):
        train(config)
