"""The evaluation's notebook in JupyterLab, in a real browser: the explorer's widgets move, notes and scores follow.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from lab import click, needs_browser, opened_lab, put_notebook, wait, wait_for_run

from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.notes import Performance, write_midi

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

NAME, SECONDS = "03_evaluate.ipynb", 6.0
ROLL = "const svg = document.querySelector('.widget-html svg[role=img]'); return svg && svg.outerHTML"
SCORES = "return [...document.querySelectorAll('.widget-html caption')].map(e => e.innerText).join(' ')"
SOUND = "const sound = document.querySelector('.widget-html audio'); return sound && sound.duration"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the notebook, which is to score the released model on six seconds of music."""
    piece = bwv846().performance
    write_midi(tmp_path / "prelude.mid", Performance(tuple(n for n in piece.notes if n.onset_s < SECONDS), piece.pedal))
    judged = {"midi": [str(tmp_path / "prelude.mid")], "model_path": "released"}
    put_notebook(NAME, tmp_path, evaluation=judged, output={"output_dir": str(tmp_path)})
    return tmp_path


def slider(browser: Any, label: str) -> Any:
    """The first handle of the slider with this label."""
    rows = browser.find_elements("css selector", ".widget-slider")
    (row,) = [row for row in rows if row.text.startswith(label)]
    return row.find_element("css selector", ".noUi-handle")


def test_explorer_answers(folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    with opened_lab(folder, NAME) as browser:

        def written() -> int:
            return int(re.search(r"(\d+) written", browser.execute_script(SCORES))[1])

        before = wait_for_run(browser, lambda: browser.execute_script(ROLL))
        in_force = written()
        assert before.count("<title>") > in_force > 0

        slider(browser, "onset threshold").send_keys(Keys.END)  # as sure as never
        wait("the notes to go", lambda: written() == 0, 60)
        assert 'class="s2s-found"' in (gone := browser.execute_script(ROLL))
        assert gone.count("<title>") < before.count("<title>")

        click(browser, "back to the one in force", ".widget-button")
        wait("the drawing to be as before", lambda: browser.execute_script(ROLL) == before, 60)
        assert written() == in_force

        slider(browser, "from, to").send_keys(Keys.ARROW_RIGHT * 20)  # tenths of a second
        wait("the drawing to be zoomed", lambda: browser.execute_script(ROLL) != before, 60)
        assert written() == in_force

        click(browser, "both", ".widget-button")
        assert wait("a player", lambda: browser.execute_script(SOUND), 60) > 1
