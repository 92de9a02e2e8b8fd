"""The figures and players of variation and augmentation: all there, small, telling what was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import soundfile
from figures import texts
from small import TUNE, small_config

from s2s_lib import report
from s2s_lib.augment import EFFECTS
from s2s_lib.config import AugmentationConfig, VariationConfig
from s2s_lib.notes import Performance, Piece
from s2s_lib.report.augmentation import effects, excerpt, players, title, variations
from s2s_lib.report.players import resynthesise
from s2s_lib.variation import VARIATIONS

RATE = 16000
LIMITS = (2.0, 30.0)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return resynthesise(TUNE, RATE)[: 2 * RATE]


def test_every_effect_kind_and_folder_is_shown_with_what_was_drawn(sound: np.ndarray, tmp_path: Any) -> None:
    soundfile.write(tmp_path / "hall.wav", np.eye(1, 4000)[0], RATE)
    folder = str(tmp_path)
    settings = AugmentationConfig(reverb_dir=folder, noise_dir=folder, noise_kinds={"pink": 1, "hum": 0}, enabled=False)
    drawn = effects(sound, RATE, settings, seed=0)
    assert {name for name, _ in drawn} == set(EFFECTS)
    labels = "\n".join(str(effect) for _, effect in drawn)
    for expected in ("room, ", "room hall.wav", "pink noise", "hall.wav, SNR", "MP3 at", "Opus at", "telephone"):
        assert expected in labels
    assert "hum" not in labels
    picture = report.augmentation_figure(sound, RATE, drawn, settings)
    shown = texts(picture).lower()
    assert all(str(effect).lower() in shown for _, effect in drawn)
    assert "before" in shown
    assert "off in this run" in shown
    assert len(picture.png()) < 200_000


@pytest.mark.parametrize("performance", [TUNE, Performance(TUNE.notes), Performance(())])
def test_every_variation_is_shown(performance: Performance) -> None:
    piece = Piece(performance, key="Eb")
    varied = variations(piece, VariationConfig(), LIMITS, seed=0)
    assert [name for name, _, _ in varied] == list(VARIATIONS)
    if performance.notes:
        assert all(before != after for _, before, after in varied)
        assert "semitones, Eb to " in title(*varied[0])
    shown = texts(report.variation_figure(varied, VariationConfig()))
    assert all(title(*change) in shown for change in varied)
    assert "50% of pieces" in shown


def test_an_excerpt_starts_with_the_first_note_and_keeps_the_pedal() -> None:
    later = TUNE.shifted(5.0)
    short = excerpt(later, 1.0)
    assert short.notes[0].onset_s == pytest.approx(0.1)
    assert short.end_s <= 1.0
    assert [event.value for event in short.pedal] == [127]
    assert excerpt(Performance(later.notes[2:], later.pedal), 1.0).pedal[0].time_s == 0.0


def test_the_demo_shows_figures_and_few_kilobytes_of_players(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, shown: list[Any]
) -> None:
    class Sample:
        key, tempo_bpm, audio, sample_rate, notes = "C", 100.0, "there", RATE, len(TUNE.notes)

        def performance(self) -> Performance:
            return TUNE

        def waveform(self) -> np.ndarray:
            return resynthesise(TUNE, RATE)

    report.augmentation_demo(Sample(), small_config(tmp_path))
    pictures = [thing for thing in shown if isinstance(thing, report.Picture)]
    pages = [thing.data for thing in shown if not isinstance(thing, report.Picture)]
    assert len(pictures) == len(pages) == 2
    assert sum(map(len, pages)) < 400_000
    assert sum(page.count("<audio") for page in pages) == 7 + 14
    monkeypatch.setattr(Sample, "audio", None)
    shown.clear()
    report.augmentation_demo(Sample(), small_config(tmp_path))
    assert len(shown) == 1


def test_player_names_are_escaped() -> None:
    assert "<b>" not in players([("<b>", np.zeros(RATE, np.float32))], RATE).data
