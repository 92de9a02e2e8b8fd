"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from s2s_lib.files import atomic_folder, atomic_path, atomic_write


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
