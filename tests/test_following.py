"""A score that follows the sound: when its notes are struck, and what the page holds and does in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transcriptions import composed, heard_as, with_score

from s2s_lib import report
from s2s_lib.score import Engraving, musicxml
from s2s_lib.transcription import Transcription
from s2s_lib.transcription.following import performed_times, struck_times

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def found() -> Transcription:
    return with_score(composed())


@pytest.fixture(scope="module")
def page(found: Transcription) -> str:
    return report.score_page(heard_as(composed().performance), found, seconds=5.0).data


def test_performed_times_go_on_beyond_the_last_beat() -> None:
    piece = replace(composed(), beats_s=(0.0, 1.0, 1.5))
    assert performed_times(piece, [0.5, 1.5, 2, 4]).tolist() == [0.5, 1.25, 1.5, 2.5]


@pytest.mark.parametrize(("seed", "metre", "complexity"), [(1, "4/4", "simple"), (14, "6/8", "complex")])
def test_struck_times_are_those_of_the_performance(seed: int, metre: str, complexity: str) -> None:
    piece = composed(seed, time_signatures=[metre], complexity=complexity, max_notes=150)
    struck = struck_times(Engraving(musicxml(piece, "x")).timemap(), piece)
    starts = np.array([start for start, _, _ in struck])
    printed = [note.onset_beat for note in piece.notated if note.ornament != "trilled"]
    for wanted in performed_times(piece, printed):
        assert np.abs(starts - wanted).min() < 0.002
    names = [name for *_, together in struck for name in together]
    assert len(set(names)) == len(names) >= len(printed)  # more, where a note is written as several tied ones
    assert all(start < end for start, end, _ in struck)


def test_struck_times_start_with_the_pickup() -> None:
    piece = composed(time_signatures=["4/4"])
    late = tuple(replace(note, onset_beat=note.onset_beat + 3) for note in piece.notated)  # a pickup of a beat
    moved = replace(piece, notated=late, beats_s=(-3.0, -2.0, -1.0, *piece.beats_s))
    timemap = [{"qstamp": 0, "on": ["a"]}, {"qstamp": 1, "off": ["a"], "on": ["b", "c"]},
               {"qstamp": 2, "off": ["b"]}, {"qstamp": 3, "off": ["c"]}]  # fmt: skip
    first, second, third, fourth = moved.beats_s[3:7]
    assert struck_times(timemap, moved) == [
        (pytest.approx(first, abs=1e-3), pytest.approx(second, abs=1e-3), ["a"]),
        (pytest.approx(second, abs=1e-3), pytest.approx(third, abs=1e-3), ["b"]),
        (pytest.approx(second, abs=1e-3), pytest.approx(fourth, abs=1e-3), ["c"]),
    ]


def test_score_page_holds_all_it_needs(page: str, found: Transcription) -> None:
    assert page.count('class="s2s-page"') == found.engraving.pages
    assert "A &lt;piece&gt; &amp; more, page 1 of" in page
    assert not re.search(r'(src|href)\s*=\s*"(?!data:|#)', page)
    ids = {name for *_, names in json.loads(re.search(r's2s-times">(.*?)</script>', page)[1]) for name in names}
    assert ids <= set(re.findall(r'<g id="([^"]+)" class="note', page))
    sounds = [base64.b64decode(data) for data in re.findall(r"data:audio/mpeg;base64,([^\"]+)", page)]
    assert [soundfile.info(io.BytesIO(sound)).duration for sound in sounds] == pytest.approx([5, 5], abs=0.2)
    assert page.count("<figcaption>the recording (the first 5 s)") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_score_follows_the_sound_in_a_browser(page: str, tmp_path: Path) -> None:
    """At 3 s notes are lit, the cursor stands over them, and the page they are on is the one shown."""
    seek = (
        "<script>const sound = document.querySelector('audio');"
        "Object.defineProperty(sound, 'currentTime', {value: 3}); sound.dispatchEvent(new Event('seeked'));</script>"
    )
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset='utf-8'><body>{page}{seek}</body>")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom",
             f"--user-data-dir={tmp_path}/chromium"]  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *flags, f"file://{tmp_path}/page.html"], capture_output=True, text=True, timeout=60
    )
    assert re.search(r'class="note[^"]*\bs2s-lit\b', done.stdout)
    cursor = re.search(r'class="s2s-cursor"([^>]*)', done.stdout)[1]
    assert "hidden" not in cursor
    assert re.search(r"height: \d", cursor)
    assert re.search(r"page 1 of \d", done.stdout)
