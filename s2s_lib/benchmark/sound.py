"""The piano of the benchmark, and the audio files that it gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from s2s_lib.config import EMBEDDED_SOUNDFONT, SYSTEM_SOUNDFONTS, BenchmarkConfig
from s2s_lib.errors import InputError
from s2s_lib.notes import Performance, write_midi
from s2s_lib.pianos import Piano, Reverb
from s2s_lib.render import render
from s2s_lib.soundfonts import Soundfont, find_soundfonts, survey

RATE = 44100  # what the tools' makers expect
PROGRAM = "fluidsynth"


def check_program(settings: BenchmarkConfig) -> None:
    """Raises InputError (usage) if the fluidsynth program is to render and is not there."""
    if settings.renderer == "program" and shutil.which(PROGRAM) is None:
        raise InputError(
            "benchmark.renderer is 'program', but there is no fluidsynth program; install it (Debian: fluidsynth) or "
            "set benchmark.renderer to 'library'.",
            usage=True,
        )


def choose_piano(settings: BenchmarkConfig, model: Path) -> tuple[Soundfont, str]:
    """The soundfont to render with, and a sentence on whether the model's training heard it.

    Unless one is named: of those installed that the model's config.json does not list, the largest file. Raises
    InputError (usage) for a named one that is of no use.
    """
    heard = _heard(model)
    if settings.soundfont is not None:
        font = find_soundfonts([settings.soundfont], "benchmark.soundfont")[0]
    else:
        installed = [font for font in survey([SYSTEM_SOUNDFONTS]) if isinstance(font, Soundfont)]
        unheard = [font for font in installed if font.sha256 not in heard]
        font = max(unheard, key=lambda f: f.size, default=None) or find_soundfonts([EMBEDDED_SOUNDFONT])[0]
    if not heard:
        said = "The model does not say which pianos its training heard, so this one may be among them."
    elif font.sha256 in heard:
        said = "The model's training heard this piano, so ours has an advantage here; install another soundfont."
    else:
        said = f"The model's training never heard this piano (it heard {', '.join(sorted(heard.values()))})."
    return font, said


def _heard(model: Path) -> dict[str, str]:
    """The soundfonts that a model's training heard, SHA-256 to file name."""
    try:
        return json.loads((model / "config.json").read_text(encoding="utf-8")).get("soundfonts", {})
    except (OSError, ValueError):
        raise InputError(f"{model}: its config.json is damaged; name another model.", usage=True) from None


def render_file(
    performance: Performance, font: Soundfont, path: Path, renderer: str = "library", cents: float = 0.0
) -> None:
    """Plays a performance on a soundfont's first piano with FluidSynth's default reverb: 44.1 kHz, 16 bits.

    Through the library the audio is mono, notes are heard when they are struck, and the whole piano may be tuned off
    by some cents; the program gives stereo, and its notes are as late as a soundfont's samples are.
    """
    if renderer == "library":
        piano = replace(Piano.plain(font, Reverb()), tuning_cents=cents)
        write_audio(path, render(performance, piano, RATE))
        return
    with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
        midi = Path(scratch) / "piece.mid"
        write_midi(midi, performance)
        command = [PROGRAM, "-niq", "-r", str(RATE), "-F", path, font.path, midi]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not path.is_file():
        raise InputError(f"{font.path}: the fluidsynth program can't play it ({done.stderr.strip()[-200:]}).")


def write_audio(path: Path, waveform: np.ndarray) -> None:
    """Writes mono float samples within full scale as a WAV file that every tool reads."""
    soundfile.write(path, waveform, RATE, subtype="PCM_16")


def seconds_of(path: Path) -> float:
    """How long an audio file is."""
    return soundfile.info(path).duration
