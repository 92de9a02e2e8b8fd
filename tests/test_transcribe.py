"""Windows joined without seams, memory that does not grow, and audio of every kind: with a model known by heart."""

from __future__ import annotations

import tracemalloc
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr
import torch
from conftest import ROOT

from s2s_lib import transcribe as transcribe_module
from s2s_lib.compose import bwv846
from s2s_lib.config import EvaluationConfig
from s2s_lib.data import audio as audio_module
from s2s_lib.errors import InputError
from s2s_lib.metrics import score
from s2s_lib.notes import PITCHES, Performance
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.targets import Decoder, Grid, Thresholds, decode
from s2s_lib.transcribe import Transcriber

RATE, FRAME = 1000, 20  # samples per second, and per frame
FRAMES, EDGE = 64, 6
MAPS = ("onset", "shift", "velocity", "held", "sounding")
RELEASED = ROOT / "s2s_lib" / "released"


class LocalModel(torch.nn.Module):
    """A frame's outputs depend on the samples of three frames around it alone, and are wrong near a window's ends."""

    def __init__(self, first_frame: int = 7):
        super().__init__()
        samples = FRAMES * FRAME
        features = SimpleNamespace(sample_rate=RATE)
        self.first_frame = first_frame
        self.config = SimpleNamespace(
            window_samples=samples, frames=FRAMES, frame_s=FRAME / RATE, first_frame_s=first_frame / RATE,
            feature_settings=features, soundfonts={}, thresholds={},
        )  # fmt: skip
        weights = np.random.default_rng(0).normal(0, 1, (3 * FRAME, 5 * PITCHES + 1))
        self.weights = torch.from_numpy(weights)  # double: the size of a batch leaves no trace

    def local(self, samples: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of the frames of samples (batch, (frames + 2) * FRAME), which start a frame before the first."""
        output = samples.double().unfold(1, 3 * FRAME, FRAME) @ self.weights
        maps = dict(zip(MAPS, output[..., :-1].unflatten(2, (5, PITCHES)).unbind(2), strict=True))
        return {**maps, "onset": maps["onset"] - 2, "pedal": output[..., -1]}

    def forward(self, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self.first_frame - FRAME
        samples = torch.nn.functional.pad(waveform, (5 * FRAME, 5 * FRAME))
        output = self.local(samples[:, 5 * FRAME + first :][:, : (FRAMES + 2) * FRAME])
        for values in output.values():
            values[:, :EDGE] += 5
            values[:, -EDGE:] -= 5
        return output


def transcriber(first_frame: int = 7) -> Transcriber:
    return Transcriber(LocalModel(first_frame), torch.device("cpu"))


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise of the level that recordings are brought to."""
    sound = np.random.default_rng(seed).normal(0, 1, round(seconds * RATE)).astype(np.float32)
    loudest = int(np.abs(sound).argmax())
    sound *= audio_module.LEVEL / abs(sound[loudest])
    sound[loudest] = np.sign(sound[loudest]) * audio_module.LEVEL
    return sound


def at_once(audio: np.ndarray) -> Performance:
    """What the local model gives for a whole recording without windows."""
    frames = -(-len(audio) // FRAME)
    padded = torch.from_numpy(np.pad(audio, (FRAME, (frames + 1) * FRAME - len(audio))))
    maps = LocalModel().local(padded[None])
    grid = {name: (value if name == "shift" else value.sigmoid())[0].float().numpy() for name, value in maps.items()}
    found = decode(Grid(**grid), 0.0, FRAME / RATE, Thresholds())
    inside = [i for i, note in enumerate(found.notes) if note.onset_s < len(audio) / RATE]
    return Performance(tuple(found.notes[i] for i in inside), found.pedal, tuple(found.extended[i] for i in inside))


@pytest.mark.parametrize("phase", [0, 1, 17, 47, 60])
@pytest.mark.parametrize("first_frame", [7, 0, -45, 60])
def test_windows_join_without_seams(phase: int, first_frame: int) -> None:
    audio = noise(7.013)
    whole = at_once(audio)
    assert len(whole.notes) > 500
    assert transcriber(first_frame).transcribe(audio, RATE, _phase=phase) == whole


@pytest.mark.parametrize(("block", "batch"), [(1, 1), (97, 3), (1280, 2), (5000, 16)])
def test_blocks_and_batches_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, batch: int
) -> None:
    audio = noise(4.5)
    soundfile.write(tmp_path / "take.wav", audio, RATE, subtype="FLOAT")
    monkeypatch.setattr(audio_module, "BLOCK", block)
    settings = EvaluationConfig(batch_size=batch)
    assert transcriber().transcribe(audio, RATE, settings) == at_once(audio)
    assert transcriber().transcribe(tmp_path / "take.wav", evaluation=settings) == at_once(audio)


@pytest.mark.parametrize("seconds", [0.02, 0.001, 0.5, 0.96, 0.961])
def test_audio_shorter_than_a_window_is_padded(seconds: float) -> None:
    audio = noise(seconds)
    assert transcriber().transcribe(audio, RATE).notes == at_once(audio).notes


def test_quiet_recordings_are_heard_like_loud_ones() -> None:
    audio = noise(4.5)
    assert transcriber().transcribe(audio / 16, RATE) == at_once(audio)
    assert len(transcriber().transcribe(audio / 2048, RATE).notes) < len(at_once(audio).notes)  # that quiet is hiss


def test_memory_does_not_grow_with_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_module, "BLOCK", 2000)
    grids, alive, sizes = [], [], []

    class Spy(Decoder):
        def add(self, grid: Grid) -> None:
            grids.append(weakref.ref(grid.onset))
            alive.append(sum(ref() is not None for ref in grids))
            sizes.append(len(grid.pedal))
            super().add(grid)

    monkeypatch.setattr(transcribe_module, "Decoder", Spy)
    settings = EvaluationConfig(batch_size=4, onset_threshold=1.0)  # without notes: they are the result, and may grow

    def peak(seconds: int) -> int:
        audio = np.broadcast_to(np.float32(0.1), seconds * RATE)  # takes no memory itself
        tracemalloc.start()
        transcriber().transcribe(audio, RATE, settings)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    short, long = peak(20), peak(400)
    assert long < 1.2 * short
    assert len(sizes) > 80
    assert max(sizes) <= 4 * FRAMES
    assert max(alive) <= 2


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_a_stream_is_what_the_whole_is_resampled_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (rate // 2 + 77, 2)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", sound, rate, subtype="FLOAT")
    whole = soxr.resample(sound.mean(axis=1), rate, 16000)
    monkeypatch.setattr(audio_module, "BLOCK", 1777)
    for stream in (
        audio_module.AudioStream(tmp_path / "noise.wav", 16000),
        audio_module.AudioStream(sound, 16000, rate),
    ):
        joined = np.concatenate(list(stream))
        assert stream.samples == len(joined) == len(whole)
        assert np.allclose(joined, whole, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_and_integers_are_mixed_down(channels: int) -> None:
    tone = (20000 * np.sin(np.arange(3000))).astype(np.int16)
    stream = audio_module.AudioStream(np.stack([tone] * channels, axis=1), RATE, RATE)
    assert np.allclose(np.concatenate(list(stream)), tone / 32768, atol=1e-6)


@pytest.mark.parametrize("audio", [np.zeros(4000, np.float32), np.full((900, 6), 5e-5)])
def test_silence_gives_nothing_and_says_so(audio: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    found = transcriber().transcribe(audio, RATE, EvaluationConfig(onset_threshold=0.01))
    assert found == Performance((), extended=())
    assert "the audio array: is silent, so its transcription is empty." in caplog.messages


def test_a_recording_without_notes_says_so(caplog: pytest.LogCaptureFixture) -> None:
    found = transcriber().transcribe(noise(3), RATE, EvaluationConfig(onset_threshold=1.0))
    assert found.notes == found.extended == ()
    assert caplog.messages == ["the audio array: no notes are heard in it, so its transcription is empty."]


def test_a_clipped_recording_is_transcribed_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    clipped = np.clip(noise(3) / noise(3).std(), -1, 1)
    found = transcriber().transcribe(clipped, RATE)
    assert np.isfinite([(n.onset_s, n.offset_s) for n in (*found.notes, *found.extended)]).all()
    assert len(found.notes) > 0
    (message,) = caplog.messages
    assert message.startswith("the audio array: is clipped (3")
    caplog.clear()
    transcriber().transcribe(noise(3), RATE)
    assert caplog.messages == []


def spoilt(value: float) -> np.ndarray:
    audio = noise(3).astype(np.float64)
    audio[1250:] = value
    return audio


@pytest.mark.parametrize(
    ("audio", "rate", "says"),
    [
        (spoilt(np.nan), RATE, r"not numbers, from 1\.25 s on"),
        (spoilt(-np.inf), RATE, r"not numbers, from 1\.25 s on"),
        (spoilt(1e300), RATE, r"sample of 1e\+300 at 1\.25 s; floats of audio lie between -1 and 1"),
        (noise(1), None, "needs its sample rate"),
        (noise(1).reshape(10, 10, 10), RATE, r"shape \(10, 10, 10\)"),
        (noise(1)[None], RATE, r"shape \(1, 1000\)"),
        (noise(1).astype(np.uint8), RATE, "type uint8"),
        (np.zeros(0, np.float32), RATE, "holds no audio"),
    ],
)
def test_an_array_of_no_use_is_one_sentence(audio: np.ndarray, rate: int | None, says: str) -> None:
    with pytest.raises(InputError, match=f"the audio array.*{says}"):
        transcriber().transcribe(audio, rate)


def test_a_file_of_no_use_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without ffmpeg
    soundfile.write(tmp_path / "nan.wav", spoilt(np.nan), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.mp3").write_text("hello")
    (tmp_path / "tune.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(400))
    for name, says in {
        "nan.wav": r".*not numbers, from 1\.25 s on; export it again",
        "nothing.wav": "holds no audio",
        "empty.wav": "not a readable audio file",
        "text.mp3": "not a readable audio file",
        "tune.m4a": "not a readable audio file .* convert it to WAV, .* or install ffmpeg",
        "none.wav": "there is no such audio file",
    }.items():
        with pytest.raises(InputError, match=f"{name}: {says}"):
            transcriber().transcribe(tmp_path / name)
    with pytest.raises(InputError, match="says its own sample rate"):
        transcriber().transcribe(tmp_path / "nan.wav", RATE)


def test_ffmpeg_decodes_what_libsndfile_does_not_know(tmp_path: Path, ffmpeg: Path) -> None:
    (tmp_path / "tune.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(400))
    with pytest.raises(InputError, match=r"tune\.m4a: not a readable audio file \(.*; ffmpeg: ffmpeg is at a loss\)"):
        transcriber().transcribe(tmp_path / "tune.m4a")
    soundfile.write(ffmpeg, noise(2), RATE, subtype="PCM_24")
    found = transcriber().transcribe(tmp_path / "tune.m4a")
    assert len(found.notes) == len(at_once(noise(2)).notes)


@pytest.mark.skipif(not (RELEASED / "model.safetensors").is_file(), reason="no weights are released yet")
def test_the_released_model_joins_its_windows_without_seams() -> None:
    """The same recording in windows that lie elsewhere gives the same notes."""
    released, settings = Transcriber.load(RELEASED, "cpu"), EvaluationConfig()
    audio = render(bwv846().performance, Piano.plain(find_soundfonts(["embedded"])[0]), 16000)
    phase = released.model.config.frames // 3
    first, second = (released.transcribe(audio, 16000, settings, _phase=frames) for frames in (0, phase))
    assert len(first.notes) > 100
    assert score(first, second, settings).onset.f1 > 0.99
    assert first == released.transcribe(audio, 16000, settings)


def test_kept_probabilities_give_the_same_notes_again() -> None:
    sound, settings, grids = noise(4.3), EvaluationConfig(batch_size=2), []
    found = transcriber().transcribe(sound, RATE, settings, grids)
    kept = transcriber().probabilities(grids, settings, len(sound) / RATE)
    assert len(found.notes) > 20
    assert kept.notes(kept.thresholds.onset) == found
    higher = EvaluationConfig(batch_size=2, onset_threshold=0.6)
    assert kept.notes(0.6) == transcriber().transcribe(sound, RATE, higher) != found
