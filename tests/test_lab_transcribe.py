"""The notebook in JupyterLab, in a real browser: it runs, a widget is moved, the score changes, the sound is followed.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import soundfile
from conftest import ROOT

from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.notes import Performance
from s2s_lib.report import resynthesise

selenium = pytest.importorskip("selenium", reason="needs selenium")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")

RATE, SECONDS = 16000, 12.0
NAME = "04_transcribe.ipynb"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,2400",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
PAGES = "return [...document.querySelectorAll('.jp-OutputArea-output .s2s-pages')].map(e => e.innerHTML)"
ERRORS = (
    "return [...document.querySelectorAll('[data-mime-type=\"application/vnd.jupyter.error\"]')].map(e => e.innerText)"
)
LIT = "return [...document.querySelectorAll('.s2s-score')][0].querySelectorAll('.s2s-lit').length"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the notebook, named a recording of twelve seconds."""
    piece = bwv846().performance
    notes = tuple(note for note in piece.notes if note.onset_s < SECONDS - 2)
    soundfile.write(tmp_path / "prelude.flac", resynthesise(Performance(notes, piece.pedal), RATE), RATE)
    notebook = nbformat.read(ROOT / "notebooks" / NAME, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    audio = json.dumps(str(tmp_path / "prelude.flac"))
    cell.source += f'\ntranscription = {{"audio": {audio}}}\noutput = {{"output_dir": {json.dumps(str(tmp_path))}}}'
    nbformat.write(notebook, tmp_path / NAME)
    return tmp_path


@pytest.fixture
def lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab in that folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--port-retries=0",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=",
    ]  # fmt: skip
    own = {"JUPYTER_CONFIG_DIR": f"{folder}/config", "JUPYTER_DATA_DIR": f"{folder}/data", "PYTHONPATH": str(ROOT)}
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}/chromium"):
        options.add_argument(flag)
    driver = webdriver.Chrome(service=webdriver.ChromeService(DRIVER), options=options)
    try:
        yield driver
    finally:
        driver.quit()


def wait(what: str, holds: Callable[[], Any], seconds: float = 240.0) -> Any:
    """What `holds` gives as soon as it is true of anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := holds():
            return result
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds:g} s for {what}")


def click(browser: Any, label: str, selector: str) -> None:
    """Clicks on the shown element with this text."""

    def found() -> list[Any]:
        elements = browser.find_elements("css selector", selector)
        return [element for element in elements if element.is_displayed() and element.text.strip() == label]

    wait(label, found, 60)[-1].click()


def answers(lab: str) -> bool:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        return urlopen(f"{lab}/api/status", timeout=5).status == 200
    except (URLError, OSError):
        return False


def test_desk_changes_the_score(lab: str, browser: Any) -> None:
    wait("JupyterLab", lambda: answers(lab), 60)
    browser.get(f"{lab}/lab/tree/{NAME}?reset")
    wait("the kernel", lambda: "Idle" in browser.page_source, 60)
    click(browser, "Run", ".lm-MenuBar-itemLabel")
    click(browser, "Run All Cells", ".lm-Menu-itemLabel")
    wait("the notebook to run", lambda: browser.execute_script(ERRORS) or len(browser.execute_script(PAGES)) == 2)
    assert browser.execute_script(ERRORS) == []
    report_page, before = browser.execute_script(PAGES)
    assert "<svg" in report_page

    (menu,) = [row for row in browser.find_elements("css selector", ".widget-dropdown") if row.text.startswith("metre")]
    (choice,) = [option for option in menu.find_elements("css selector", "option") if option.text == "3/4"]
    choice.click()

    def changed() -> str | None:
        pages = browser.execute_script(PAGES)
        return pages[-1] if len(pages) == 2 and pages[-1] != before else None

    after = wait("the score to change", changed, 60)
    assert after.count('class="measure"') != before.count('class="measure"')

    browser.execute_script("const sound = document.querySelector('.s2s-score audio'); sound.muted = true; sound.play()")
    wait("notes to light up", lambda: browser.execute_script(LIT), 30)
