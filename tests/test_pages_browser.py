"""Pages of a real run in a real browser with the network cut: narrow and wide, light and dark.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile
from lab import chromium, needs_browser, pictures, prelude, sounds, wait
from runs_on_disk import three_runs
from small import TUNE, small_config

from s2s_lib import Config, RunResult
from s2s_lib.notes import write_midi
from s2s_lib.pipeline import ReportJob, run_benchmark, run_comparison, share_run
from s2s_lib.pipeline.single import run_single
from s2s_lib.pretrained import build_model
from s2s_lib.report import resynthesise, score_page
from s2s_lib.transcription import read_performance
from s2s_lib.transcription.result import Source

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

PHONE, WIDE, RATE = 390, 1600, 16000
STAGES = ("generate", "train", "evaluate")
OTHERS = ("all stages", "transcribe", "compare", "benchmark")
SCREENS = [(PHONE, "dark"), (WIDE, "light"), (PHONE, "light"), (WIDE, "dark")]
SEEN = [(name, *screen) for name in STAGES for screen in SCREENS]
SEEN += [(name, *screen) for name in OTHERS for screen in SCREENS[:2]]
LAID_OUT = """
const inside = (element) => {  // whether a box around it scrolls by itself
  for (let box = element.parentElement; box; box = box.parentElement)
    if (getComputedStyle(box).overflowX !== "visible") return true;
  return false;
};
return {
  wide: document.documentElement.scrollWidth > innerWidth,
  sticking: [...document.querySelectorAll("main *, #summary *")].filter(
    (e) => e.getBoundingClientRect().right > innerWidth + 1 && !inside(e)).map((e) => e.outerHTML.slice(0, 80)),
  contrast: [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor],
  requested: performance.getEntriesByType("resource").map((e) => e.name).filter((name) => !name.startsWith("data:")),
};
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a network."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
        yield driver


def show(browser: Any, page: Path, width: int, scheme: str) -> None:
    """Opens a page at this width, in 'light' or 'dark'; what the browser logged before is forgotten."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page.as_uri())


def requests(browser: Any) -> list[str]:
    """Addresses that the browser asked for since the page was opened, the page itself and what it holds left out."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    addresses = [message["params"]["request"]["url"] for message in sent]
    return [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))]


def brightness(colour: str) -> float:
    """0 to 255 of 'rgb(21, 24, 28)'."""
    return sum(map(float, colour[colour.index("(") + 1 : -1].split(",")[:3])) / 3


