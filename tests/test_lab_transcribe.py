"""The notebook of a recording in JupyterLab, in a real browser: the desk changes the score, the sound is followed.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from lab import Hands, Lab, needs_browser, prelude, put_notebook, wait

from s2s_lib.report import resynthesise

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

NAME, RATE, SECONDS, SHORT_S = "04_transcribe.ipynb", 16000, 10.0, 5.0
START, END = "\ue011", "\ue010"  # WebDriver's keys Home and End
# how many there are of each sign, in the report's score and in the desk's
SCORES = """
const signs = {bars: ".measure", notes: ".note", beams: ".beam", flats: ".keyAccid", pedals: ".pedal"};
return [...document.querySelectorAll(".jp-OutputArea-output .s2s-pages")].map((pages) => Object.fromEntries(
  Object.entries(signs).map(([name, selector]) => [name, pages.querySelectorAll(selector).length])));
"""
DESK = "const desk = [...document.querySelectorAll('.s2s-score')].at(-1);"
LIT = f"{DESK} return [...desk.querySelectorAll('.s2s-lit')].map((note) => note.id)"
PLAY = f"{DESK} const sound = desk.querySelectorAll('audio')[arguments[0]]; sound.muted = true; sound.play()"
STOP = f"{DESK} desk.querySelectorAll('audio').forEach((sound) => {{ sound.pause(); sound.currentTime = 0 }})"
TIMES = f"{DESK} return [...desk.querySelectorAll('audio')].map((sound) => sound.currentTime)"
STATUS = "return [...document.querySelectorAll('.widget-label')].map((label) => label.textContent)"
LINKS = "return [...document.querySelectorAll('.widget-output a[download]')].map((link) => link.download)"

Score = dict[str, int]


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """The notebook, named a recording of some seconds; a shorter one lies beside it."""
    for name, seconds in {"prelude": SECONDS, "short": SHORT_S}.items():
        soundfile.write(tmp_path / f"{name}.flac", resynthesise(prelude(seconds), RATE), RATE)
    audio = {"audio": str(tmp_path / "prelude.flac")}
    return put_notebook(NAME, tmp_path, transcription=audio, output={"output_dir": str(tmp_path)})


def score_where(hands: Hands, holds: Callable[[Score], bool]) -> Score:
    """The desk's score, as soon as it is so."""

    def found() -> Score | None:
        scores = hands.js(SCORES)
        return scores[1] if len(scores) == 2 and holds(scores[1]) else None

    return wait("another score", found)


def test_desk_changes_the_score(lab: Lab, notebook: Path, tmp_path: Path) -> None:
    with lab.running(notebook) as hands:
        hands.wait_for_run()
        first = score_where(hands, lambda now: now["bars"] > 1)
        assert first == hands.js(SCORES)[0], "as in the report"
        read_otherwise(hands, first)
        hands.press("write the files")
        files = wait("links to the files", lambda: hands.js(LINKS))
        assert all((tmp_path / "default" / "results" / name).is_file() for name in files)

        hands.upload("another recording (0)", tmp_path / "short.flac")
        short = score_where(hands, lambda now: now["notes"] < first["notes"])
        follow(hands)
        hands.slide("onset threshold", START)
        score_where(hands, lambda now: now["notes"] > short["notes"])
        hands.slide("onset threshold", END)  # as sure as never
        wait("word of no notes", lambda: any(text.startswith("short.flac: too few") for text in hands.js(STATUS)))
        wait("the score to go", lambda: len(hands.js(SCORES)) == 1)
        assert not hands.control("write the files").is_enabled()
        assert hands.untouched() == []


def read_otherwise(hands: Hands, score: Score) -> None:
    """Each wish changes what it should in the score, which was written with those before it."""
    moves: list[tuple[Callable[[], None], Callable[[Score], bool]]] = [
        (lambda: hands.choose("metre", "2/4"), lambda now: now["bars"] > score["bars"]),
        (lambda: hands.choose("key", "E♭ major"), lambda now: now["flats"] > score["flats"]),
        (lambda: hands.tick("write the pedal"), lambda now: now["pedals"] == 0 < score["pedals"]),
        (lambda: hands.choose("smallest note", "1/4"), lambda now: now["beams"] < score["beams"]),
        (lambda: hands.enter("tempo (0: as found)", "400"), lambda now: now["bars"] > 2 * score["bars"]),
    ]
    for move, holds in moves:
        move()
        score = score_where(hands, holds)


def follow(hands: Hands) -> None:
    """Notes light up as each of the two sounds plays; a click on a note is where both go."""
    for sound in (0, 1):
        hands.js(PLAY, sound)
        wait("notes to light up", lambda: hands.js(LIT))
        hands.js(STOP)
        wait("the notes to go out", lambda: not hands.js(LIT))
    hands.js(f"{DESK} [...desk.querySelectorAll('g.note')].at(-1).dispatchEvent(new Event('click'))")
    wait("both sounds to go there", lambda: min(hands.js(TIMES)) > 1)
