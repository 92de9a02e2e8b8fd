"""Streaming: the same music whatever makes it, new music every epoch, and training that goes on exactly."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from small import small_config
from trainings import Runs, break_off_after, in_a_group, weights

from s2s_lib.config import Config
from s2s_lib.data import Stream, WindowShape, generate, load_manifests
from s2s_lib.data.stream import segment, share_out
from s2s_lib.errors import InputError
from s2s_lib.train import History, train
from s2s_lib.train.feed import Feed, loader_workers

SHAPE = WindowShape(samples=24000, frames=64, frame_s=0.02, first_frame_s=0.11)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return small_config(tmp_path, dataset={"stream": True})


def _stream(config: Config, processes: int = 1) -> Stream:
    return Stream(config, SHAPE, 16000, processes)


@pytest.fixture
def in_four_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s2s_lib.data.stream.GROUP_S", 4.0)


@pytest.fixture(scope="module")
def streamed_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a streaming run keeps on disk."""
    config = small_config(tmp_path_factory.mktemp("streamed"), dataset={"stream": True})
    generate(config)
    return config.output.data


@pytest.fixture
def run(streamed_data: Path, tmp_path: Path) -> Runs:
    return Runs(streamed_data, tmp_path)


def test_only_validation_and_test_pieces_are_written(streamed_data: Path) -> None:
    sizes = small_config(streamed_data).dataset.split_sizes()
    manifests = load_manifests(streamed_data)
    assert {split: len(manifest.samples) for split, manifest in manifests.items()} == {**sizes, "train": 0}


def test_windows_sound_where_their_grid_says(config: Config) -> None:
    """A window that begins before its piece is silent up to the first onset."""
    config.audio.augmentation.enabled = False
    checked = 0
    for epoch in range(1, 4):
        group = _stream(config)[epoch, 0]
        assert len(group["waveform"]) == len(group["onset"]) == _stream(config).windows_per_epoch
        for waveform, onset, shift in zip(*(group[name] for name in ("waveform", "onset", "shift")), strict=True):
            heard = int(np.argmax(np.abs(waveform) > 2e-4)) / 16000
            frames, keys = np.nonzero(onset > 0.6)
            if heard < SHAPE.first_frame_s + 0.05 or not len(frames):
                continue
            onset_s = min((frames + 0.5 + shift[frames, keys]) * SHAPE.frame_s) + SHAPE.first_frame_s
            assert -0.005 < heard - onset_s < 0.03
            checked += 1
    assert checked >= 2


def test_every_epoch_is_new_and_comes_again_the_same(config: Config) -> None:
    first, again, second = _stream(config)[1, 0], _stream(config)[1, 0], _stream(config)[2, 0]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["onset"], second["onset"])