@pytest.fixture(scope="module")
def page(chain: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the page of that name, made when it is asked for."""
    folder = tmp_path_factory.mktemp("pages")
    makers = {
        "all stages": lambda: share(folder, chain.run_dir),
        "transcribe": lambda: transcribe(folder),
        "compare": lambda: compare(folder),
        "benchmark": lambda: bench(folder),
    }
    return functools.cache(lambda name: chain.reports[name] if name in STAGES else makers[name]())


def config(folder: Path, name: str, **sections: dict[str, Any]) -> Config:
    return Config.resolve({"output": {"output_dir": str(folder), "name": name}}, sections)


def share(folder: Path, run_dir: Path) -> Path:
    """All stages in one file."""
    return share_run(ReportJob(str(run_dir), folder, ("html",), folder / "all.html")).files[0]


def transcribe(folder: Path) -> Path:
    """A recording of six seconds."""
    soundfile.write(folder / "prelude.flac", resynthesise(prelude(6), RATE), RATE)
    heard = config(folder, "transcription", transcription={"audio": str(folder / "prelude.flac")})
    return run_single("04_transcribe", heard, "transcribe")


def compare(folder: Path) -> Path:
    """Three runs."""
    return run_comparison(config(folder, "comparison", comparison={"runs": three_runs(folder)}))


def bench(folder: Path) -> Path:
    """A model that knows nothing, alone, on a short tune."""
    build_model(small_config(folder)).save_pretrained(folder / "tiny")
    write_midi(folder / "music" / "tune.mid", TUNE)
    settings = {
        "model_path": str(folder / "tiny"), "midi_dir": str(folder / "music"), "soundfont": "embedded", "peers": [],
        "seconds": 2.0, "resamples": 100, "robustness_pieces": 1, "noise_snr_db": [20.0, 10.0],
        "reverb_seconds": [0.3], "detune_cents": [20.0], "gain_db": [-12.0],
    }  # fmt: skip
    return run_benchmark(config(folder, "bench", benchmark=settings, model={"device": "cpu"}))[1]


@pytest.mark.parametrize(("name", "width", "scheme"), SEEN)
def test_page_is_readable_offline(
    browser: Any, page: Callable[[str], Path], name: str, width: int, scheme: str
) -> None:
    show(browser, page(name), width, scheme)
    laid_out = browser.execute_script(LAID_OUT)
    assert laid_out["wide"] is False, "the page scrolls sideways"
    assert laid_out["sticking"] == []
    assert laid_out["requested"] == []
    ink, paper = map(brightness, laid_out["contrast"])
    assert (ink > 200 and paper < 60) if scheme == "dark" else (ink < 60 and paper > 200)
    seen = pictures(browser)
    assert seen
    for picture in seen:
        assert picture["width"] > 300
        assert picture["colours"] > 5, "blank"
        assert picture["shown"] >= (0.69 * picture["width"] if width == PHONE else 300)  # letters stay legible
    assert requests(browser) == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_folds_open_on_a_click(browser: Any, page: Callable[[str], Path], width: int) -> None:
    show(browser, page("evaluate"), width, "light")
    folds = browser.find_elements("css selector", "details.code")
    assert folds
    fold = folds[-1]
    code = fold.find_element("css selector", "div, pre")
    assert not code.is_displayed()
    head = fold.find_element("css selector", "summary")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", head)
    head.click()
    assert code.is_displayed()
    assert code.text.strip()


def test_contents_lead_to_their_places(browser: Any, page: Callable[[str], Path]) -> None:
    show(browser, page("evaluate"), PHONE, "light")
    link = browser.find_element("css selector", "nav li:last-child a")
    browser.execute_script("arguments[0].click()", link)
    target = link.get_attribute("href").partition("#")[2]
    seen = "const r = document.getElementById(arguments[0]).getBoundingClientRect(); return r.top < innerHeight"
    assert browser.execute_script(seen, target)
    assert browser.execute_script("return scrollY") > 1000


@pytest.mark.parametrize("name", ["generate", "transcribe", "compare"])
def test_sounds_can_be_decoded(browser: Any, page: Callable[[str], Path], name: str) -> None:
    show(browser, page(name), WIDE, "light")
    durations = sounds(browser)
    assert durations
    assert min(durations) > 0.5


@pytest.fixture(scope="module", params=["report", "file"])
def music(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The score of the whole prelude, with its first seconds to listen to: as in a report, and as a page of its own."""
    folder = tmp_path_factory.mktemp("music")
    write_midi(folder / "prelude.mid", prelude(1000))
    found, sound = read_performance(folder / "prelude.mid"), resynthesise(prelude(4), RATE)
    if request.param == "file":
        replace(found, source=Source("prelude.flac", sound, RATE)).to_html(folder / "prelude.html")
    else:
        page = score_page(SimpleNamespace(waveform=sound, sample_rate=RATE), found, 4.0).data
        (folder / "prelude.html").write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{page}", encoding="utf-8")
    return folder / "prelude.html"


def cursor(browser: Any) -> tuple[float, float] | None:
    """Where the cursor stands on the page: its left and upper edge; None while it is hidden."""
    return browser.execute_script("""
        const cursor = document.querySelector(".s2s-cursor"), box = cursor.getBoundingClientRect();
        return cursor.hidden || !box.height ? null : [box.left + scrollX, box.top + scrollY];
    """)


def test_pages_turn_and_the_cursor_follows_the_sound(browser: Any, music: Path) -> None:
    show(browser, music, PHONE, "light")
    back, on = browser.find_elements("css selector", ".s2s-turner button")
    place = browser.find_element("css selector", ".s2s-turner span")
    pages = browser.find_elements("css selector", ".s2s-page")
    assert len(pages) == 2
    for button, number in ((on, 2), (back, 1), (on, 2)):
        button.click()
        assert place.text == f"page {number} of 2"
        assert [page.is_displayed() for page in pages].index(True) == number - 1
    assert cursor(browser) is None
    browser.execute_script("const [sound] = document.querySelectorAll('audio'); sound.muted = true; sound.play()")
    wait("notes to light up", lambda: browser.find_elements("css selector", ".s2s-lit"))
    first = wait("the cursor", lambda: cursor(browser))
    assert place.text.startswith("page 1 "), "where the music is"
    wait("the cursor to move on", lambda: cursor(browser) not in (None, first))
    browser.execute_script("document.querySelector('audio').pause()")
    browser.execute_script("document.querySelector('audio').currentTime = 0")
    wait("the cursor to go back", lambda: cursor(browser) in (None, first))
    notes = browser.find_elements("css selector", ".s2s-page:not(.s2s-away) g.note")
    browser.execute_script("arguments[0].dispatchEvent(new Event('click'))", notes[-1])
    times = "return [...document.querySelectorAll('audio')].map((sound) => sound.currentTime)"
    wait("all sounds to go there", lambda: min(browser.execute_script(times)) > 2)
    wait("the cursor to go there", lambda: (cursor(browser) or [0])[0] > first[0])
    assert requests(browser) == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
