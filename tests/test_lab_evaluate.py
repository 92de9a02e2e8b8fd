"""The evaluation's notebook in JupyterLab, in a real browser: the explorer's widgets move, notes and scores follow.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab import Hands, Lab, needs_browser, prelude, put_notebook, wait

from s2s_lib.notes import write_midi

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

NAME, PIECES = "03_evaluate.ipynb", {"longer": 6.0, "shorter": 4.0}  # seconds in which notes begin
END, RIGHT, LEFT = "\ue010", "\ue014", "\ue012"  # WebDriver's keys
ROLL = "const svg = document.querySelector('.widget-html svg[role=img]'); return svg && svg.outerHTML"
SCORES = "return [...document.querySelectorAll('.widget-html caption')].map(e => e.innerText).join(' ')"
# its label, and its length in seconds once the browser has decoded it
SOUND = """
const sound = document.querySelector(".widget-html audio");
return sound && sound.duration > 1 ? [sound.getAttribute("aria-label"), sound.duration] : null;
"""


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """The notebook, which is to score the released model on a few seconds of music."""
    for name, seconds in PIECES.items():
        write_midi(tmp_path / f"{name}.mid", prelude(seconds))
    judged = {"midi": [str(tmp_path / f"{name}.mid") for name in PIECES], "model_path": "released"}
    return put_notebook(NAME, tmp_path, evaluation=judged, output={"output_dir": str(tmp_path)})


def written(hands: Hands) -> int:
    return int(re.search(r"(\d+) written", hands.js(SCORES))[1])


def roll_after(hands: Hands, before: str) -> str:
    """The drawing, once it is another one."""
    return wait("another drawing", lambda: (now := hands.js(ROLL)) != before and now)


def test_explorer_answers(lab: Lab, notebook: Path) -> None:
    with lab.running(notebook) as hands:
        hands.wait_for_run()
        before, in_force = hands.js(ROLL), written(hands)
        assert before.count("<title>") > in_force > 0

        hands.slide("onset threshold", END)  # as sure as never
        wait("the notes to go", lambda: written(hands) == 0)
        gone = roll_after(hands, before)
        assert 'class="s2s-found"' in gone
        assert gone.count("<title>") < before.count("<title>")

        hands.press("back to the one in force")
        assert roll_after(hands, gone) == before
        assert written(hands) == in_force

        hands.slide("from, to (s)", RIGHT * 20)  # tenths of a second
        later = roll_after(hands, before)
        hands.slide("from, to (s)", LEFT * 20, handle=1)
        assert roll_after(hands, later) != before
        assert written(hands) == in_force
        listen(hands)

        hands.choose("piece", other_piece(hands))
        wait("another piece", lambda: written(hands) != in_force)
        assert hands.js(ROLL) != before
        assert hands.js(SOUND) is None, "the sound of the piece before is gone"
        assert hands.untouched() == []


def listen(hands: Hands) -> None:
    """Each button brings a sound of its own, as long as what is shown."""
    lengths = set()
    for button, said in {"audio": ": audio", "transcription": ": transcription", "both": "left ear"}.items():
        hands.press(button)
        _, seconds = wait(
            f"the sound {said}", lambda said=said: (s := hands.js(SOUND)) and said in s[0] and "2.0" in s[0] and s
        )
        lengths.add(round(seconds))
    assert len(lengths) == 1


def other_piece(hands: Hands) -> str:
    return [e.text for e in hands.control("piece").find_elements("css selector", "option")][1]
