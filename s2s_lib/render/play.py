"""A performance and a piano in, a waveform out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

from s2s_lib.errors import InputError
from s2s_lib.notes import LOWEST_PITCH, PITCHES, Performance
from s2s_lib.pianos import Layer, Piano
from s2s_lib.render.library import BLOCK, set_generator, write
from s2s_lib.render.loaded import borrowed, synthesizer
from s2s_lib.smf import SUSTAIN

LOWEST_SYNTH_RATE = 16000  # one block is 4 ms here, so rounding to the nearest border keeps onsets within 2 ms
GAIN = 1.5  # human performances on General MIDI pianos peak at 0.1-0.7 of full scale
PEAK = 0.95  # what is louder is scaled down to this
TAIL_S = 1.0  # ringing after the last key release
LONGEST_S = 7200.0  # a waveform is made in one piece; two hours take some gigabytes
FADE_S = 0.02  # a cut-off tail ends without a click
# SoundFont generators (specification 2.04, 8.1.2); FluidSynth adds what a channel sets to what the preset says
FILTER_CUTOFF, HOLD, DECAY, RELEASE = 8, 35, 36, 38  # cents, then timecents
ATTENUATION, COARSE_TUNE, FINE_TUNE = 48, 51, 52  # centibels, semitones, cents
RELEASES, MOVES_PEDAL, STRIKES = range(3)  # kinds of event, in the order of those that fall together
Event = tuple[int, float, int, int, int, int]  # block, seconds, kind, channel, key or controller, value


@dataclass(frozen=True)
class String:
    """Where a key sounds: channel, key number there, lowest velocity to send, and how late it is heard in seconds."""

    channel: int
    key: int
    softest: int
    late_s: float


def render(performance: Performance, piano: Piano, sample_rate: int, duration_s: float | None = None) -> np.ndarray:
    """Plays a performance on a piano.

    Returns a mono float32 waveform within +-0.95 of shape (round(duration_s * sample_rate),), by default as long
    as the music and one second of ringing. Notes are heard at their onsets to 4 ms: keys are struck earlier by as
    much as their samples are late, and each event is moved to the nearest border of FluidSynth's blocks of 64 samples.
    The same input gives the same samples. Raises InputError if FluidSynth or a soundfont can't be used, or for more
    than two hours of music.
    """
    if duration_s is None:
        duration_s = performance.end_s + TAIL_S
    if duration_s > LONGEST_S:
        raise InputError(f"{duration_s / 3600:.1f} hours of music are too long to play at once; cut them into parts.")
    synth_rate = sample_rate * -(-LOWEST_SYNTH_RATE // sample_rate)
    options = {"synth.gain": GAIN, "synth.reverb.active": int(piano.reverb is not None)}
    channels = sum(map(len, piano.strings()))
    # a fresh synthesizer, since reverb and voices remember what was played before
    with synthesizer(synth_rate, channels, **options) as synth, borrowed(synth, piano.layers) as fonts:
        keyboard = _string_up(synth, piano, fonts)
        stereo = _play(synth, _events(performance, piano, keyboard, synth_rate), round(duration_s * synth_rate))
    mono = stereo.mean(axis=0)
    if synth_rate != sample_rate:
        mono = soxr.resample(mono, synth_rate, sample_rate)
    fade = min(len(mono), round(FADE_S * sample_rate))
    mono[len(mono) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    peak = np.abs(mono).max(initial=0.0)
    return mono if peak <= PEAK else mono * np.float32(PEAK / peak)


def _string_up(synth: Any, piano: Piano, fonts: list[tuple[int, np.ndarray]]) -> list[list[String]]:
    """Sets up reverb and channels; returns the strings of each of the 88 keys.

    Key k + d of a channel whose generators tune it d semitones down sounds as k with the strings of k + d. Keys of a
    layer that are displaced and tuned alike share a channel. (A tuning table would not do: FluidSynth chooses the
    sample by the pitch that comes out of it.)
    """
    if piano.reverb is not None:
        synth.set_reverb(piano.reverb.room_size, piano.reverb.damping, piano.reverb.width, piano.reverb.level)
    keyboard: list[list[String]] = [[] for _ in range(PITCHES)]
    channel = -1
    for layer, strings, (font, lateness) in zip(piano.layers, piano.strings(), fonts, strict=True):
        for (displacement, cents), keys in strings.items():
            channel += 1
            synth.program_select(channel, font, layer.preset.bank, layer.preset.program)
            for generator, value in _generators(piano, layer, displacement, cents).items():
                set_generator(synth, channel, generator, value)
            for key in keys:
                late_s = float(lateness[key + displacement]) * 2 ** (displacement / 12)
                pitch = LOWEST_PITCH + key + displacement
                keyboard[key].append(String(channel, pitch, layer.preset.softest, late_s))
    return keyboard


def _generators(piano: Piano, layer: Layer, displacement: int, cents: int) -> dict[int, float]:
    """What is added to a preset's generators, without those that would not change it."""
    ringing = 1200.0 * float(np.log2(piano.decay_factor))
    values = {
        FILTER_CUTOFF: 1200.0 * piano.filter_octaves,
        # samples that die away by themselves are held at first; held longer, their loops would sound like an organ
        HOLD: min(0.0, 2 * ringing),
        DECAY: ringing,
        RELEASE: 1200.0 * float(np.log2(piano.release_factor)),
        ATTENUATION: -10.0 * layer.level_db,
        COARSE_TUNE: -float(displacement),
        FINE_TUNE: piano.tuning_cents + cents,
    }
    return {generator: value for generator, value in values.items() if value}


def _events(performance: Performance, piano: Piano, keyboard: list[list[String]], sample_rate: int) -> list[Event]:
    """What happens, in playing order."""
    events: list[tuple[float, int, int, int, int]] = []
    restruck: dict[int, float] = {}
    for note in reversed(performance.notes):
        velocity = max(1, round(127 * (note.velocity / 127) ** piano.velocity_gamma))
        for string in keyboard[note.pitch - LOWEST_PITCH]:
            events.append(
                (note.onset_s - string.late_s, STRIKES, string.channel, string.key, max(velocity, string.softest))
            )
            # a release after the next stroke, which comes early, would end that note
            released = min(note.offset_s, restruck.get(note.pitch, np.inf) - string.late_s)
            events.append((released, RELEASES, string.channel, string.key, 0))
        restruck[note.pitch] = note.onset_s
    channels = {string.channel for strings in keyboard for string in strings}
    events += [
        (moved.time_s, MOVES_PEDAL, channel, SUSTAIN, moved.value)
        for moved in performance.pedal
        for channel in channels
    ]
    return sorted((round(max(0.0, time) * sample_rate / BLOCK), time, *rest) for time, *rest in events)


def _play(synth: Any, events: list[Event], length: int) -> np.ndarray:
    """Feeds events to the synthesizer block by block; returns stereo float32 of shape (2, length)."""
    blocks = -(-length // BLOCK)
    stereo = np.zeros((2, blocks * BLOCK), dtype=np.float32)
    actions = {
        RELEASES: lambda channel, key, _: synth.noteoff(channel, key),
        MOVES_PEDAL: synth.cc,
        STRIKES: synth.noteon,
    }
    done = 0
    for block, _, kind, *what in events:
        until = min(block, blocks)
        if until > done:
            write(synth, stereo, done * BLOCK, (until - done) * BLOCK)
            done = until
        actions[kind](*what)
    write(synth, stereo, done * BLOCK, (blocks - done) * BLOCK)
    return stereo[:, :length]
