"""Soundfonts of a few kilobytes, made to order: two steady tones that tell by their overtones which one sounds."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

RATE = 16000
ROOT = 69  # both samples sound at 440 Hz
INSTRUMENT, KEYS, VELOCITIES, LOOPS, SAMPLE = 41, 43, 44, 54, 53
WHOLE = (0, 127)
GRAND = (0, 0, "Grand")  # bank, program, name


def write_soundfont(
    path: Path,
    presets: Sequence[tuple[int, int, str]] = (GRAND,),
    keys: tuple[int, int] = WHOLE,
    velocities: tuple[int, int] = WHOLE,
    texts: dict[str, str] | None = None,
) -> Path:
    """Writes presets that all sound alike on these keys and velocities: pure up to key 64, with overtones above."""
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    reedy = 0.6 * tone + 0.4 * np.sin(2 * np.pi * 1320 * np.arange(RATE) / RATE)
    sound = b"".join((8000 * wave).astype("<i2").tobytes() + bytes(92) for wave in (tone, reedy))
    zones = [(keys[0], min(64, keys[1]), 0), (max(65, keys[0]), keys[1], 1)]
    generators = [
        [(KEYS, low | high << 8), (VELOCITIES, velocities[0] | velocities[1] << 8), (LOOPS, 1), (SAMPLE, sample)]
        for low, high, sample in zones
        if low <= high
    ]
    heads = [(name.encode(), program, bank, number) for number, (bank, program, name) in enumerate(presets)]
    tables = {
        b"phdr": b"".join(struct.pack("<20sHHH12x", *head) for head in [*heads, (b"EOP", 0, 0, len(presets))]),
        b"pbag": b"".join(struct.pack("<HH", number, 0) for number in range(len(presets) + 1)),
        b"pmod": bytes(10),
        b"pgen": struct.pack("<HH", INSTRUMENT, 0) * len(presets) + bytes(4),
        b"inst": struct.pack("<20sH", b"tones", 0) + struct.pack("<20sH", b"EOI", len(generators)),
        b"ibag": b"".join(struct.pack("<HH", 4 * number, 0) for number in range(len(generators) + 1)),
        b"imod": bytes(10),
        b"igen": b"".join(struct.pack("<HH", *pair) for zone in generators for pair in zone) + bytes(4),
        b"shdr": _header(b"pure", 0) + _header(b"reedy", RATE + 46) + struct.pack("<20s26x", b"EOS"),
    }
    info = {b"ifil": struct.pack("<HH", 2, 1), b"isng": b"EMU8000\0", b"INAM": b"tiny\0\0"}
    info |= {
        name.encode(): text.encode() + b"\0" * (2 - len(text.encode()) % 2) for name, text in (texts or {}).items()
    }
    lists = {b"INFO": info, b"sdta": {b"smpl": sound}, b"pdta": tables}
    body = b"".join(
        _chunk(b"LIST", name + b"".join(_chunk(*part) for part in parts.items())) for name, parts in lists.items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_chunk(b"RIFF", b"sfbk" + body))
    return path


def _header(name: bytes, start: int) -> bytes:
    """A mono sample whose loop is seamless: 400 samples are 11 periods, 16000 are 440."""
    loop = 400
    return struct.pack(
        "<20sIIIIIBbHH", name, start, start + RATE, start + loop, start + RATE - loop, RATE, ROOT, 0, 0, 1
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
