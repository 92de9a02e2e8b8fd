"""The comparison's notebook in JupyterLab, in a real browser: it runs on three runs and shows what it says it shows.

It has no widgets. Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab, needs_browser, pictures, put_notebook, sounds
from runs_on_disk import three_runs

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

NAME = "05_compare.ipynb"


def test_runs_are_compared(lab: Lab, tmp_path: Path) -> None:
    runs = three_runs(tmp_path)
    notebook = put_notebook(NAME, tmp_path, comparison={"runs": runs}, output={"output_dir": str(tmp_path)})
    with lab.running(notebook) as hands:
        hands.wait_for_run()
        tables = hands.js("return [...document.querySelectorAll('.jp-OutputArea table')].map((e) => e.innerText)")
        assert any("training.num_epochs" in table and all(name in table for name in runs) for table in tables)
        seen = pictures(hands.browser)
        assert len(seen) == 2 + 2 * 2, "curves, scatters, and two runs over each of two pieces"
        assert min(picture["colours"] for picture in seen) > 5, "blank"
        heard = sounds(hands.browser)
        assert len(heard) == 2 * 3, "two pieces as they were played and by two runs"
        assert min(heard) > 1
        assert hands.untouched() == [], "a widget that no test moves"
