"""Pages of a real run in a real browser with the network cut: narrow and wide, light and dark.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

from s2s_lib import RunResult

selenium = pytest.importorskip("selenium", reason="needs selenium")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE, WIDE = 390, 1600
STAGES = ("generate", "train", "evaluate")
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a network, its console and its network log on."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=webdriver.ChromeService(DRIVER), options=options)
    driver.execute_cdp_cmd("Network.enable", {})
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    try:
        yield driver
    finally:
        driver.quit()


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
    import json

    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    addresses = [message["params"]["request"]["url"] for message in sent]
    return [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))]


def brightness(colour: str) -> float:
    """0 to 255 of 'rgb(21, 24, 28)'."""
    return sum(map(float, colour[colour.index("(") + 1 : -1].split(",")[:3])) / 3


@pytest.fixture(scope="module")
def pages(chain: RunResult) -> dict[str, Path]:
    return chain.reports


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (WIDE, "light"), (WIDE, "dark")])
def test_page_is_readable_offline(browser: Any, pages: dict[str, Path], stage: str, width: int, scheme: str) -> None:
    show(browser, pages[stage], width, scheme)
    laid_out = browser.execute_script(LAID_OUT)
    assert laid_out["wide"] is False, "the page scrolls sideways"
    assert laid_out["sticking"] == []
    assert laid_out["requested"] == []
    ink, paper = map(brightness, laid_out["contrast"])
    assert (ink > 200 and paper < 60) if scheme == "dark" else (ink < 60 and paper > 200)
    pictures = browser.execute_async_script(PICTURES)
    assert pictures
    for picture in pictures:
        assert picture["width"] > 300
        assert picture["colours"] > 5, "blank"
        assert picture["shown"] >= (0.69 * picture["width"] if width == PHONE else 300)  # letters stay legible
    assert requests(browser) == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_folds_open_on_a_click(browser: Any, pages: dict[str, Path], width: int) -> None:
    show(browser, pages["evaluate"], width, "light")
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


def test_contents_lead_to_their_places(browser: Any, pages: dict[str, Path]) -> None:
    show(browser, pages["evaluate"], PHONE, "light")
    link = browser.find_element("css selector", "nav li:last-child a")
    browser.execute_script("arguments[0].click()", link)
    target = link.get_attribute("href").partition("#")[2]
    seen = "const r = document.getElementById(arguments[0]).getBoundingClientRect(); return r.top < innerHeight"
    assert browser.execute_script(seen, target)
    assert browser.execute_script("return scrollY") > 1000


def test_sounds_can_be_decoded(browser: Any, pages: dict[str, Path]) -> None:
    show(browser, pages["generate"], WIDE, "light")
    length = """
    const done = arguments[0], sounds = [...document.querySelectorAll("audio")];
    Promise.all(sounds.map((sound) => new Promise((resolve) => {
      sound.onloadedmetadata = () => resolve(sound.duration);
      sound.onerror = () => resolve(-1);
      sound.preload = "metadata";
      sound.load();
    }))).then(done);
    """
    durations = browser.execute_async_script(length)
    assert durations
    assert min(durations) > 0.5


def test_shared_page_of_all_stages_is_readable_on_a_phone(
    browser: Any, chain: RunResult, s2s: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert s2s("report", str(chain.run_dir), "-o", "all.html").code == 0
    show(browser, tmp_path / "all.html", PHONE, "dark")
    laid_out = browser.execute_script(LAID_OUT)
    assert laid_out["wide"] is False
    assert laid_out["sticking"] == []
    assert requests(browser) == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
