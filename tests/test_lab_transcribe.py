"""The notebook in JupyterLab, in a real browser: it runs, a widget is moved, the score changes, the sound is followed.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from lab import needs_browser, opened_lab, put_notebook, wait, wait_for_run

from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.notes import Performance
from s2s_lib.report import resynthesise

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

RATE, SECONDS = 16000, 12.0
NAME = "04_transcribe.ipynb"
PAGES = "return [...document.querySelectorAll('.jp-OutputArea-output .s2s-pages')].map(e => e.innerHTML)"
LIT = "return [...document.querySelectorAll('.s2s-score')][0].querySelectorAll('.s2s-lit').length"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the notebook, named a recording of twelve seconds."""
    piece = bwv846().performance
    notes = tuple(note for note in piece.notes if note.onset_s < SECONDS - 2)
    soundfile.write(tmp_path / "prelude.flac", resynthesise(Performance(notes, piece.pedal), RATE), RATE)
    audio = {"audio": str(tmp_path / "prelude.flac")}
    put_notebook(NAME, tmp_path, transcription=audio, output={"output_dir": str(tmp_path)})
    return tmp_path


def test_desk_changes_the_score(folder: Path) -> None:
    with opened_lab(folder, NAME) as browser:

        def pages() -> list[str]:
            return browser.execute_script(PAGES)

        report_page, before = wait_for_run(browser, lambda: len(pages()) == 2 and pages())
        assert "<svg" in report_page

        rows = browser.find_elements("css selector", ".widget-dropdown")
        (menu,) = [row for row in rows if row.text.startswith("metre")]
        (choice,) = [option for option in menu.find_elements("css selector", "option") if option.text == "3/4"]
        choice.click()
        changed = wait("the score to change", lambda: [p for p in pages()[1:2] if p != before], 60)
        assert changed[0].count('class="measure"') != before.count('class="measure"')

        browser.execute_script(
            "const sound = document.querySelector('.s2s-score audio'); sound.muted = true; sound.play()"
        )
        wait("notes to light up", lambda: browser.execute_script(LIT), 30)
