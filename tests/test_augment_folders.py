"""The user's impulse responses and noise: any rate and channels, direct sound in place, refused when unusable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_augment import RATE, TOLERANCE_S, clicks, only, shifts_s

from s2s_lib.augment import EFFECTS, augment, check_folders
from s2s_lib.augment.folders import impulse_response
from s2s_lib.augment.room import RecordedRoom
from s2s_lib.config import AugmentationConfig
from s2s_lib.errors import InputError


def response(rate: int, lead_s: float, channels: int = 1) -> np.ndarray:
    """A hall as it is recorded: some silence, a soft direct sound, a stronger reflection, a decay."""
    lead, decay = round(lead_s * rate), np.arange(round(0.6 * rate)) / rate
    noise = np.random.default_rng(0).standard_normal((len(decay), channels))
    tail = 0.05 * noise * 10 ** (-3 * decay / 0.6)[:, None]
    tail[0] = 0.5
    tail[round(0.012 * rate)] = 0.55
    return np.concatenate([1e-4 * noise[:lead], tail])


def folder(tmp_path: Path, **sounds: tuple[np.ndarray, int]) -> str:
    for name, (samples, rate) in sounds.items():
        (tmp_path / "deep").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "deep" / f"{name}.wav", samples, rate)
    (tmp_path / "readme.txt").write_text("halls")
    return str(tmp_path)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
@pytest.mark.parametrize(("lead_s", "channels"), [(0.0, 1), (0.08, 2), (0.3, 4)])
def test_recorded_rooms_move_nothing(tmp_path: Path, rate: int, lead_s: float, channels: int) -> None:
    rooms = folder(tmp_path, hall=(response(rate, lead_s, channels), rate))
    settings = only("reverb", reverb_dir=rooms, reverb_dir_share=1)
    check_folders(settings)
    for seed in range(3):
        after = augment(clicks(), RATE, settings, np.random.default_rng(seed))
        assert np.abs(shifts_s(clicks(), after, RATE)[1]).max() <= TOLERANCE_S
        assert not np.array_equal(after, clicks())


@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_soft_direct_sound_is_kept_before_its_reflection(tmp_path: Path, rate: int) -> None:
    folder(tmp_path, hall=(response(rate, 0.08), rate))
    found = np.abs(impulse_response(tmp_path / "deep" / "hall.wav", 0, RATE))
    assert found[:3].max() == pytest.approx(found[:400].max(), rel=0.15)
    assert abs(int(np.argmax(found[100:])) + 100 - 0.012 * RATE) <= 1


def test_every_file_and_channel_is_drawn(tmp_path: Path) -> None:
    rooms = folder(tmp_path, **{name: (response(16000, 0, 2), 16000) for name in "abc"})
    settings = only("reverb", reverb_dir=rooms, reverb_dir_share=0.5)
    drawn = [EFFECTS["reverb"](np.random.default_rng(seed), settings) for seed in range(60)]
    recorded = [room for room in drawn if isinstance(room, RecordedRoom)]
    assert {room.path.stem for room in recorded} == set("abc")
    assert {room.channel % 2 for room in recorded} == {0, 1}
    assert 15 <= len(recorded) <= 45


@pytest.mark.parametrize(("rate", "seconds", "channels"), [(16000, 5.0, 1), (44100, 0.4, 2), (8000, 30.0, 1)])
def test_recorded_noise_has_the_asked_ratio(tmp_path: Path, rate: int, seconds: float, channels: int) -> None:
    crowd = 0.2 * np.random.default_rng(1).standard_normal((round(seconds * rate), channels))
    settings = only("noise", noise_dir=folder(tmp_path, crowd=(crowd, rate)), noise_dir_share=1, noise_snr_db=(20, 20))
    check_folders(settings)
    tone = np.sin(np.arange(2 * RATE) * 0.3).astype(np.float32) * 0.3
    noise = [augment(tone, RATE, settings, np.random.default_rng(seed)) - tone for seed in (0, 0, 1)]
    assert 10 * np.log10(np.mean(tone**2) / np.mean(noise[0] ** 2)) == pytest.approx(20.0, abs=0.3)
    assert np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise[0], noise[2])
    assert np.sqrt(np.mean(noise[0][-1000:] ** 2)) > 0.3 * np.sqrt(np.mean(noise[0] ** 2))  # to the very end


def test_silent_noise_and_a_silent_channel_do_no_harm(tmp_path: Path) -> None:
    stereo = response(16000, 0.0, 2)
    stereo[:, 1] = 0
    settings = only(
        "reverb", reverb_dir=folder(tmp_path, half=(stereo, 16000)), reverb_dir_share=1, noise_dir=str(tmp_path),
        noise_dir_share=1, noise_probability=1,
    )  # fmt: skip
    for seed in range(8):
        after = augment(clicks(), RATE, settings, np.random.default_rng(seed))
        assert np.isfinite(after).all()
        assert np.abs(after).max() > 0.1


def _broken(path: Path) -> None:
    (path / "broken.wav").write_bytes(b"RIFF\x10\x00\x00\x00WAVEjunk")


def _empty(path: Path) -> None:
    soundfile.write(path / "empty.wav", np.zeros(0), 16000)


def _silent(path: Path) -> None:
    soundfile.write(path / "silent.wav", np.zeros(16000), 16000)


def _not_a_number(path: Path) -> None:
    soundfile.write(path / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")


@pytest.mark.parametrize("key", ["reverb", "noise"])
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_broken, "broken.wav: not a usable audio file"),
        (_empty, "empty.wav: not a usable audio file"),
        (_silent, "silent.wav: not a usable audio file"),
        (_not_a_number, "nan.wav: not a usable audio file"),
        (lambda path: None, "holds no audio file"),
        (lambda path: path.rmdir(), "there is no such folder"),
    ],
)
def test_unusable_folders_are_refused(tmp_path: Path, key: str, spoil: Any, named: str) -> None:
    place = tmp_path / "sounds"
    place.mkdir()
    spoil(place)
    settings = AugmentationConfig(**{f"{key}_dir": str(place)})
    with pytest.raises(InputError, match=named) as caught:
        check_folders(settings)
    assert caught.value.usage
    assert f"audio.augmentation.{key}_dir" in str(caught.value)
    for unused in ({"enabled": False}, {f"{key}_probability": 0}, {f"{key}_dir_share": 0}, {"clean_probability": 1}):
        check_folders(settings.model_copy(update=unused))
