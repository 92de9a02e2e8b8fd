"""Performances played by FluidSynth through a soundfont: notes and pedal in, a waveform out."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import hashlib
import importlib.resources
import importlib.util
import io
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soxr

from s2s_lib.config import EMBEDDED_SOUNDFONT
from s2s_lib.errors import InputError
from s2s_lib.notes import SUSTAIN, Performance

BLOCK = 64  # FluidSynth's internal block: events take effect at its borders only (FLUID_BUFSIZE)
LOWEST_SYNTH_RATE = 16000  # one block is 4 ms here, so rounding to the nearest border keeps onsets within 2 ms
GAIN = 1.5  # human performances on General MIDI pianos peak at 0.1-0.7 of full scale
PEAK = 0.95  # what is louder is scaled down to this
TAIL_S = 1.0  # ringing after the last key release
FADE_S = 0.02  # a cut-off tail ends without a click
CHANNEL = 0
PIANO = (0, 0)  # bank and preset of General MIDI's acoustic grand


@dataclass(frozen=True)
class Reverb:
    """FluidSynth's reverb: room size, damping and level 0-1, stereo width 0-100."""

    room_size: float = 0.2
    damping: float = 0.0
    width: float = 0.5
    level: float = 0.9


@dataclass(frozen=True)
class RenderSettings:
    """How a performance is played: samples per second, reverb or none, master tuning in cents."""

    sample_rate: int
    reverb: Reverb | None = None
    tuning_cents: float = 0.0


