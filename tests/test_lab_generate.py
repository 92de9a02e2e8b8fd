"""The dataset's notebook in JupyterLab, in a real browser: every knob is seen and heard, and pieces are browsed.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lab import Hands, Lab, needs_browser, put_notebook, wait

from s2s_lib.report.knobs import EXCERPT_S, PRESETS, SLIDERS, Knobs, described

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

NAME, START, END = "01_generate.ipynb", "\ue011", "\ue010"  # WebDriver's keys Home and End
DATASET = {
    "samples": 4, "min_notes": 8, "min_duration": EXCERPT_S + 2, "max_duration": EXCERPT_S + 4,
    "train_split": 0.5, "val_split": 0.25, "num_workers": 1,
}  # fmt: skip
# [text, pictures, sounds] of the knobs' output and of the browser's
SHOWN = """
return [...document.querySelectorAll(".widget-output")].map((output) => [
  output.innerText, ...["img", "audio"].map((name) => [...output.querySelectorAll(name)].map((e) => e.src))]);
"""
Shown = tuple[list[str], list[str]]  # pictures and sounds


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return put_notebook(NAME, tmp_path, dataset=DATASET, output={"output_dir": str(tmp_path)})


def shown(hands: Hands, place: int, text: str, before: Shown = ([], [])) -> Shown:
    """An output's pictures and sounds, as soon as it says this and both are others than before."""

    def found() -> list[Any]:
        outputs = hands.js(SHOWN)
        if len(outputs) <= place or text not in outputs[place][0]:
            return []
        now = outputs[place][1:]
        return now if all(a and a != b for a, b in zip(now, before, strict=True)) else []

    pictures, sounds = wait(text, found)
    return pictures, sounds


def test_every_knob_is_heard_and_pieces_are_browsed(lab: Lab, notebook: Path) -> None:
    with lab.running(notebook) as hands:
        hands.wait_for_run()
        turn_the_knobs(hands)
        browse(hands)
        assert hands.untouched() == []


def turn_the_knobs(hands: Hands) -> None:
    stand, seen = Knobs(), shown(hands, 0, "After: nothing is turned")

    def turned(**values: Any) -> None:
        """The picture and the sounds follow, but for the sound before."""
        nonlocal stand, seen
        stand, (_, played) = replace(stand, **values), seen
        seen = shown(hands, 0, f"After: {described(stand)}", seen)
        assert seen[1][0] == played[0]
        assert seen[1][1] != played[1]

    for name, (label, low, high, _) in SLIDERS.items():
        if name == "snr_db":
            hands.choose("noise", "pink")
            turned(noise="pink")
        end = low if name == "level_db" else high
        hands.slide(label, START if end == low else END)
        turned(**{name: end})
    hands.tick("telephone")
    turned(telephone=True)
    hands.choose("MP3", "16 kbit/s")
    turned(mp3_kbps=16)
    hands.choose("setting", "an old tape")
    turned(**vars(PRESETS["an old tape"]))

    played = seen[1]
    for move in (lambda: hands.slide("from (s)", END), lambda: hands.choose("piece", options(hands)[1])):
        move()
        seen = shown(hands, 0, "Before", seen)
        assert seen[1][0] != played[0], "another sound before"
        played = seen[1]


def options(hands: Hands, place: int = 0) -> list[str]:
    """Entries of a menu of pieces."""
    return [e.text for e in hands.control("piece", place).find_elements("css selector", "option")]


def browse(hands: Hands) -> None:
    """The roll, the score and the sound of one piece after the other."""
    first, second = (name.split()[0] for name in options(hands, 1))
    before = shown(hands, 1, f"{first}: ")
    hands.press("next")
    after = shown(hands, 1, f"{second}: ", before)
    hands.press("previous")
    assert shown(hands, 1, f"{first}: ") == before
    hands.choose("piece", options(hands, 1)[1], place=1)
    assert shown(hands, 1, f"{second}: ") == after
