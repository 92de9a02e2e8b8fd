"""A modelled piano as a file: keys are sampled from the string model and mapped to keys and velocities."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH
from s2s_lib.strings.model import StringModel, aftersound_rate, damper_s, draw_strings, level_db, tuning_cents
from s2s_lib.strings.sf2 import Sample, Zone, write_sf2
from s2s_lib.strings.tone import draw_body, tones

VERSION = 1  # counts changes of the sound; older files are not reused
MODELLED = "modelled-"  # begins the names of their files
SAMPLE_RATE = 24000
STEP = 3  # keys that share one sample, a semitone to either side
LAYERS = ((1, 55, 38), (56, 92, 75), (93, 127, 112))  # lowest and highest velocity, and the one that is modelled
LONGEST_S = 5.0
INAUDIBLE_DB = -60.0  # below the loudest: the sample ends
FADE = 0.2  # share of a sample over which it is faded out
ENVELOPE = 0.5  # share of the aftersound's decay that is left to the envelope, where a player can change it
LOUDNESS = 0.2  # RMS of a sample's loudest 30 ms against full scale, C4
PEAK = 0.97
FALL = 100 / 60  # times in soundfonts are for 100 dB
UNDAMPED_S = 20.0


def modelled_piano(seed: int, folder: Path, sample_rate: int = SAMPLE_RATE) -> Path:
    """Path of the soundfont of the piano drawn from `seed`, written into `folder` unless it is there already.

    The name tells what made it, so another version of the model never reuses it.
    """
    model = draw_strings(np.random.default_rng(seed))
    made_of = json.dumps([VERSION, sample_rate, asdict(model)])
    path = Path(folder) / f"{MODELLED}{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.sf2"
    if not path.is_file():
        write_soundfont(path, model, sample_rate)
    return path


def write_soundfont(path: Path, model: StringModel, sample_rate: int = SAMPLE_RATE) -> None:
    """Writes the modelled piano as bank 0, preset 0 "Modelled grand", 10-20 MB at 24 kHz.

    Partials reach up to 0.31 of `sample_rate` (Hz), so that nothing folds where the synthesizer runs at two thirds of
    it or above. The same model gives the same bytes.
    """
    body = draw_body(model)
    cents = tuning_cents(model)
    samples: list[Sample] = []
    zones: list[Zone] = []
    for low in range(LOWEST_PITCH, HIGHEST_PITCH + 1, STEP):
        keys = range(low, min(low + STEP, HIGHEST_PITCH + 1))
        root = keys[len(keys) // 2]
        first_hz = 440.0 * 2 ** ((root - 69) / 12 + cents[root - LOWEST_PITCH] / 1200)
        struck = tuple(velocity for *_, velocity in LAYERS)
        sounds = tones(model, body, root, first_hz, struck, round(LONGEST_S * sample_rate), sample_rate)
        for (softest, loudest, velocity), sound in zip(LAYERS, sounds, strict=True):
            for key in keys:
                tune = round(cents[key - LOWEST_PITCH] - cents[root - LOWEST_PITCH])
                times = _decay_s(model, root), _release_s(model, key)
                zones.append(Zone((key, key), (softest, loudest), len(samples), tune, *times))
            samples.append(Sample(f"key {root} velocity {velocity}", _stored(model, root, sound, sample_rate), root))
    write_sf2(path, "Modelled grand", samples, zones, sample_rate, model.velocity_db)


def _decay_s(model: StringModel, key: int) -> float:
    return FALL * np.log(1000) / (ENVELOPE * aftersound_rate(model, key))


def _release_s(model: StringModel, key: int) -> float:
    damper = damper_s(model, key)
    return UNDAMPED_S if damper is None else FALL * damper


def _stored(model: StringModel, key: int, sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """The sound until it is inaudible, its end faded out, without the envelope's share of the decay; int16."""
    step = sample_rate // 50
    loudest = np.abs(sound[: len(sound) // step * step]).reshape(-1, step).max(axis=1)
    audible = np.flatnonzero(loudest > loudest.max() * 10 ** (INAUDIBLE_DB / 20))
    sound = sound[: (audible[-1] + 1) * step]
    sound = sound * np.exp(ENVELOPE * aftersound_rate(model, key) / sample_rate * np.arange(len(sound)))
    fade = round(FADE * len(sound))
    sound[len(sound) - fade :] *= np.cos(np.linspace(0, np.pi / 2, fade)) ** 2
    level = min(LOUDNESS * 10 ** (level_db(model, key) / 20), PEAK / float(np.abs(sound).max()))
    return np.round(sound * (level * 32767)).astype(np.int16)
