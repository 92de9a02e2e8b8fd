"""Modelled pianos: files that FluidSynth plays, keys in tune, on time and as loud as other pianos'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Note, Performance
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import read_soundfont
from s2s_lib.soundfonts.read import embedded_path
from s2s_lib.strings import StringModel, draw_strings, modelled_piano, write_soundfont
from s2s_lib.strings.model import RANGES, inharmonicity, tuning_cents
from s2s_lib.strings.sf2 import BAG, GEN, GUARD, SHDR
from s2s_lib.strings.tone import draw_body, hammer, oscillate, partial_frequencies, string_modes, tones

RATE = 16000
KEYS = range(LOWEST_PITCH, HIGHEST_PITCH + 1)


@pytest.fixture(scope="module")
def model() -> StringModel:
    return draw_strings(np.random.default_rng(5))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return modelled_piano(5, tmp_path_factory.mktemp("pianos"))


def _calm(model: StringModel) -> StringModel:
    """The same piano with strings in unison, exact tuning and nothing but strings to hear."""
    return replace(model, unison_cents=0.0, tuning_error_cents=0.0, knock_db=-120.0, noise_db=-120.0)


def _tone(model: StringModel, key: int, velocities: tuple[int, ...], seconds: float, rate: int = RATE) -> np.ndarray:
    first_hz = 440 * 2 ** ((key - 69) / 12 + tuning_cents(model)[key - LOWEST_PITCH] / 1200)
    return tones(model, draw_body(model), key, first_hz, velocities, round(seconds * rate), rate)


def _play(path: Path, *notes: Note, duration_s: float = 1.0) -> np.ndarray:
    return render(Performance(notes), Piano.plain(read_soundfont(path)), RATE, duration_s)


def _frequency(waveform: np.ndarray, rate: int, near: float) -> float:
    """The strongest frequency within a quarter tone of `near`."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 8 * len(waveform)))
    hz = np.fft.rfftfreq(8 * len(waveform), 1 / rate)
    around = np.flatnonzero(np.abs(1200 * np.log2(np.maximum(hz, 1e-3) / near)) < 50)
    return float(hz[around[np.argmax(spectrum[around])]])


def _db(waveform: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(waveform)) + 1e-12))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    while content:
        size = int.from_bytes(content[4:8], "little")
        yield content[:4], content[8 : 8 + size]
        content = content[8 + size + size % 2 :]


def _tables(path: Path) -> dict[bytes, bytes]:
    ((riff, content),) = _chunks(path.read_bytes())
    assert (riff, content[:4]) == (b"RIFF", b"sfbk")
    lists = list(_chunks(content[4:]))
    assert [kind + body[:4] for kind, body in lists] == [b"LISTINFO", b"LISTsdta", b"LISTpdta"]
    return {kind: body for _, part in lists for kind, body in _chunks(part[4:])}


def test_models_are_drawn_within_their_ranges_and_survive_json() -> None:
    drawn = [draw_strings(np.random.default_rng(seed)) for seed in range(60)]
    assert len(set(drawn)) == len(drawn)
    for one in drawn:
        assert StringModel(**json.loads(json.dumps(asdict(one)))) == one
        values = asdict(one)
        assert all(low <= values[name] <= high for name, (low, high, _) in RANGES.items() if name != "unison_cents")


def test_file_is_named_by_its_model_reused_and_reproducible(file: Path, model: StringModel, tmp_path: Path) -> None:
    written = file.stat().st_mtime_ns
    assert modelled_piano(5, file.parent) == file
    assert file.stat().st_mtime_ns == written
    again = tmp_path / "again.sf2"
    write_soundfont(again, model)
    assert again.read_bytes() == file.read_bytes()
    other = modelled_piano(6, file.parent, sample_rate=RATE)
    assert other.read_bytes() != file.read_bytes()
    assert sorted(file.parent.iterdir()) == sorted([file, other])
    assert file.stat().st_size < 22e6