@pytest.mark.usefixtures("in_four_groups")
@pytest.mark.parametrize(("batch_size", "processes"), [(1, 1), (4, 1), (2, 3), (64, 2)])
def test_all_groups_hold_equally_many_windows(config: Config, batch_size: int, processes: int) -> None:
    config.training.batch_size, config.dataset.samples = batch_size, 16
    stream = _stream(config, processes)
    assert len(stream) % processes == 0
    sizes = {len(stream[1, index]["waveform"]) for index in range(len(stream))}
    assert sizes == {stream.windows_per_epoch // len(stream)}
    assert -(-sizes.pop() // batch_size) == stream.batches_per_item
    assert stream.pieces == 8
    assert 8 * 2 < stream.windows_per_epoch < 8 * 5  # pieces of 3 to 4 s in windows of 1.28 s


@pytest.mark.parametrize(("total", "weights"), [(7, [1.0, 1.0, 1.0]), (1, [2.0, 5.0]), (120, [0.1] * 37)])
def test_shares_add_up_and_are_fair(total: int, weights: list[float]) -> None:
    shares = share_out(total, weights)
    assert sum(shares) == total
    assert all(
        abs(share - total * weight / sum(weights)) < 1 + 1e-9 for share, weight in zip(shares, weights, strict=True)
    )


def test_segments_reach_beyond_both_ends() -> None:
    assert segment(np.arange(1, 4), -2, 7).tolist() == [0, 0, 1, 2, 3, 0, 0]
    assert segment(np.arange(1, 4), 9, 2).tolist() == [0, 0]


def _batches(stream: Stream, workers: int, epochs: range, rank: int = 0, processes: int = 1) -> Iterator[torch.Tensor]:
    """The waveforms that a process is fed."""
    accelerator = Accelerator(cpu=True)
    place = type("Place", (), {"num_processes": processes, "process_index": rank, "device": accelerator.device})()
    feed = Feed(stream, workers, epochs[-1], place)
    with feed.from_epoch(epochs[0]):
        for _ in epochs:
            yield from (batch["waveform"].clone() for batch in feed.epoch())


@pytest.mark.usefixtures("in_four_groups")
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(config: Config, workers: int) -> None:
    stream = _stream(config)
    alone, helped = (list(_batches(stream, count, range(1, 3))) for count in (0, workers))
    assert len(alone) == len(helped) == 2 * len(stream) * stream.batches_per_item
    assert all(torch.equal(one, other) for one, other in zip(alone, helped, strict=True))


@pytest.mark.usefixtures("in_four_groups")
def test_processes_share_the_windows(config: Config) -> None:
    stream = _stream(config, 2)
    every = [row.numpy().tobytes() for batch in _batches(stream, 0, range(1, 2)) for row in batch]
    shares = [
        [row.numpy().tobytes() for batch in _batches(stream, 0, range(1, 2), rank, 2) for row in batch]
        for rank in (0, 1)
    ]
    assert len(shares[0]) == len(shares[1])
    assert not set(shares[0]) & set(shares[1])
    assert set(shares[0]) | set(shares[1]) == set(every)


@pytest.mark.usefixtures("in_four_groups")
def test_resume_is_exact(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off with two workers ahead, resumed without any: the same weights to the last bit."""
    settings = {"num_epochs": 3, "batch_size": 2, "gradient_accumulation_steps": 2}
    streams = {"dataset": {"stream": True}}
    whole = run("whole", training={**settings, "num_workers": 1}, **streams)
    history = train(whole)
    broken = run("broken", training={**settings, "num_workers": 2}, **streams)
    with monkeypatch.context() as patch:
        break_off_after(1, patch)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    broken.training.num_workers = 0
    assert [epoch["val_loss"] for epoch in train(broken).epochs] == [epoch["val_loss"] for epoch in history.epochs]
    first, second = weights(whole, 3), weights(broken, 3)
    assert all(torch.equal(first[name], second[name]) for name in first)
    stated = "waited_seconds", "loader_audio_seconds_per_second"
    assert all(epoch[name] > 0 for epoch in history.epochs for name in stated)


@pytest.mark.usefixtures("in_four_groups")
def test_two_processes_stream_together(run: Runs) -> None:
    config = run(dataset={"stream": True}, training={"num_processes": 2, "num_workers": 1, "batch_size": 2})
    config.save(config.output.run_dir / "parameters.yaml")
    code = (
        "import s2s_lib.data.stream as stream; stream.GROUP_S = 4.0\n"
        "from s2s_lib.config import Config; from s2s_lib.train import train\n"
        f"train(Config.load({str(config.output.run_dir / 'parameters.yaml')!r}))"
    )
    done = in_a_group([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr[-3000:]
    history = History.load(config.output.run_dir)
    assert (history.processes, len(history.epochs)) == (2, 2)


def test_a_killed_worker_is_told_in_a_sentence(config: Config) -> None:
    class Deadly(Stream):
        def __getitem__(self, key: tuple[int, int]) -> dict[str, np.ndarray]:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InputError, match=r"a loader process died \(DataLoader worker.*; lower training\.num_workers"):
        list(_batches(Deadly(config, SHAPE, 16000), 1, range(1, 2)))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_worker_refuses_is_one_sentence(config: Config, workers: int) -> None:
    class Refusing(Stream):
        def __getitem__(self, key: tuple[int, int]) -> dict[str, np.ndarray]:
            raise InputError("a.mid: has changed.", usage=True)

    with pytest.raises(InputError, match=r"^a\.mid: has changed\.$") as caught:
        list(_batches(Refusing(config, SHAPE, 16000), workers, range(1, 2)))
    assert caught.value.usage


def test_who_loads() -> None:
    assert loader_workers(None, False, 1) == 0
    assert loader_workers(None, True, 1) >= loader_workers(None, True, 10**6) == 1
    assert loader_workers(3, True, 2) == loader_workers(3, False, 1) == 3


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ({"synthesize_audio": False}, r"dataset\.stream needs sound"),
        ({"train_split": 0.0, "val_split": 0.5}, "leaves no piece to train on"),
    ],
)
def test_a_stream_of_nothing_is_refused(tmp_path: Path, dataset: dict, says: str) -> None:
    config = small_config(tmp_path, dataset={"stream": True, **dataset})
    with pytest.raises(InputError, match=says):
        _stream(config)
