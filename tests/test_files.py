"""Files are whole or not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from s2s_lib.errors import InputError
from s2s_lib.files import as_path, atomic_folder, atomic_path, atomic_write, readable


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    atomic_write(target, "old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with atomic_folder(tmp_path / "model") as folder:
            (folder / content).write_text(content)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "weights").write_text("good")

    def fail() -> None:
        with atomic_folder(tmp_path / "model"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "model" / "weights").read_text() == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_paths_on_this_machine_stay_plain(tmp_path: Path) -> None:
    for name in (str(tmp_path), tmp_path, f"file://{tmp_path}"):
        assert as_path(name) == tmp_path
        assert isinstance(as_path(name), Path)
    assert as_path("file:///two%20words") == Path("/two words")


def test_a_file_behind_a_url_is_sent_whole_or_not_at_all() -> None:
    target = as_path("memory://files/report.json")
    atomic_write(target, "old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    with readable(target) as file:
        assert file.read() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("url", "says"),
    [("nosuch://x/y", "no URL that fsspec can use"), ("s3://bucket/x", "pip install s3fs")],
)
def test_storage_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, url: str, says: str) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=says) as caught:
        as_path(url)
    assert url in str(caught.value)
