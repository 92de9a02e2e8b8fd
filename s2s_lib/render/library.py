"""The FluidSynth library: where it is found, and its functions that pyfluidsynth does not wrap."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from s2s_lib.errors import InputError

BLOCK = 64  # FluidSynth's internal block: events take effect at its borders only (FLUID_BUFSIZE)


def fluidsynth_version() -> str:
    """Version of the FluidSynth library in use, such as '2.3.1'. Raises InputError if there is none."""
    version = [ctypes.c_int() for _ in range(3)]
    fluidsynth()._fl.fluid_version(*map(ctypes.byref, version))
    return ".".join(str(part.value) for part in version)


@functools.cache
def fluidsynth() -> ModuleType:
    """pyfluidsynth bound to the system's FluidSynth library, or else to one that Python packages bring."""
    find_library = ctypes.util.find_library

    def find(name: str) -> str | None:
        return find_library(name) or (_bundled_library() if name == "fluidsynth" else None)

    ctypes.util.find_library = find  # pyfluidsynth looks the library up once, while it is imported
    try:
        with redirect_stdout(io.StringIO()):  # it prints where it found the library wherever CI is set
            import fluidsynth as module
    except ImportError:
        raise InputError(
            "FluidSynth is not installed: run 'pip install pygame-ce' (its wheels bundle it), "
            "'apt install libfluidsynth3', 'brew install fluid-synth' or 'conda install -c conda-forge fluidsynth'."
        ) from None
    finally:
        ctypes.util.find_library = find_library
    module._fl.fluid_set_log_function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    for level in range(5):  # panic to debug: failures are reported by return values, chatter is for nobody
        module._fl.fluid_set_log_function(level, None, None)
    return module


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


@functools.cache
def function(name: str, *arguments: type) -> Any:
    """A function of the FluidSynth library that pyfluidsynth does not wrap; it takes the synthesizer first."""
    function = getattr(fluidsynth()._fl, name)
    function.argtypes, function.restype = (ctypes.c_void_p, *arguments), ctypes.c_int
    return function


def set_generator(synth: Any, channel: int, generator: int, value: float) -> None:
    """Adds `value` to a SoundFont generator of all notes that a channel plays from now on."""
    function("fluid_synth_set_gen", ctypes.c_int, ctypes.c_int, ctypes.c_float)(synth.synth, channel, generator, value)


def write(synth: Any, stereo: np.ndarray, start: int, length: int) -> None:
    """Fills `length` columns of a float32 array of shape (2, samples); float samples neither clip nor need dither."""
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    left = stereo.ctypes.data
    right = left + stereo.strides[0]
    function("fluid_synth_write_float", integer, pointer, integer, integer, pointer, integer, integer)(
        synth.synth, length, left, start, 1, right, start, 1
    )
