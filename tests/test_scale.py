"""Generation at any size and place: on a Dask cluster that loses a worker, behind URLs, within bounded memory."""

from __future__ import annotations

import builtins
import os
import pickle
import signal
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from small import small_config

from s2s_lib.config import Config, DatasetConfig
from s2s_lib.data import Windows, WindowShape, generate, load_manifests
from s2s_lib.data.recipe import Studio
from s2s_lib.data.workers import in_order
from s2s_lib.errors import InputError
from s2s_lib.progress import Progress

generation = import_module("s2s_lib.data.generate")  # the package's attribute of that name is the function


def contents(folder: Any) -> dict[str, bytes]:
    """Content of every file of a dataset, on a disk or behind a URL, by its place in the folder."""
    places = [folder, *(folder / kind for kind in ("audio", "midi", "score"))]
    files = [path for place in places for path in place.iterdir() if path.is_file()]
    return {f"{path.parent.name if path.parent != folder else ''}/{path.name}": path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The small dataset as this process makes it."""
    config = small_config(tmp_path_factory.mktemp("local"), dataset={"samples": 16})
    generate(config)
    return contents(config.output.data)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    before = dict(os.environ)  # Dask's nannies would leave all later tests one thread
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster
    os.environ.clear()
    os.environ.update(before)


def test_a_dataset_is_the_same_from_a_cluster_that_loses_a_worker(
    local: dict[str, bytes], cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two is killed with half of the pieces made, and does not come back."""
    doomed = cluster.workers[0]
    doomed.auto_restart = False
    killed = []

    class Killing(Progress):
        def advance(self, steps: int = 1, note: str = "") -> None:
            super().advance(steps, note)
            if self.done == self.total // 2:
                killed.append(doomed.pid)
                os.kill(doomed.pid, signal.SIGKILL)

    monkeypatch.setattr(generation, "Progress", Killing)
    on_dask = {"samples": 16, "backend": "dask", "scheduler": cluster.scheduler_address}
    config = small_config(tmp_path, dataset=on_dask)
    generate(config)
    assert len(killed) == 1
    assert contents(config.output.data) == local


def test_an_error_on_a_cluster_says_what_it_says_here(cluster: Any) -> None:
    dataset = DatasetConfig(backend="dask", scheduler=cluster.scheduler_address)
    with pytest.raises(InputError, match="bad piece 3"):
        list(in_order(refuse_three, range(5), 5, dataset))


def refuse_three(number: int) -> int:
    if number == 3:
        raise InputError("bad piece 3")
    return number


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://x"])
def test_a_scheduler_that_does_not_answer_is_told_before_anything_is_written(
    refused: Callable[..., str], address: str
) -> None:
    pytest.importorskip("distributed")
    address = address.format(port=free_port())
    message = refused("generate", "--set", "dataset.backend=dask", "--set", f"dataset.scheduler={address}")
    assert f"dataset.scheduler {address}" in message
    assert "dask scheduler" in message


def test_a_scheduler_that_listens_and_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("s2s_lib.data.workers.ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        config = small_config(tmp_path, dataset={"backend": "dask", "scheduler": address})
        with pytest.raises(InputError, match="does not answer"):
            generate(config)
    assert not list(tmp_path.iterdir())


def test_a_missing_dask_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_import = builtins.__import__

    def without_dask(name: str, *rest: Any) -> Any:
        if name == "distributed":
            raise ImportError(name)
        return really_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_dask)
    config = small_config(tmp_path, dataset={"backend": "dask", "scheduler": "tcp://127.0.0.1:1"})
    with pytest.raises(InputError, match="pip install distributed"):
        generate(config)


def test_a_killed_local_worker_is_told() -> None:
    with pytest.raises(InputError, match="a worker process was killed"):
        list(in_order(os._exit, range(8), 8, DatasetConfig(num_workers=2)))


@pytest.mark.parametrize("url", ["memory://{name}/data", "file://{folder}/data"])
def test_a_dataset_behind_a_url_is_the_same(url: str, local: dict[str, bytes], tmp_path: Path) -> None:
    url = url.format(name=uuid4().hex, folder=tmp_path)
    config = small_config(tmp_path / "run", dataset={"samples": 16}, output={"data_dir": url})
    manifests = generate(config)
    assert contents(config.output.data) == local
    windows = Windows(manifests["train"], WindowShape(24000, 64, 0.02, 0.11), 16000, seed=1)
    assert abs(windows[0]["waveform"]).max() > 0
    assert not (tmp_path / "run").exists()


def test_generation_behind_a_url_goes_on_and_removes_what_is_not_named(tmp_path: Path) -> None:
    url = {"data_dir": f"memory://{uuid4().hex}"}
    first = small_config(tmp_path, dataset={"samples": 4}, output=url)
    generate(first)
    before = contents(first.output.data)
    doomed = next(path for path in (first.output.data / "midi").iterdir())
    doomed.unlink()
    (first.output.data / "audio" / "train_99999_0badcafe.flac").write_bytes(b"")
    generate(first)
    assert contents(first.output.data) == before
    generate(small_config(tmp_path, dataset={"samples": 3}, output=url))
    assert len(contents(first.output.data)) == 3 * 3 + 3


def test_many_jobs_are_small_and_made_when_their_turn_comes(tmp_path: Path) -> None:
    """Neither the jobs nor their results pile up while they are worked on."""
    recipe = Studio(Config()).recipe("train", (1, 0, 0))
    assert len(pickle.dumps(recipe)) < 20_000
    started = []

    def jobs() -> Iterator[int]:
        for number in range(400):
            started.append(number)
            yield number

    for done, result in enumerate(in_order(nap, jobs(), 400, DatasetConfig(num_workers=2)), 1):
        assert result == done - 1
        assert len(started) - done < 200


def nap(number: int) -> int:
    time.sleep(0.002)
    return number


def test_the_memory_for_each_sample_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What grows with the number of samples is their entry in the manifest that `generate` returns."""
    peaks = {}
    monkeypatch.setattr(generation, "make_sample", dummy)
    monkeypatch.setattr(generation, "_remove_unnamed", lambda *_: None)
    for samples in (100, 1100):
        config = small_config(tmp_path / str(samples), dataset={"samples": samples})
        tracemalloc.start()
        manifests = generate(config)
        peaks[samples] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(len(manifest.samples) for manifest in manifests.values()) == samples
        load_manifests(config.output.data)
    assert (peaks[1100] - peaks[100]) / 1000 < 8_000  # bytes a sample


def dummy(job: Any) -> dict[str, Any]:
    """A record as make_sample's, without the sample."""
    piano = {f"key{number}": 1.25 * number for number in range(20)}
    record = dict.fromkeys(generation.RECORD) | {"id": job.id, "piano": piano, "duration_s": 1.0, "seed": [1, 2, 3]}
    return record | {kind: f"{kind}/{job.id}" for kind in generation.KINDS}


def test_a_worker_imports_little(python: Callable[..., Any]) -> None:
    """Each worker process starts with these imports: what takes a second is left to those who need it."""
    done = python(
        "import s2s_lib.data, sys; "
        "print(sorted({'torch', 'matplotlib', 'IPython', 'scipy.signal', 'scipy.stats', 'upath'} & set(sys.modules)))"
    )
    assert done.stdout == "[]\n", done.stderr
