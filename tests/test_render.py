"""Rendering, listened to with numbers: on time, in tune, neither silent nor clipped."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import TUNE
from tiny_soundfont import write_soundfont

from s2s_lib.compose import bwv846
from s2s_lib.config import PianoConfig
from s2s_lib.errors import InputError
from s2s_lib.notes import Note, PedalEvent, Performance
from s2s_lib.pianos import Layer, Piano, Reverb, draw_piano
from s2s_lib.render import loaded, render
from s2s_lib.render.library import _bundled_library
from s2s_lib.soundfonts import find_soundfonts

(FONT,) = find_soundfonts(["embedded"])
PIANO = Piano.plain(FONT)
RATE = 16000
SEEDS = range(60)
FACTORS = (0.4, 1.0, 1.6)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    """Pure tones up to key 64, reedy ones above, each exactly in tune."""
    (font,) = find_soundfonts([str(write_soundfont(tmp_path_factory.mktemp("fonts") / "tiny.sf2"))])
    return Layer(font, font.pianos[0])


def altered(seed: int) -> Piano:
    return draw_piano(np.random.default_rng(seed), (FONT,), PianoConfig(), altered=True)


def strike(piano: Piano, pitch: int = 60, velocity: int = 90, held_s: float = 1.0, rate: int = RATE) -> np.ndarray:
    """One note, struck at 0.1 s, and a second of what follows."""
    return render(Performance((Note(0.1, 0.1 + held_s, pitch, velocity),)), piano, rate)


def level_db(waveform: np.ndarray, start_s: float, end_s: float) -> float:
    return 10 * np.log10(np.square(waveform[round(start_s * RATE) : round(end_s * RATE)]).mean() + 1e-20)


def brightness(waveform: np.ndarray) -> float:
    """Spectral centroid in Hz."""
    power = np.square(np.abs(np.fft.rfft(waveform)))
    return float(np.average(np.fft.rfftfreq(len(waveform), 1 / RATE), weights=power))


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
        _first_sound_s(render(Performance((Note(t, t + 0.4, 72, 100),)), PIANO, rate), rate) - t for t in times.tolist()
    ]
    assert np.ptp(late) <= 0.0041
    assert min(late) >= -0.0035
    assert max(late) <= 0.0025


def test_late_samples_are_struck_early() -> None:
    """Key 65 of the embedded soundfont is recorded 8 ms late; struck twice, the first release spares the second."""
    font = loaded.Loaded(FONT)
    assert font.lateness(FONT.pianos[0])[65 - 21] > 0.007
    twice = render(Performance((Note(0.2, 0.6, 65, 90), Note(0.6, 1.4, 65, 90))), PIANO, RATE)
    assert abs(_first_sound_s(twice, RATE) - 0.2) < 0.005
    assert level_db(twice, 1.0, 1.3) > level_db(twice, 0.65, 0.95) - 10


@pytest.mark.parametrize("seed", SEEDS)
def test_altered_pianos_are_on_time_and_heard(seed: int) -> None:
    piano, rng = altered(seed), np.random.default_rng(seed)
    for pitch, velocity in zip(rng.integers(30, 100, 3).tolist(), (35, 70, 110), strict=True):
        waveform = strike(piano, pitch, velocity, 0.3)
        assert np.isfinite(waveform).all()
        peak = np.abs(waveform).max()
        assert 10 ** (-60 / 20) < peak <= 0.95 + 1e-6
        onset_s = int(np.argmax(np.abs(waveform) > 0.02 * np.abs(waveform[: RATE // 5]).max())) / RATE
        assert abs(onset_s - 0.1) < 0.005, piano


@pytest.mark.parametrize("cents", [0.0, 40.0, -25.0])
def test_tuning(tiny: Layer, cents: float) -> None:
    waveform = strike(Piano((tiny,), tuning_cents=cents), 69)
    assert 1200 * np.log2(_frequency(waveform[3200:16000], RATE, 440.0) / 440.0) == pytest.approx(cents, abs=0.1)


def test_keys_are_detuned_one_by_one(tiny: Layer) -> None:
    piano = Piano((replace(tiny, displacements=(-3, 2)),), detune_cents=6.0, seed=3)
    found = []
    for pitch in range(50, 80):
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        found.append(1200 * np.log2(_frequency(strike(piano, pitch)[3200:16000], RATE, hertz) / hertz))
    own = {key: cents for (_, cents), keys in piano.strings()[0].items() for key in keys}
    assert found == pytest.approx([own[pitch - 21] for pitch in range(50, 80)], abs=0.2)
    assert 3 < np.std(found) < 12


@pytest.mark.parametrize(("displacement", "pitch", "reedy"), [
    (0, 64, False), (0, 65, True), (1, 64, True), (5, 60, True), (5, 59, False), (-5, 69, False), (-5, 70, True),
])  # fmt: skip
def test_displaced_keys_keep_their_pitch_and_take_other_strings(
    tiny: Layer, displacement: int, pitch: int, reedy: bool
) -> None:
    waveform = strike(Piano((replace(tiny, displacements=(displacement,)),)), pitch)[3200:16000]
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    assert abs(1200 * np.log2(_frequency(waveform, RATE, hertz) / hertz)) < 0.1
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    bins = np.fft.rfftfreq(len(waveform), 1 / RATE)
    overtone = spectrum[np.abs(bins - 3 * hertz) < 5].max() / spectrum[np.abs(bins - hertz) < 5].max()
    assert (overtone > 0.3) == reedy
    assert reedy or overtone < 0.01


def test_a_second_piano_sounds_along(tiny: Layer) -> None:
    alone = level_db(strike(Piano((tiny,))), 0.2, 1.0)
    both = [level_db(strike(Piano((tiny, replace(tiny, level_db=db)))), 0.2, 1.0) - alone for db in (0.0, -12.0)]
    assert both == pytest.approx([20 * np.log10(2), 20 * np.log10(1 + 10 ** (-12 / 20))], abs=0.1)


def test_generators_change_what_they_should() -> None:
    plain = strike(PIANO)
    dark, bright = strike(replace(PIANO, filter_octaves=-1.5)), strike(replace(PIANO, filter_octaves=1.0))
    assert brightness(dark) < 0.9 * brightness(plain) < 0.95 * brightness(bright)
    ringing = [level_db(strike(replace(PIANO, decay_factor=factor), 72, held_s=3.0), 2.5, 3.0) for factor in FACTORS]
    assert ringing[0] < ringing[1] - 5 < ringing[2] - 8
    damped = [level_db(strike(replace(PIANO, release_factor=factor)), 1.2, 1.3) for factor in FACTORS]
    assert damped[0] < damped[1] - 5 < damped[2] - 8


def test_the_action_changes_loudness_but_not_the_loudest() -> None:
    light, heavy = replace(PIANO, velocity_gamma=0.5), replace(PIANO, velocity_gamma=1.25)
    soft, loud = ([level_db(strike(p, velocity=v), 0.1, 0.6) for p in (light, PIANO, heavy)] for v in (50, 127))
    assert soft[0] > soft[1] + 5 > soft[2] + 8
    assert np.ptp(loud) < 0.01


def test_a_stroke_too_soft_for_the_soundfont_is_heard(tmp_path: Path) -> None:
    (font,) = find_soundfonts([str(write_soundfont(tmp_path / "loud.sf2", velocities=(10, 127)))])
    assert font.pianos[0].softest == 10
    assert np.abs(strike(Piano.plain(font), velocity=1)).max() > 1e-4


def test_length_level_and_repeatability() -> None:
    piano = replace(PIANO, reverb=Reverb(), tuning_cents=3.0)
    waveform = render(TUNE, piano, RATE, 3.21)
    assert waveform.dtype == np.float32
    assert len(waveform) == round(3.21 * 16000)
    assert 0.02 < np.abs(waveform).max() < 1
    assert np.abs(waveform[: int(0.19 * 16000)]).max() < 1e-6
    assert np.array_equal(waveform, render(TUNE, piano, RATE, 3.21))


def test_the_loudest_chord_does_not_clip() -> None:
    chord = Performance(tuple(Note(0.1, 1.0, pitch, 127) for pitch in range(30, 90, 2)))
    assert 0.9 < np.abs(render(chord, PIANO, RATE)).max() <= 0.95 + 1e-6


def test_velocity_makes_louder() -> None:
    levels = [np.abs(render(Performance((Note(0.1, 0.5, 60, v),)), PIANO, RATE)).max() for v in (20, 70, 120)]
    assert levels[0] < 0.5 * levels[1] < 0.5 * levels[2]


def test_the_pedal_holds_a_released_key() -> None:
    note = (Note(0.1, 0.4, 60, 90),)
    dry = render(Performance(note), PIANO, RATE, 2.0)
    held = render(Performance(note, (PedalEvent(0.2, 127), PedalEvent(1.8, 0))), PIANO, RATE, 2.0)
    late = slice(int(1.0 * 16000), int(1.5 * 16000))
    assert np.abs(held[late]).max() > 20 * np.abs(dry[late]).max()


def test_reverb_rings_on() -> None:
    note = Performance((Note(0.1, 0.3, 72, 110),))
    dry = render(note, PIANO, RATE, 2.0)
    wet = render(note, replace(PIANO, reverb=Reverb(0.9, 0.0, 0.5, 0.9)), RATE, 2.0)
    late = slice(int(1.0 * 16000), int(1.5 * 16000))
    assert np.square(wet[late]).sum() > 10 * np.square(dry[late]).sum()


def test_a_real_piece_sounds_throughout() -> None:
    waveform = render(bwv846().performance, PIANO, RATE)
    seconds = waveform[: len(waveform) // 16000 * 16000].reshape(-1, 16000)
    assert (np.abs(seconds).max(axis=1)[:-4] > 1e-2).all()


def test_the_same_piano_gives_the_same_samples_whatever_was_loaded_before(monkeypatch: pytest.MonkeyPatch) -> None:
    pianos = [altered(seed) for seed in range(6)]
    first = [render(TUNE, piano, RATE) for piano in pianos]
    monkeypatch.setattr(loaded, "KEPT_BYTES", 0)
    again = [render(TUNE, piano, RATE) for piano in reversed(pianos)][::-1]
    with ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(lambda piano: render(TUNE, piano, RATE), pianos))
    assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(first, again, beside, strict=True))


def test_soundfonts_leave_memory_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = [find_soundfonts([str(write_soundfont(tmp_path / f"{n}.sf2"))])[0] for n in range(4)]
    kept = loaded._Kept()
    monkeypatch.setattr(loaded, "KEPT_BYTES", 2 * loaded.Loaded(fonts[0]).bytes + 2 * fonts[0].pianos[0].sample_bytes)
    for font in fonts:
        kept.get(font).lateness(font.pianos[0])
    kept.get(fonts[3])
    assert [key[0].name for key in kept._loaded] == ["2.sf2", "3.sf2"]


def test_a_soundfont_that_is_gone_is_named(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "gone.sf2")
    (font,) = find_soundfonts([str(path)])
    path.unlink()
    with pytest.raises(InputError, match=r"gone\.sf2: the soundfont cannot be read any more"):
        render(TUNE, Piano.plain(font), RATE)


def test_tables_without_samples_are_refused_by_name(tmp_path: Path) -> None:
    """The presets look whole, but what should be samples is not there."""
    path = write_soundfont(tmp_path / "hollow.sf2")
    path.write_bytes(path.read_bytes().replace(b"sdtasmpl", b"sdtanone"))
    (font,) = find_soundfonts([str(path)])
    with pytest.raises(InputError, match=r"hollow\.sf2: FluidSynth can't read"):
        render(TUNE, Piano.plain(font), RATE)


@pytest.mark.skipif(importlib.util.find_spec("pygame") is None, reason="pygame-ce is not installed")
def test_the_bundled_library_is_used_where_the_system_has_none() -> None:
    assert _bundled_library() is not None
    code = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "from s2s_lib.render import render\n"
        "from s2s_lib.notes import Note, Performance\n"
        "from s2s_lib.pianos import Piano\n"
        "from s2s_lib.soundfonts import find_soundfonts\n"
        "tune = Performance((Note(0.1, 0.5, 60, 90),))\n"
        "print(abs(render(tune, Piano.plain(find_soundfonts(['embedded'])[0]), 16000)).max() > 0.01)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.strip() == "True", result.stderr


def test_a_missing_library_is_one_sentence_with_the_ways_out() -> None:
    code = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "import s2s_lib.render.library as r; r._bundled_library = lambda: None\n"
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
