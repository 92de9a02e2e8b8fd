"""Engraving: pages, pictures and PDF of a score, and when its notes sound."""

from __future__ import annotations

import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from s2s_lib.compose import bwv846, compose
from s2s_lib.config import DatasetConfig
from s2s_lib.errors import InputError
from s2s_lib.score.engrave import Engraving
from s2s_lib.score.musicxml import musicxml

TITLE = "Étude “à 4” & more"


@pytest.fixture(scope="module")
def text() -> str:
    piece = compose(np.random.default_rng(5), DatasetConfig(complexity="complex", max_notes=300, min_notes=150))
    return musicxml(piece, TITLE)


@pytest.fixture(scope="module")
def engraving(text: str) -> Engraving:
    return Engraving(text)


def ink(picture: bytes) -> np.ndarray:
    """How dark each pixel is, 0 to 1, rows first."""
    return 1 - np.asarray(Image.open(io.BytesIO(picture)).convert("L")) / 255


def test_every_note_of_the_prelude_is_on_its_pages_and_in_the_timemap() -> None:
    piece = bwv846()
    text = musicxml(piece, TITLE)
    engraving = Engraving(text, 150.0, 150.0)
    pages = [engraving.svg(page) for page in range(1, engraving.pages + 1)]
    drawn = {i for page in pages for i in re.findall(r'<g id="([^"]+)" class="note"', page)}
    rows = [row for row in engraving.timemap() if row.get("on")]
    assert engraving.pages > 1
    assert {i for row in rows for i in row["on"]} == drawn
    assert len(drawn) == text.count("<pitch>")
    assert {row["qstamp"] for row in rows} == {n.onset_beat for n in piece.notated}
    starts_ms = np.array([row["tstamp"] for row in rows])
    assert np.allclose(starts_ms, [row["qstamp"] * 60_000 / piece.tempo_bpm for row in rows], rtol=2e-3, atol=2)


@pytest.mark.parametrize(("size_mm", "width"), [((210.0, 297.0), 1000), ((90.0, 160.0), 700)])
def test_pictures_have_the_papers_shape_and_margins(text: str, size_mm: tuple[float, float], width: int) -> None:
    picture = ink(Engraving(text, *size_mm).png(1, width))
    assert abs(picture.shape[1] - width) <= 1
    assert abs(picture.shape[0] - width * size_mm[1] / size_mm[0]) <= 2
    used = np.flatnonzero(picture.max(axis=0) > 0.5)
    assert used[0] > 0.02 * width
    assert 0.8 * width < used[-1] < 0.98 * width
    assert 0.01 < picture.mean() < 0.2


def test_the_title_stands_in_the_middle_of_the_first_page(text: str) -> None:
    def columns(title: str) -> np.ndarray:
        named = text.replace(">Étude “à 4” &amp; more<", f">{title}<")
        return np.flatnonzero(ink(Engraving(named).png(1, 800))[30:60].max(axis=0) > 0.5)

    wide, none = columns("Sonata in a minor key"), columns("")
    assert len(none) == 0
    assert abs((wide[0] + wide[-1]) / 2 - 400) < 8
    assert 100 < wide[-1] - wide[0] < 400


def test_a_pdf_has_all_pages() -> None:
    engraving = Engraving(musicxml(bwv846(), TITLE), 150.0, 150.0)
    pdf = engraving.pdf()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == engraving.pages > 1


def test_the_same_score_gives_the_same_pages(text: str, engraving: Engraving) -> None:
    again = Engraving(text)
    assert again.svg(1) == engraving.svg(1)
    assert again.timemap() == engraving.timemap()


def test_svg_scales_and_is_well_formed(engraving: Engraving) -> None:
    root = ElementTree.fromstring(engraving.svg(1))
    assert root.get("viewBox")
    words = "".join(root.itertext())
    assert TITLE in words
    assert not [sign for sign in words if 0xE000 <= ord(sign) <= 0xF8FF], "signs that only a music font has"
    assert "font-face" not in words


def test_svg_keeps_its_names_whatever_others_register(engraving: Engraving, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"http://www.w3.org/XML/1998/namespace": "xml", "urn:another": ""}
    monkeypatch.setattr(ElementTree, "_namespace_map", known)
    page = engraving.svg(1)
    assert page.startswith("<svg")
    assert "ns0" not in page


def test_verovio_finds_nothing_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    for seed, complexity in enumerate(("simple", "medium", "complex")):
        piece = compose(np.random.default_rng(seed), DatasetConfig(complexity=complexity))
        shifted = replace(piece, notated=tuple(replace(n, onset_beat=n.onset_beat + 1) for n in piece.notated))
        for each in (piece, shifted):
            Engraving(musicxml(each, TITLE)).svg(1)
    assert "rror" not in capfd.readouterr().err


def test_another_thread_engraves_as_well(text: str, engraving: Engraving) -> None:
    """JupyterLab has a widget's work done by another thread than that which imported Verovio."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: Engraving(text).svg(1)).result() == engraving.svg(1)


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(InputError, match="can't be engraved"):
        Engraving("<html></html>")


@pytest.mark.parametrize(("library", "call"), [("verovio", "svg"), ("typst", "pdf")])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, text: str, library: str, call: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=f"format {call} needs .* 'pip install {library}'"):
        Engraving(text).pdf()
