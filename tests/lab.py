"""A real JupyterLab and a real browser without a screen, and hands that move what a notebook shows in them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import nbformat
import pytest
from conftest import ROOT

from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.notes import Performance

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,2400",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
# of cells and of what a widget called; JupyterLab 4.6 shows them as text on stderr
ERRORS = """
return [...document.querySelectorAll("[data-mime-type='application/vnd.jupyter.stderr']," +
                                     "[data-mime-type='application/vnd.jupyter.error']")]
  .map((e) => e.textContent).filter((text) => /^(Traceback|\\w*Error\\b)|Traceback \\(most recent/m.test(text));
"""
PROMPTS = "return [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent.trim())"
# what can be moved, as [element, label]; an empty label holds a space of no width
CONTROLS = r"""
return [...document.querySelectorAll(".jp-OutputArea :is(.widget-inline-hbox, .jupyter-button)")]
  .filter((e) => e.matches(".jupyter-button") || e.querySelector("select, input, .noUi-handle"))
  .map((e) => [e, [...e.querySelectorAll(".widget-label, .widget-label-basic")].map((l) => l.textContent).join("")])
  .map(([e, label]) => [e, (label.replaceAll("\u200b", "") || e.textContent).trim()]);
"""
# a field for a file comes into the page instead of opening a dialogue
CHOOSER = """
HTMLInputElement.prototype.click = function () { document.body.append(this); };
"""
# cells out of sight are laid out as well, so that what they say and how wide they are can be told
LAY_OUT = """
const style = document.createElement("style");
style.textContent = ".jp-Cell { content-visibility: visible !important; }";
document.head.append(style);
"""
# what lies outside of its output's box, without a box around it that scrolls
STICKING = """
return [...document.querySelectorAll(".jp-OutputArea-output")].flatMap((output) =>
  [...output.querySelectorAll("*")].filter((e) => {
    if (e.getBoundingClientRect().right <= output.getBoundingClientRect().right + 1) return false;
    for (let box = e.parentElement; box && output.contains(box); box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible") return false;
    return true;
  })).map((e) => e.outerHTML.slice(0, 120));
"""
PICTURES = """
const done = arguments[0];
Promise.all([...document.images].map(async (image) => {
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [160, 120];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0, 160, 120);
  const colours = new Set(new Uint32Array(pen.getImageData(0, 0, 160, 120).data.buffer));
  return { width: image.naturalWidth, shown: image.getBoundingClientRect().width, colours: colours.size };
})).then(done);
"""
SOUNDS = """
const done = arguments[0], sounds = [...document.querySelectorAll("audio")];
Promise.all(sounds.map((sound) => new Promise((resolve) => {
  sound.onloadedmetadata = () => resolve(sound.duration);
  sound.onerror = () => resolve(-1);
  sound.preload = "metadata";
  sound.load();
}))).then(done);
"""


def pictures(browser: Any) -> list[dict[str, int]]:
    """Of every picture on the page its width in pixels, as shown, and how many colours a small copy of it has."""
    return browser.execute_async_script(PICTURES)


def sounds(browser: Any) -> list[float]:
    """How long every sound on the page is, in seconds; -1 for one that can't be decoded."""
    return browser.execute_async_script(SOUNDS)


def prelude(seconds: float) -> Performance:
    """Bach's first prelude, those notes that begin in so many seconds."""
    piece = bwv846().performance
    return Performance(tuple(note for note in piece.notes if note.onset_s < seconds), piece.pedal)


def put_notebook(name: str, folder: Path, **sections: dict[str, Any]) -> Path:
    """Copies a notebook of the project into a folder, these sections named at the end of its parameters cell."""
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "".join(f"\n{section} = {values!r}" for section, values in sections.items())
    nbformat.write(notebook, folder / name)
    return folder / name


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that serves all folders under `root`, and a browser to look at it."""

    address: str
    root: Path
    browser: Any

    @contextmanager
    def running(self, notebook: Path) -> Iterator[Hands]:
        """Opens a notebook and runs all its cells; its kernel ends with the block."""
        browser = self.browser
        browser.get(f"{self.address}/lab/tree/{notebook.relative_to(self.root)}?reset")
        hands = Hands(browser)
        try:
            wait("the kernel", lambda: "Idle" in browser.page_source, 120)
            hands.click("Run", ".lm-MenuBar-itemLabel")
            hands.click("Run All Cells", ".lm-Menu-itemLabel")
            yield hands
            assert hands.js(ERRORS) == []
        finally:
            for session in json.load(urlopen(f"{self.address}/api/sessions", timeout=60)):
                urlopen(Request(f"{self.address}/api/sessions/{session['id']}", method="DELETE"), timeout=60).close()


@contextmanager
def opened_lab(root: Path, folder: Path) -> Iterator[Lab]:
    """A JupyterLab over `root` and a browser, whose own files lie in `folder`."""
    with jupyterlab(root, folder) as address, chromium(folder) as browser:
        wait("JupyterLab", lambda: _answers(address), 120)
        yield Lab(address, root, browser)


@contextmanager
def jupyterlab(root: Path, folder: Path) -> Iterator[str]:
    """The address of a JupyterLab over `root`, whose own files lie in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--port-retries=0",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={root}", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    own = {"JUPYTER_CONFIG_DIR": f"{folder}/config", "JUPYTER_DATA_DIR": f"{folder}/data",
           "JUPYTERLAB_SETTINGS_DIR": f"{folder}/settings", "PYTHONPATH": str(ROOT)}  # fmt: skip
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false"}')  # else it asks, in a box that lies over the notebook
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """A browser whose own files lie in that folder; it logs its console and what it asks the network for."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder}/chromium"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=webdriver.ChromeService(DRIVER), options=options)
    try:
        yield driver
    finally:
        driver.quit()


class Hands:
    """Move the widgets of a notebook, named by their labels, and know which ones they never touched.

    Of several with the same label, `place` counts from the first on the page.
    """

    def __init__(self, browser: Any):
        self.browser = browser
        self._touched: list[Any] = []

    def js(self, script: str, *arguments: Any) -> Any:
        """What a script run in the page returns."""
        return self.browser.execute_script(script, *arguments)

    def wait_for_run(self, seconds: float = 300.0) -> None:
        """Waits until all cells have run, none with an error, and looks whether their outputs have room."""

        def finished() -> bool:
            assert self.js(ERRORS) == []
            prompts = self.js(PROMPTS)
            return bool(prompts) and all(prompt.strip("[]:").isdigit() for prompt in prompts)

        self.js(LAY_OUT)
        wait("the notebook to run", finished, seconds)
        assert self.js(STICKING) == []

    def untouched(self) -> list[str]:
        """Labels of the widgets on the page that were not moved."""
        return [label for element, label in self.js(CONTROLS) if element not in self._touched]

    def control(self, label: str, place: int = 0) -> Any:
        """The widget with this label."""

        def found() -> list[Any]:
            return [element for element, text in self.js(CONTROLS) if text == label][place:]

        element = wait(f"the widget {label!r}", found, 60)[0]
        self._touched.append(element)
        return element

    def slide(self, label: str, keys: str, handle: int = 0) -> None:
        """Presses keys on a slider's handle."""
        self.control(label).find_elements("css selector", ".noUi-handle")[handle].send_keys(keys)

    def choose(self, label: str, option: str, place: int = 0) -> None:
        """Takes an entry of a menu."""
        from selenium.webdriver.support.select import Select

        Select(self.control(label, place).find_element("css selector", "select")).select_by_visible_text(option)

    def tick(self, label: str) -> None:
        """Clicks on a box to tick."""
        self.control(label).find_element("css selector", "input").click()

    def enter(self, label: str, text: str) -> None:
        """Writes into a field."""
        from selenium.webdriver.common.keys import Keys

        self.control(label).find_element("css selector", "input").send_keys(
            Keys.CONTROL + "a" + Keys.NULL + text + Keys.ENTER
        )

    def press(self, label: str) -> None:
        """Presses a button as soon as it can be pressed."""
        button = self.control(label)
        wait(f"the button {label!r}", button.is_enabled, 120)
        button.click()

    def upload(self, label: str, file: Path) -> None:
        """Chooses a file behind a button that would open the system's dialogue for that."""
        self.js(CHOOSER)
        self.press(label)
        fields = wait("its field", lambda: self.browser.find_elements("css selector", "input[type=file]"))
        fields[-1].send_keys(str(file))

    def click(self, text: str, selector: str) -> None:
        """Clicks on the last shown element with this text."""

        def found() -> list[Any]:
            elements = self.browser.find_elements("css selector", selector)
            return [element for element in elements if element.is_displayed() and element.text.strip() == text]

        wait(text, found, 60)[-1].click()


def wait(what: str, holds: Callable[[], Any], seconds: float = 120.0) -> Any:
    """What `holds` gives as soon as it is true of anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := holds():
            return result
        time.sleep(0.25)
    raise AssertionError(f"waited {seconds:g} s for {what}")


def _answers(address: str) -> bool:
    try:
        return urlopen(f"{address}/api/status", timeout=5).status == 200
    except (URLError, OSError):
        return False
