"""The knobs of augmentation without a browser, and the score that stands beside a piece."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small import TUNE, small_config

from s2s_lib import report
from s2s_lib.data import generate, read_piece
from s2s_lib.data.recipe import Studio
from s2s_lib.errors import InputError
from s2s_lib.report.knobs import PRESETS, Desk, Knobs, described, effects_of, turned
from s2s_lib.report.players import resynthesise
from s2s_lib.report.samples import score_excerpt

RATE = 16000
TURNED = {
    "tuning_cents": 30.0, "bass_db": 6.0, "treble_db": -6.0, "room_s": 0.5, "noise": "pink", "overdrive_db": 6.0,
    "level_db": -6.0, "telephone": True, "mp3_kbps": 32,
}  # fmt: skip
BESIDE = {"direct_db": {"room_s": 0.5, "direct_db": 0.0}, "snr_db": {"noise": "pink", "snr_db": 5.0}}


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return resynthesise(TUNE, RATE)[: 2 * RATE]


@pytest.mark.parametrize("name", [field.name for field in fields(Knobs)])
def test_every_knob_is_heard(name: str, sound: np.ndarray) -> None:
    """Also the ones that set how another one works, against that one alone."""
    settings = BESIDE.get(name, {name: TURNED.get(name)})
    plain = Knobs(**{other: value for other, value in settings.items() if other != name})
    before, after = (turned(sound, RATE, one) for one in (plain, Knobs(**settings)))
    assert np.isfinite(after).all()
    assert np.abs(after).max() <= 1
    assert len(before) != len(after) if name == "tuning_cents" else np.abs(before - after).max() > 1e-3
    assert described(Knobs(**settings)) != described(plain)


def test_knobs_at_rest_change_nothing(sound: np.ndarray) -> None:
    assert effects_of(Knobs()) == []
    assert turned(sound, RATE, Knobs()) is sound
    assert described(Knobs()) == "nothing is turned"


def test_another_tuning_is_another_pitch() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    higher = turned(tone, RATE, Knobs(tuning_cents=100))
    spectrum = np.abs(np.fft.rfft(higher[:8000] * np.hanning(8000), 65536))
    assert np.argmax(spectrum) * RATE / 65536 == pytest.approx(440 * 2 ** (1 / 12), abs=1)


def sample(number: int, seconds: float, audio: Any = "there") -> Any:
    sound = np.pad(resynthesise(TUNE, RATE), (0, round(30 * RATE)))[: round(seconds * RATE)]
    return SimpleNamespace(
        id=f"p{number}", sample_rate=RATE, duration_s=seconds, audio=audio, score=None, waveform=lambda: sound
    )


def test_the_desk_shows_what_its_knobs_say(shown: list[Any]) -> None:
    desk = Desk([sample(0, 4.0), sample(1, 20.0)])
    desk.show()
    assert shown[1].alt.endswith("p0 before and after: nothing is turned")
    assert desk.start.disabled
    assert desk.knobs["direct_db"].disabled, "without a room"
    assert desk.knobs["snr_db"].disabled, "without noise"
    for name, value in TURNED.items():
        shown.clear()
        desk.knobs[name].value = value
        assert [type(thing).__name__ for thing in shown] == ["Picture", "HTML"]
        assert shown[0].alt.endswith(described(desk.turned_to()))
    assert desk.turned_to() == Knobs(**TURNED)
    assert desk.preset.value is None, "it is no setting of the menu any more"
    assert not desk.knobs["direct_db"].disabled
    shown.clear()
    desk.preset.value = "an old tape"
    assert desk.turned_to() == PRESETS["an old tape"]
    assert len(shown) == 2, "all knobs turn, and it is drawn once"
    desk.piece.value = 1
    assert desk.start.max == pytest.approx(12.0)
    shown.clear()
    desk.start.value = 3
    assert "p1" in shown[0].alt


def test_a_report_shows_one_setting(shown: list[Any]) -> None:
    assert report.turn_knobs(SimpleNamespace(samples=(sample(0, 4.0, None), sample(1, 4.0)))) is None
    picture, players = shown
    assert "p1 before and after: bass -6 dB; treble +2 dB; room" in picture.alt
    assert len(picture.png()) < 200_000
    assert players.data.count("<audio") == 2
    shown.clear()
    report.turn_knobs(SimpleNamespace(samples=(sample(0, 4.0, None),)))
    assert shown == []


def test_a_composed_piece_has_its_score_beside_it(tmp_path: Path, shown: list[Any]) -> None:
    """The piece read back is the one composed, and its first page is shown."""
    plain = {"complexity": "complex", "max_duration": 12.0, "max_notes": 120, "samples": 12, "synthesize_audio": False,
             "variation": {"enabled": False}}  # fmt: skip
    config = small_config(tmp_path, dataset=plain)
    samples = [sample for manifest in generate(config).values() for sample in manifest.samples]
    for one in samples:
        composed = Studio(config).recipe(one.split, one.seed).take().piece
        piece = read_piece(one)
        pairs = (
            [(n.pitch, repr(s)) for n, s in zip(p.performance.notes, p.notated, strict=True)] for p in (piece, composed)
        )
        assert sorted(next(pairs)) == sorted(next(pairs))
        told = ("time_signature", "key", "tempo_bpm", "beats_s", "complexity", "tags", "source")
        assert all(getattr(piece, name) == getattr(composed, name) for name in told)
    report.show_sample(samples[0])
    page = shown[1]
    assert 'role="img"' in page.data
    assert 'class="measure"' in page.data
    assert score_excerpt(SimpleNamespace(score=None)) is None
    samples[0].score.write_text("{")
    with pytest.raises(InputError, match="not a readable score"):
        read_piece(samples[0])