def test_every_key_and_velocity_has_one_sample(file: Path) -> None:
    tables = _tables(file)
    bags = np.frombuffer(tables[b"ibag"], BAG)["f0"].astype(int)
    generators = np.frombuffer(tables[b"igen"], GEN)
    played = np.zeros((128, 128), dtype=int)
    for start, end in pairwise(bags[1:].tolist()):
        zone = {int(kind): int(amount) for kind, amount in generators[start:end].tolist()}
        keys, velocities = (slice(zone[kind] & 255, (zone[kind] >> 8) + 1) for kind in (43, 44))
        played[keys, velocities] += 1
        assert next(iter(zone)) == 43
        assert list(zone)[-1] == 53
    assert (played[LOWEST_PITCH : HIGHEST_PITCH + 1, 1:] == 1).all()
    assert played.sum() == 88 * 127


def test_samples_begin_and_end_in_silence_and_do_not_clip(file: Path) -> None:
    tables = _tables(file)
    sound = np.frombuffer(tables[b"smpl"], "<i2").astype(int)
    for _, start, end, *_ in np.frombuffer(tables[b"shdr"], SHDR)[:-1].tolist():
        sample = sound[start:end]
        assert 3000 < np.abs(sample).max() <= round(0.97 * 32767)
        assert abs(sample[0]) < 10
        assert abs(sample[-1]) < 10
        assert np.abs(sample[: len(sample) // 100]).max() > 100
        assert not sound[end : end + GUARD].any()


def test_sum_of_oscillations_is_exact() -> None:
    rng = np.random.default_rng(1)
    rates = -rng.uniform(0.2, 60, 30) + 2j * np.pi * rng.uniform(30, 7000, 30)
    amplitudes = rng.normal(size=(2, 30)) + 1j * rng.normal(size=(2, 30))
    time = np.arange(20001) / RATE
    expected = np.real(amplitudes @ np.exp(np.outer(rates, time)))
    assert np.abs(oscillate(rates, amplitudes, len(time), RATE) - expected).max() < 1e-3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("key", [23, 40, 60, 81, 99])
def test_partials_lie_where_stiff_strings_have_them(seed: int, key: int) -> None:
    model = _calm(draw_strings(np.random.default_rng(seed)))
    first = 440 * 2 ** ((key - 69) / 12 + tuning_cents(model)[key - LOWEST_PITCH] / 1200)
    stiffness = float(inharmonicity(model, np.asarray(float(key))))
    rate = 24000
    waveform = _tone(model, key, (80,), 3.0, rate)[0]
    for n in (1, 2, 3):
        expected = first * n * np.sqrt((1 + stiffness * n**2) / (1 + stiffness))
        if expected < 0.3 * rate:
            assert 1200 * np.log2(_frequency(waveform, rate, expected) / expected) == pytest.approx(0, abs=3)


@pytest.mark.parametrize("seed", range(5))
def test_octaves_are_stretched_from_a4(seed: int) -> None:
    cents = tuning_cents(replace(draw_strings(np.random.default_rng(seed)), tuning_error_cents=0.0))
    assert cents[69 - LOWEST_PITCH] == pytest.approx(0, abs=1e-9)
    assert -60 < cents[0] < -2
    assert 2 < cents[-1] < 60
    assert (np.diff(cents[40:]) >= 0).all()


@pytest.mark.parametrize("key", [25, 45, 65, 95])
def test_strings_lose_energy_and_prompt_sound_goes_first(key: int) -> None:
    for seed in range(20):
        model = replace(draw_strings(np.random.default_rng(seed)), unison_cents=0.01, una_corda=0.0)
        frequency = partial_frequencies(model, key, 440 * 2 ** ((key - 69) / 12), 8000)
        rates, amplitudes = string_modes(model, key, frequency, np.random.default_rng(seed))
        assert (rates.real < 0).all()
        rows = np.arange(min(4, len(frequency)))
        prompt, last = np.argmin(rates.real, axis=1)[rows], np.argmax(rates.real, axis=1)[rows]
        assert (rates.real[rows, prompt] < rates.real[rows, last]).all()
        assert np.median(np.abs(amplitudes[rows, prompt] / amplitudes[rows, last])) > 2


def test_unisons_out_of_tune_beat(model: StringModel) -> None:
    def swing_db(cents: float) -> float:
        frequency = partial_frequencies(model, 66, 370.0, 8000)
        one = replace(model, unison_cents=cents)
        rates, amplitudes = string_modes(one, 66, frequency, np.random.default_rng(1))
        turning = rates[1] - 2j * np.pi * frequency[1]  # the second partial's envelope
        envelope = np.abs(amplitudes[1] @ np.exp(np.outer(turning, np.arange(0, 3, 0.01))))
        return float(np.maximum(np.diff(20 * np.log10(envelope)), 0).sum())

    assert swing_db(0.0) < 1e-6
    assert swing_db(6.0) > 10


def test_the_striking_point_silences_partials(model: StringModel) -> None:
    model = replace(model, strike_bass=0.125, strike_treble=0.125, strike_depth=1.0, hammer_hz=1e6)
    amplitudes = hammer(model, 40, 80, 80.0 * np.arange(1, 20))
    assert np.argmin(amplitudes[:12]) == 7
    assert amplitudes[7] < 0.05 * amplitudes[3]


def test_bass_rings_longer_than_treble() -> None:
    for seed in range(6):
        model = draw_strings(np.random.default_rng(seed))
        falls = []
        for key in (24, 60, 84, 105):
            waveform = _tone(model, key, (80,), 4.0)[0]
            loud = 10 * np.log10(np.square(waveform).reshape(-1, 1600).mean(axis=1) + 1e-9)
            falls.append(int(np.argmax(np.append(loud < loud.max() - 30, True))) / 10)
        assert falls[0] > 1.5
        assert falls[3] < 1.5
        assert falls[0] >= falls[2] >= falls[3]


def test_hard_strikes_are_brighter(model: StringModel) -> None:
    spectra = np.abs(np.fft.rfft(_tone(model, 48, (30, 75, 120), 0.5), axis=1)) ** 2
    hz = np.arange(spectra.shape[1])
    soft, middle, hard = (spectra * hz).sum(axis=1) / spectra.sum(axis=1)
    assert 1.1 * soft < middle < hard / 1.1


def test_onsets_are_as_late_as_those_of_sampled_pianos(file: Path) -> None:
    """A key is heard, 20 dB below its loudest, 1 to 4 ms after its stroke; bass strings may take some more."""
    tables = _tables(file)
    sound = np.frombuffer(tables[b"smpl"], "<i2") / 32768
    for _, start, end, *_, rate, key, _, _, _ in np.frombuffer(tables[b"shdr"], SHDR)[:-1].tolist():
        begin = np.square(sound[start : min(end, start + rate // 15)])
        level = np.sqrt(np.convolve(begin, np.ones(rate // 500))[: len(begin)])
        heard_ms = np.argmax(level > 0.1 * level.max()) / rate * 1000
        assert 0.8 < heard_ms < (6 if key > 60 else 10)


def test_all_keys_sound_and_dampers_stop_them(file: Path) -> None:
    for key in KEYS[::3]:
        waveform = _play(file, Note(0.0, 0.5, key, 70), duration_s=2.0)
        struck, later = _db(waveform[: RATE // 2]), _db(waveform[RATE + RATE // 2 :])
        assert -55 < struck < -15
        assert later < struck - 20


@pytest.mark.parametrize("key", [30, 60, 90])
def test_level_rises_with_velocity_like_that_of_sampled_pianos(file: Path, key: int) -> None:
    velocities = (20, 40, 55, 56, 70, 92, 93, 110, 127)

    def levels(path: Path) -> np.ndarray:
        return np.array([_db(_play(path, Note(0.0, 0.4, key, v), duration_s=0.5)) for v in velocities])

    modelled, sampled = levels(file), levels(embedded_path())
    assert (np.diff(modelled) > -0.5).all()  # another layer may ring a little shorter
    assert (np.diff(modelled[[0, 1, 2, 4, 5, 7, 8]]) > 0).all()
    assert np.abs(modelled - sampled).mean() < 10
    assert np.ptp(modelled) == pytest.approx(np.ptp(sampled), rel=0.25)
