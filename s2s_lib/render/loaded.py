"""Soundfonts held in memory, so that a fresh synthesizer for each piece need not load them again."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib.errors import InputError
from s2s_lib.notes import LOWEST_PITCH, PITCHES
from s2s_lib.pianos import Layer
from s2s_lib.render.library import BLOCK, fluidsynth, function, write
from s2s_lib.soundfonts import Preset, Soundfont

CHANNELS = 16  # they come in sixteens
KEPT_BYTES = 2**29  # what a thread keeps loaded beyond the piece it plays
TABLE_BYTES = 10 * 2**20  # tables of a soundfont with General MIDI's 128 presets
OPTIONS = {
    "synth.reverb.active": 0,
    "synth.chorus.active": 0,
    "synth.polyphony": 256,
    "synth.dynamic-sample-loading": 1,  # a big soundfont costs only the piano's samples
}
# a string is heard where it first exceeds this part of its peak among so many samples after a stroke of this velocity
AUDIBLE, HEARD_WITHIN, STROKE, LISTENING_RATE = 0.02, 16 * BLOCK, 80, 16000


@contextmanager
def synthesizer(sample_rate: int, channels: int, **options: float) -> Iterator[Any]:
    """A fresh synthesizer without a soundfont, of at least so many channels."""
    channels += -channels % CHANNELS
    synth = fluidsynth().Synth(samplerate=sample_rate, channels=channels, **OPTIONS | options)
    try:
        for channel in range(channels):  # else each would load a default instrument
            synth.program_unset(channel)
        yield synth
    finally:
        synth.delete()


class Loaded:
    """A soundfont that FluidSynth has read, with the samples of those presets that were asked for."""

    def __init__(self, soundfont: Soundfont):
        self.soundfont = soundfont
        self._lateness: dict[Preset, np.ndarray] = {}
        self._keeper = fluidsynth().Synth(channels=CHANNELS, **OPTIONS)
        weakref.finalize(self, self._keeper.delete).atexit = False
        number = self._keeper.sfload(str(soundfont.path))
        if number == fluidsynth().FLUID_FAILED:
            raise InputError(f"{soundfont.path}: FluidSynth can't read this soundfont; name another.")
        self._pointer = fluidsynth().fluid_synth_get_sfont_by_id(self._keeper.synth, number)

    @property
    def bytes(self) -> int:
        """About what it takes in memory; the presets of a soundfont mostly share their samples."""
        return TABLE_BYTES + max((preset.sample_bytes for preset in self._lateness), default=0)

    @contextmanager
    def lent(self, synth: Any) -> Iterator[int]:
        """Lends the soundfont to a synthesizer, which would otherwise load it and free it; gives its number there."""
        try:
            yield function("fluid_synth_add_sfont", ctypes.c_void_p)(synth.synth, self._pointer)
        finally:
            function("fluid_synth_remove_sfont", ctypes.c_void_p)(synth.synth, self._pointer)

    def lateness(self, preset: Preset) -> np.ndarray:
        """Seconds from a stroke to the sound for each of the 88 keys, shape (88,); loads the preset's samples.

        Samples begin with silence or with a slow attack, most with 1-4 ms, some with 8 ms.
        """
        if preset not in self._lateness:
            # it has the number that the last synthesizer to borrow it gave it
            number = fluidsynth()._fl.fluid_sfont_get_id(ctypes.c_void_p(self._pointer))
            # the program's number serves as channel, so that no piano pushes another's samples out
            selected = self._keeper.program_select(preset.program, number, preset.bank, preset.program)
            if selected != fluidsynth().FLUID_OK:
                raise InputError(f"{self.soundfont.path}: FluidSynth can't play '{preset.name}'; name another.")
            with synthesizer(LISTENING_RATE, 1) as synth, self.lent(synth) as number:
                synth.program_select(0, number, preset.bank, preset.program)
                self._lateness[preset] = np.array([_listen(synth, LOWEST_PITCH + key) for key in range(PITCHES)])
        return self._lateness[preset]


def _listen(synth: Any, pitch: int) -> float:
    synth.noteon(0, pitch, STROKE)
    stereo = np.zeros((2, HEARD_WITHIN), dtype=np.float32)
    write(synth, stereo, 0, HEARD_WITHIN)
    synth.all_sounds_off(0)
    sound = np.abs(stereo.sum(axis=0))
    return int(np.argmax(sound > AUDIBLE * sound.max())) / LISTENING_RATE


class _Kept(threading.local):
    """The soundfonts that a thread has loaded, by last use: FluidSynth counts their users without locks."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[tuple[Path, int, int], Loaded] = OrderedDict()

    def get(self, soundfont: Soundfont) -> Loaded:
        try:
            status = soundfont.path.stat()
        except OSError as error:
            raise InputError(f"{soundfont.path}: the soundfont cannot be read any more ({error.strerror}).") from None
        key = (soundfont.path, status.st_size, status.st_mtime_ns)
        if key not in self._loaded:
            self._loaded[key] = Loaded(soundfont)
        self._loaded.move_to_end(key)
        while len(self._loaded) > 1 and sum(loaded.bytes for loaded in self._loaded.values()) > KEPT_BYTES:
            self._loaded.popitem(last=False)
        return self._loaded[key]


_kept = _Kept()


@contextmanager
def borrowed(synth: Any, layers: Sequence[Layer]) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Lends a synthesizer the soundfonts of these layers: for each its number there and its keys' lateness (88,)."""
    fonts = [_kept.get(layer.soundfont) for layer in layers]
    lateness = [font.lateness(layer.preset) for font, layer in zip(fonts, layers, strict=True)]
    with ExitStack() as stack:
        numbers = {font: stack.enter_context(font.lent(synth)) for font in dict.fromkeys(fonts)}
        yield [(numbers[font], late) for font, late in zip(fonts, lateness, strict=True)]
