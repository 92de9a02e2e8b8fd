"""Widgets: only where a person is in front, and what a browser of pieces shows as it is clicked through."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from test_report_dataset import sample

from s2s_lib import report
from s2s_lib.report import widgets


def kernel(monkeypatch: pytest.MonkeyPatch, allow_stdin: bool) -> None:
    """Pretends that the code runs in a kernel whose client can (not) be asked for input."""
    parent = {"content": {"allow_stdin": allow_stdin}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda _channel: parent))
    monkeypatch.setattr(widgets, "get_ipython", lambda: shell)


def test_interactive_only_with_a_person_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("S2S_BATCH", raising=False)
    monkeypatch.setattr(widgets, "get_ipython", lambda: None)
    assert not report.interactive()
    kernel(monkeypatch, allow_stdin=False)
    assert not report.interactive()
    kernel(monkeypatch, allow_stdin=True)
    assert report.interactive()
    monkeypatch.setenv("S2S_BATCH", "1")
    assert not report.interactive()


def test_browsers_step_through_pieces(shown: list[Any]) -> None:
    report.sample_browser(SimpleNamespace(samples=[sample(number) for number in range(3)]))
    box, picture, *others = shown
    menu, back, on = box.children[0].children
    assert [type(thing).__name__ for thing in (picture, *others)] == ["Picture", "HTML"]
    first = picture.alt
    shown.clear()
    on.click()
    assert menu.value == 1
    assert shown[0].alt != first
    shown.clear()
    back.click()
    assert shown[0].alt == first
    back.click()
    assert menu.value == len(menu.options) - 1
    for widget in (menu, back, on, *box.children, box):
        widget.close()
