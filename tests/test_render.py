"""Rendering, listened to with numbers: on time, in tune, neither silent nor clipped."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small import TUNE

from s2s_lib.compose import bwv846
from s2s_lib.errors import InputError
from s2s_lib.notes import Note, PedalEvent, Performance
from s2s_lib.render import RenderSettings, Reverb, _bundled_library, render, resolve_soundfont

PIANO = resolve_soundfont("embedded")


def _first_sound_s(waveform: np.ndarray, rate: int) -> float:
    return int(np.argmax(np.abs(waveform) > 2e-4)) / rate


def _frequency(waveform: np.ndarray, rate: int, near: float) -> float:
    """The strongest frequency within a semitone of `near`, by parabolic interpolation of a long spectrum."""
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 8 * len(waveform))) + 1e-9)
    step = rate / (8 * len(waveform))
    low, high = int(near * 0.945 / step), int(near * 1.059 / step)
    peak = low + int(np.argmax(spectrum[low:high]))
    left, middle, right = spectrum[peak - 1 : peak + 2]
    return step * (peak + 0.5 * (left - right) / (left - 2 * middle + right))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_onsets_are_on_time(rate: int) -> None:
    """The spread is that of block rounding, 2 ms either way; the rest is the time a string takes to be heard."""
    times = 0.2 + 0.00137 * np.arange(24)
    late = [
        _first_sound_s(render(Performance((Note(t, t + 0.4, 72, 100),)), PIANO, RenderSettings(rate)), rate) - t
        for t in times.tolist()
    ]
    assert np.ptp(late) <= 0.0041
    assert min(late) >= -0.0021
    assert max(late) <= 0.0045


@pytest.mark.parametrize("cents", [0.0, 40.0, -25.0])
def test_tuning(cents: float) -> None:
    waveform = render(Performance((Note(0.1, 2.0, 69, 90),)), PIANO, RenderSettings(16000, None, cents))
    found = 1200 * np.log2(_frequency(waveform[3200:28800], 16000, 440.0) / 440.0)
    untuned = render(Performance((Note(0.1, 2.0, 69, 90),)), PIANO, RenderSettings(16000))
    base = 1200 * np.log2(_frequency(untuned[3200:28800], 16000, 440.0) / 440.0)
    assert abs(base) < 10
    assert found - base == pytest.approx(cents, abs=2.0)


def test_length_level_and_repeatability() -> None:
    settings = RenderSettings(16000, Reverb(), 3.0)
    waveform = render(TUNE, PIANO, settings, 3.21)
    assert waveform.dtype == np.float32
    assert len(waveform) == round(3.21 * 16000)
    assert 0.02 < np.abs(waveform).max() < 1
    assert np.abs(waveform[: int(0.19 * 16000)]).max() < 1e-6
    assert np.array_equal(waveform, render(TUNE, PIANO, settings, 3.21))


def test_the_loudest_chord_does_not_clip() -> None:
    chord = Performance(tuple(Note(0.1, 1.0, pitch, 127) for pitch in range(30, 90, 2)))
    assert 0.9 < np.abs(render(chord, PIANO, RenderSettings(16000))).max() <= 0.95 + 1e-6


def test_velocity_makes_louder() -> None:
    levels = [
        np.abs(render(Performance((Note(0.1, 0.5, 60, v),)), PIANO, RenderSettings(16000))).max() for v in (20, 70, 120)
    ]
    assert levels[0] < 0.5 * levels[1] < 0.5 * levels[2]


def test_the_pedal_holds_a_released_key() -> None:
    note = (Note(0.1, 0.4, 60, 90),)
    dry = render(Performance(note), PIANO, RenderSettings(16000), 2.0)
    held = render(Performance(note, (PedalEvent(0.2, 127), PedalEvent(1.8, 0))), PIANO, RenderSettings(16000), 2.0)
    late = slice(int(1.0 * 16000), int(1.5 * 16000))
    assert np.abs(held[late]).max() > 20 * np.abs(dry[late]).max()


def test_reverb_rings_on() -> None:
    note = Performance((Note(0.1, 0.3, 72, 110),))
    dry = render(note, PIANO, RenderSettings(16000), 2.0)
    wet = render(note, PIANO, RenderSettings(16000, Reverb(0.9, 0.0, 0.5, 0.9)), 2.0)
    late = slice(int(1.0 * 16000), int(1.5 * 16000))
    assert np.square(wet[late]).sum() > 10 * np.square(dry[late]).sum()


def test_a_real_piece_sounds_throughout() -> None:
    waveform = render(bwv846().performance, PIANO, RenderSettings(16000))
    seconds = waveform[: len(waveform) // 16000 * 16000].reshape(-1, 16000)
    assert (np.abs(seconds).max(axis=1)[:-4] > 1e-2).all()


def test_bad_soundfonts_are_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.sf2"
    text.write_text("this is no soundfont")
    short = tmp_path / "short.sf2"
    short.write_bytes(PIANO.read_bytes()[:100_000])
    empty = tmp_path / "empty.sf2"
    empty.write_bytes(b"RIFF\x04\x00\x00\x00sfbk")
    with pytest.raises(InputError, match="no such soundfont"):
        resolve_soundfont(str(tmp_path / "none.sf2"))
    with pytest.raises(InputError, match="not a soundfont"):
        resolve_soundfont(str(text))
    with pytest.raises(InputError, match="truncated"):
        resolve_soundfont(str(short))
    with pytest.raises(InputError, match="can't read this soundfont"):
        render(TUNE, resolve_soundfont(str(empty)), RenderSettings(16000))


@pytest.mark.skipif(importlib.util.find_spec("pygame") is None, reason="pygame-ce is not installed")
def test_the_bundled_library_is_used_where_the_system_has_none() -> None:
    assert _bundled_library() is not None
    code = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "from s2s_lib.render import *\n"
        "from s2s_lib.notes import Note, Performance\n"
        "tune = Performance((Note(0.1, 0.5, 60, 90),))\n"
        "print(abs(render(tune, resolve_soundfont('embedded'), RenderSettings(16000))).max() > 0.01)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.strip() == "True", result.stderr


def test_a_missing_library_is_one_sentence_with_the_ways_out() -> None:
    code = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "import s2s_lib.render as r; r._bundled_library = lambda: None\n"
        "try: r.fluidsynth_version()\n"
        "except r.InputError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.startswith("FluidSynth is not installed")
    assert "pip install pygame-ce" in result.stdout
    assert ctypes.util.find_library is not None


def test_nothing_is_printed_where_ci_is_set() -> None:
    """pyfluidsynth prints where it found its library if CI is set; output that programs read must stay clean."""
    code = "import s2s_lib.render as r; r.fluidsynth_version()"
    environment = {**os.environ, "CI": "true"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout == ""