def render(
    performance: Performance, soundfont: Path, settings: RenderSettings, duration_s: float | None = None
) -> np.ndarray:
    """Plays a performance on a soundfont's grand piano.

    Returns a mono float32 waveform within +-0.95 of shape (round(duration_s * sample_rate),), by default as long
    as the music and one second of ringing. Onsets are exact to 2 ms: each event is moved to the nearest border of
    FluidSynth's blocks of 64 samples. The same input gives the same samples. Raises InputError if FluidSynth or
    the soundfont can't be used.
    """
    if duration_s is None:
        duration_s = performance.end_s + TAIL_S
    synth_rate = settings.sample_rate * -(-LOWEST_SYNTH_RATE // settings.sample_rate)
    length = round(duration_s * synth_rate)
    synth = _synth(soundfont, synth_rate, settings)
    try:
        stereo = _play(synth, _events(performance, synth_rate), length)
    finally:
        synth.delete()
    mono = stereo.mean(axis=0)
    if synth_rate != settings.sample_rate:
        mono = soxr.resample(mono, synth_rate, settings.sample_rate)
    fade = min(len(mono), round(FADE_S * settings.sample_rate))
    mono[len(mono) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    peak = np.abs(mono).max(initial=0.0)
    return mono if peak <= PEAK else mono * np.float32(PEAK / peak)


def resolve_soundfont(name: str) -> Path:
    """Path of a soundfont given as a file or as 'embedded'. Raises InputError if it is missing or no soundfont."""
    if name == EMBEDDED_SOUNDFONT:
        return Path(str(importlib.resources.files("pretty_midi"))) / "TimGM6mb.sf2"
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"{name}: there is no such soundfont; name an .sf2 or .sf3 file, or 'embedded'.", usage=True)
    with path.open("rb") as file:
        header = file.read(12)
    if header[:4] != b"RIFF" or header[8:12] != b"sfbk":
        raise InputError(f"{name}: not a soundfont (its content is neither SF2 nor SF3).", usage=True)
    if path.stat().st_size < int.from_bytes(header[4:8], "little") + 8:
        raise InputError(f"{name}: the soundfont is truncated; get a complete copy.", usage=True)
    return path.resolve()


@functools.lru_cache(maxsize=64)
def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fluidsynth_version() -> str:
    """Version of the FluidSynth library in use, such as '2.3.1'. Raises InputError if there is none."""
    version = [ctypes.c_int() for _ in range(3)]
    _fluidsynth()._fl.fluid_version(*map(ctypes.byref, version))
    return ".".join(str(part.value) for part in version)


@functools.cache
def _fluidsynth() -> ModuleType:
    """pyfluidsynth bound to the system's FluidSynth library, or else to one that Python packages bring."""
    find_library = ctypes.util.find_library

    def find(name: str) -> str | None:
        return find_library(name) or (_bundled_library() if name == "fluidsynth" else None)

    ctypes.util.find_library = find  # pyfluidsynth looks the library up once, while it is imported
    try:
        with redirect_stdout(io.StringIO()):  # it prints where it found the library wherever CI is set
            import fluidsynth
    except ImportError:
        raise InputError(
            "FluidSynth is not installed: run 'pip install pygame-ce' (its wheels bundle it), "
            "'apt install libfluidsynth3', 'brew install fluid-synth' or 'conda install -c conda-forge fluidsynth'."
        ) from None
    finally:
        ctypes.util.find_library = find_library
    fluidsynth._fl.fluid_set_log_function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    for level in range(5):  # panic to debug: failures are reported by return values, chatter is for nobody
        fluidsynth._fl.fluid_set_log_function(level, None, None)
    return fluidsynth


def _bundled_library() -> str | None:
    """Path of the FluidSynth library that came with Python packages.

    Conda puts it into its environment's lib folder, pygame-ce's wheels into pygame_ce.libs (Linux) or pygame/.dylibs
    (macOS).
    """
    conda = sorted((Path(sys.prefix) / "lib").glob("libfluidsynth*"))
    if conda:
        return str(conda[-1])
    spec = importlib.util.find_spec("pygame")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    found = [*package.parent.glob("pygame_ce.libs/libfluidsynth*"), *package.glob(".dylibs/libfluidsynth*")]
    return str(found[0]) if found else None


def _synth(soundfont: Path, sample_rate: int, settings: RenderSettings) -> Any:
    """A fresh synthesizer for each piece, since reverb and voices remember what was played before."""
    fluidsynth = _fluidsynth()
    options = {
        "synth.reverb.active": int(settings.reverb is not None),
        "synth.chorus.active": 0,
        "synth.polyphony": 256,
        "synth.dynamic-sample-loading": 1,  # a big soundfont costs only the piano's samples
    }
    synth = fluidsynth.Synth(gain=GAIN, samplerate=sample_rate, channels=16, **options)
    font = synth.sfload(str(soundfont))
    if font == fluidsynth.FLUID_FAILED:
        synth.delete()
        raise InputError(f"{soundfont}: FluidSynth can't read this soundfont; name another.")
    if synth.program_select(CHANNEL, font, *PIANO) == fluidsynth.FLUID_FAILED:
        synth.delete()
        raise InputError(f"{soundfont}: has no piano (bank 0, preset 0); name a soundfont with one.")
    if settings.reverb is not None:
        reverb = settings.reverb
        synth.set_reverb(reverb.room_size, reverb.damping, reverb.width, reverb.level)
    if settings.tuning_cents:
        cents = (ctypes.c_double * 128)(*(100.0 * pitch + settings.tuning_cents for pitch in range(128)))
        fluidsynth.fluid_synth_activate_key_tuning(synth.synth, 0, 0, b"master", cents, 0)
        fluidsynth.fluid_synth_activate_tuning(synth.synth, CHANNEL, 0, 0, 0)
    return synth


def _events(performance: Performance, sample_rate: int) -> list[tuple[int, float, int, int, int]]:
    """(block, time, kind, number, value) in playing order; kind 0 releases a key, 1 moves the pedal, 2 strikes."""
    events = []
    for note in performance.notes:
        events.append((note.offset_s, 0, note.pitch, 0))
        events.append((note.onset_s, 2, note.pitch, note.velocity))
    events += [(event.time_s, 1, SUSTAIN, event.value) for event in performance.pedal]
    return sorted((round(max(0.0, time) * sample_rate / BLOCK), time, *rest) for time, *rest in events)


def _play(synth: Any, events: list[tuple[int, float, int, int, int]], length: int) -> np.ndarray:
    """Feeds events to the synthesizer block by block; returns stereo float32 of shape (2, length)."""
    blocks = -(-length // BLOCK)
    stereo = np.zeros((2, blocks * BLOCK), dtype=np.float32)
    write = _write_float()
    left, right = (channel.ctypes.data for channel in stereo)
    done = 0
    for block, _, kind, number, value in [*events, (blocks, 0.0, -1, 0, 0)]:
        until = min(block, blocks)
        if until > done:
            start = done * BLOCK
            write(synth.synth, (until - done) * BLOCK, left, start, 1, right, start, 1)
            done = until
        if kind == 0:
            synth.noteoff(CHANNEL, number)
        elif kind == 1:
            synth.cc(CHANNEL, number, value)
        elif kind == 2:
            synth.noteon(CHANNEL, number, value)
    return stereo[:, :length]


@functools.cache
def _write_float() -> Any:
    """fluid_synth_write_float, which pyfluidsynth does not wrap: float samples neither clip nor need dither."""
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    arguments = [(pointer, "synth"), (integer, "len")]
    for side in ("left", "right"):
        arguments += [(pointer, side), (integer, f"{side}_offset"), (integer, f"{side}_increment")]
    return _fluidsynth().cfunc("fluid_synth_write_float", integer, *((name, kind, 1) for kind, name in arguments))
