"""SoundFont 2 files: one piano preset in RIFF chunks (Creative/E-mu, SoundFont Technical Specification 2.01)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2s_lib.files import atomic_path

# generators, section 8.1.2
DECAY_VOL_ENV, SUSTAIN_VOL_ENV, RELEASE_VOL_ENV = 36, 37, 38
INSTRUMENT, KEY_RANGE, VEL_RANGE, INITIAL_ATTENUATION = 41, 43, 44, 48
FINE_TUNE, SAMPLE_ID = 52, 53
VELOCITY_CONCAVE = 0x0502  # modulator source: note-on velocity, negative, unipolar, concave (section 8.2.1)
SILENCE_CB = 1000  # the envelope's decay leads to silence
GUARD = 46  # zero samples that must follow each sample (section 7.10)

PHDR = np.dtype("S20, <u2, <u2, <u2, <u4, <u4, <u4")  # name, preset, bank, first bag, library, genre, morphology
BAG = np.dtype("<u2, <u2")  # first generator, first modulator
MOD = np.dtype("<u2, <u2, <i2, <u2, <u2")  # source, destination, amount, source of amount, transform
GEN = np.dtype("<u2, <u2")  # operator, amount (ranges: low byte is the lower bound)
INST = np.dtype("S20, <u2")  # name, first bag
SHDR = np.dtype(
    "S20, <u4, <u4, <u4, <u4, <u4, u1, i1, <u2, <u2"
)  # name, start, end, loop, rate, key, cents, link, type


@dataclass(frozen=True)
class Zone:
    """Which keys and velocities (inclusive) play which sample, and how."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    sample: int
    fine_tune_cents: int
    decay_s: float  # in which held keys fall by 100 dB, on top of the sample's own decay
    release_s: float  # the same once released


@dataclass(frozen=True)
class Sample:
    """16-bit mono sound that `root_key` plays unchanged; shape (length,), int16."""

    name: str
    sound: np.ndarray
    root_key: int


def timecents(seconds: float) -> int:
    """SoundFont's unit of time: 1200 per factor of two, 0 is a second."""
    return round(1200 * np.log2(seconds))


def write_sf2(
    path: Path, name: str, samples: Sequence[Sample], zones: Sequence[Zone], sample_rate: int, velocity_db: float
) -> None:
    """Writes bank 0, preset 0 with the given zones; level falls by `velocity_db` from velocity 127 to 0 (spec: 96).

    The same input gives the same bytes. Samples play once, without a loop.
    """
    label = name.encode("ascii")
    sound = b"".join(sample.sound.astype("<i2").tobytes() + bytes(2 * GUARD) for sample in samples)
    info = (
        _chunk(b"ifil", b"\x02\x00\x01\x00")
        + _chunk(b"isng", b"EMU8000\0")
        + _chunk(b"INAM", label + bytes(2 - len(label) % 2))
    )
    pdta = _preset(label) + _instrument(label, zones, velocity_db) + _headers(samples, sample_rate)
    content = b"sfbk" + _list(b"INFO", info) + _list(b"sdta", _chunk(b"smpl", sound)) + _list(b"pdta", pdta)
    with atomic_path(path) as temporary:
        temporary.write_bytes(_chunk(b"RIFF", content))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _list(kind: bytes, content: bytes) -> bytes:
    return _chunk(b"LIST", kind + content)


def _table(kind: bytes, rows: list[tuple], dtype: np.dtype) -> bytes:
    return _chunk(kind, np.array(rows, dtype=dtype).tobytes())


def _preset(label: bytes) -> bytes:
    """One preset of one zone; each table ends with a terminal record."""
    return (
        _table(b"phdr", [(label, 0, 0, 0, 0, 0, 0), (b"EOP", 0, 0, 1, 0, 0, 0)], PHDR)
        + _table(b"pbag", [(0, 0), (1, 0)], BAG)
        + _table(b"pmod", [(0, 0, 0, 0, 0)], MOD)
        + _table(b"pgen", [(INSTRUMENT, 0), (0, 0)], GEN)
    )


def _instrument(label: bytes, zones: Sequence[Zone], velocity_db: float) -> bytes:
    """A global zone with the velocity curve, which takes the place of the default one, and the given zones."""
    modulators = [(VELOCITY_CONCAVE, INITIAL_ATTENUATION, round(10 * velocity_db), 0, 0), (0, 0, 0, 0, 0)]
    bags = [(0, 0)]
    generators: list[tuple[int, int]] = []
    for zone in zones:
        bags.append((len(generators), 1))
        generators += [
            (KEY_RANGE, zone.keys[0] | zone.keys[1] << 8),
            (VEL_RANGE, zone.velocities[0] | zone.velocities[1] << 8),
            (DECAY_VOL_ENV, timecents(zone.decay_s) & 0xFFFF),
            (SUSTAIN_VOL_ENV, SILENCE_CB),
            (RELEASE_VOL_ENV, timecents(zone.release_s) & 0xFFFF),
            (FINE_TUNE, zone.fine_tune_cents & 0xFFFF),
            (SAMPLE_ID, zone.sample),
        ]
    bags.append((len(generators), 1))
    return (
        _table(b"inst", [(label, 0), (b"EOI", len(zones) + 1)], INST)
        + _table(b"ibag", bags, BAG)
        + _table(b"imod", modulators, MOD)
        + _table(b"igen", [*generators, (0, 0)], GEN)
    )


def _headers(samples: Sequence[Sample], sample_rate: int) -> bytes:
    rows: list[tuple] = []
    start = 0
    for sample in samples:
        end = start + len(sample.sound)
        rows.append((sample.name.encode("ascii"), start, end, start, end, sample_rate, sample.root_key, 0, 0, 1))
        start = end + GUARD
    return _table(b"shdr", [*rows, (b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)], SHDR)
