"""Players: short, labelled, compressed, whatever the sample rate; and notes played on a piano."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
import soundfile
from figures import RATE, REF, tone

from s2s_lib import report
from s2s_lib.notes import Note, Performance
from s2s_lib.report import players


def clip(html: Any) -> tuple[np.ndarray, int]:
    """The audio inside a player, decoded."""
    source = re.search(r'src="data:audio/mpeg;base64,([^"]+)"', html.data).group(1)
    return soundfile.read(io.BytesIO(base64.b64decode(source)))


def test_player_holds_a_short_labelled_mp3() -> None:
    html = report.player(tone(30), RATE, label='"A" & B')
    audio, rate = clip(html)
    assert rate == RATE
    assert len(audio) / rate == pytest.approx(10, abs=0.2)
    assert np.abs(audio).max() == pytest.approx(0.5, abs=0.1), "the level is left alone"
    assert 'aria-label="&quot;A&quot; &amp; B (0–10 s of 30 s)"' in html.data
    noise = np.random.default_rng(0).normal(0, 0.2, 10 * 44100).astype(np.float32)
    assert len(report.player(noise, 44100).data) < 200_000


@pytest.mark.parametrize(("rate", "expected"), [(8000, 8000), (20000, 22050), (48000, 48000)])
def test_player_takes_any_rate_and_silence(rate: int, expected: int) -> None:
    audio, got = clip(report.player(np.zeros(2 * rate, np.float32), rate, label="silence"))
    assert got == expected
    assert np.abs(audio).max() < 1e-3


def test_player_starts_where_it_is_told() -> None:
    waveform = np.concatenate([np.zeros(5 * RATE, np.float32), tone(5)])
    audio, _ = clip(report.player(waveform, RATE, seconds=2, start_s=6, label="x"))
    assert len(audio) / RATE == pytest.approx(2, abs=0.2)
    assert np.abs(audio).max() > 0.4


def test_resynthesis_can_be_heard() -> None:
    waveform = report.resynthesise(REF, RATE)
    assert len(waveform) / RATE == pytest.approx(REF.end_s + 1, abs=0.01)
    assert np.abs(waveform).max() > 0.01


def test_of_a_long_transcription_only_what_is_heard_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    long = Performance(tuple(Note(0.5 * i, 0.5 * i + 0.4, 60, 80) for i in range(1000)))
    asked: list[Performance] = []
    play = players.render
    monkeypatch.setattr(players, "render", lambda notes, *rest: asked.append(notes) or play(notes, *rest))
    sound = players.played(long, RATE, 100.0, 2.0)
    assert len(sound) == 2 * RATE
    assert np.abs(sound[RATE // 2 :]).max() > 0.01
    assert [len(notes.notes) for notes in asked] == [4]
    assert not players.played(long, RATE, 0.1, 0.2).any(), "nothing is struck then"
