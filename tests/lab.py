"""A real JupyterLab and a real browser without a screen, for the tests that look at what a person sees."""

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
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest
from conftest import ROOT

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,2400",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
ERRORS = (
    "return [...document.querySelectorAll('[data-mime-type=\"application/vnd.jupyter.error\"]')].map(e => e.innerText)"
)


def put_notebook(name: str, folder: Path, **sections: dict[str, Any]) -> None:
    """Copies a notebook of the project into a folder, these sections named at the end of its parameters cell."""
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "".join(f"\n{section} = {json.dumps(values)}" for section, values in sections.items())
    nbformat.write(notebook, folder / name)


@contextmanager
def opened_lab(folder: Path, name: str) -> Iterator[Any]:
    """A browser in which JupyterLab has opened and run a notebook of that folder, without an error."""
    with jupyterlab(folder) as address, chromium(folder) as browser:
        wait("JupyterLab", lambda: _answers(address), 120)
        browser.get(f"{address}/lab/tree/{name}?reset")
        wait("the kernel", lambda: "Idle" in browser.page_source, 120)
        click(browser, "Run", ".lm-MenuBar-itemLabel")
        click(browser, "Run All Cells", ".lm-Menu-itemLabel")
        yield browser


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
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


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """A browser whose own files lie in that folder."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder}/chromium"):
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


def wait_for_run(browser: Any, finished: Callable[[], Any], seconds: float = 240.0) -> Any:
    """What `finished` gives when the notebook has run so far; fails with the first error that a cell shows."""

    def holds() -> Any:
        assert browser.execute_script(ERRORS) == []
        return finished()

    return wait("the notebook to run", holds, seconds)


def click(browser: Any, label: str, selector: str) -> None:
    """Clicks on the shown element with this text."""

    def found() -> list[Any]:
        elements = browser.find_elements("css selector", selector)
        return [element for element in elements if element.is_displayed() and element.text.strip() == label]

    wait(label, found, 60)[-1].click()


def _answers(address: str) -> bool:
    try:
        return urlopen(f"{address}/api/status", timeout=5).status == 200
    except (URLError, OSError):
        return False
