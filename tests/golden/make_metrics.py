"""Writes metrics.json: small reference and estimated performances with scores computed without s2s_lib or mir_eval.

Matching is by brute force over all one-to-one pairings, so only for a handful of notes. Times are multiples of
10 ms in whole milliseconds, so that nothing here depends on rounding. Run: python tests/golden/make_metrics.py
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

# a note is [onset in ms, offset in ms, pitch, velocity]; a pedal span is [down in ms, up in ms]
CHORD = [[0, 500, 60, 60], [0, 500, 64, 70], [0, 500, 67, 80], [1000, 1500, 72, 100]]
CASES = {
    "perfect": {"ref": CHORD, "est": CHORD},
    "onsets 40 ms late": {"ref": CHORD, "est": [[a + 40, b, p, v] for a, b, p, v in CHORD]},
    "onsets 60 ms late": {"ref": CHORD, "est": [[a + 60, b, p, v] for a, b, p, v in CHORD]},
    "offsets at and beyond a fifth of the duration": {
        "ref": [[0, 1000, 60, 64], [0, 1000, 62, 64], [0, 100, 64, 64], [0, 100, 65, 64]],
        "est": [[0, 1200, 60, 64], [0, 1210, 62, 64], [0, 150, 64, 64], [0, 160, 65, 64]],
    },
    "one missed, one invented, one an octave too high": {
        "ref": CHORD,
        "est": [[0, 500, 60, 60], [0, 500, 76, 70], [1000, 1500, 72, 100], [2000, 2500, 50, 40]],
    },
    "one estimate can't serve two repeated notes": {
        "ref": [[0, 40, 60, 64], [60, 100, 60, 64], [500, 600, 60, 64]],
        "est": [[30, 70, 60, 64], [500, 600, 60, 64], [540, 600, 60, 64]],
    },
    "greedy would lose a pair": {
        "ref": [[0, 30, 60, 64], [50, 90, 60, 64]],
        "est": [[40, 60, 60, 64], [100, 130, 60, 64]],
    },
    "pedal held: keys let go early but the sound goes on": {
        "ref": [[0, 200, 60, 64], [0, 200, 64, 64], [1500, 2000, 60, 64]],
        "ref_pedal": [[100, 1000]],
        "est": [[0, 1000, 60, 64], [0, 1000, 64, 64], [1500, 2000, 60, 64]],
    },
    "pedal on both sides, the same key struck again": {
        "ref": [[0, 200, 60, 64], [600, 700, 60, 64]],
        "ref_pedal": [[100, 1000]],
        "est": [[0, 300, 60, 64], [600, 900, 60, 64]],
        "est_pedal": [[150, 1000]],
    },
    "nothing found": {"ref": CHORD, "est": []},
    "nothing played": {"ref": [], "est": CHORD},
    "nothing at all": {"ref": [], "est": []},
}


def most_pairs(ref, est, fits, i=0, used=frozenset()):
    """Largest number of one-to-one pairs (i, j) with fits(ref[i], est[j]), by trying them all."""
    if i == len(ref):
        return 0
    best = most_pairs(ref, est, fits, i + 1, used)
    for j, note in enumerate(est):
        if j not in used and fits(ref[i], note):
            best = max(best, 1 + most_pairs(ref, est, fits, i + 1, used | {j}))
    return best


def onset_fits(r, e):
    return r[2] == e[2] and abs(r[0] - e[0]) <= 50


def offset_fits(r, e):
    return onset_fits(r, e) and abs(r[1] - e[1]) <= max(50, Fraction(r[1] - r[0], 5))


def with_pedal(notes, spans):
    """Key releases inside a pedal span move to its end, but not past the next onset of the same key."""
    extended = []
    for onset, offset, pitch, velocity in notes:
        end = max([offset] + [up for down, up in spans if down <= offset < up])
        again = [a for a, _, p, _ in notes if p == pitch and a > onset]
        extended.append([onset, max(offset, min([end, *again])), pitch, velocity])
    return extended


def sounding(notes):
    """Set of (pitch, frame of 10 ms) in which a key is held."""
    return {(p, t) for a, b, p, _ in notes for t in range(a // 10, b // 10)}


def counts(matched, ref, est):
    ratio = lambda top, bottom: top / bottom if bottom else 0.0  # noqa: E731
    return {
        "precision": ratio(matched, est),
        "recall": ratio(matched, ref),
        "f1": ratio(2 * matched, ref + est),
        "accuracy": ratio(matched, ref + est - matched),
        "matched": matched,
        "ref": ref,
        "est": est,
    }


def expected(case):
    ref, est = case["ref"], case["est"]
    ref_rings, est_rings = with_pedal(ref, case.get("ref_pedal", [])), with_pedal(est, case.get("est_pedal", []))
    sizes = len(ref), len(est)
    onset = most_pairs(ref, est, onset_fits)
    ref_frames, est_frames = sounding(ref), sounding(est)
    union = sum(sizes) - onset
    return {
        "note_accuracy": onset / union if union else 0.0,
        "onset": counts(onset, *sizes),
        "onset_offset_key": counts(most_pairs(ref, est, offset_fits), *sizes),
        "onset_offset_pedal": counts(most_pairs(ref_rings, est_rings, offset_fits), *sizes),
        "frame": counts(len(ref_frames & est_frames), len(ref_frames), len(est_frames)),
    }


if __name__ == "__main__":
    golden = [{"name": name, **case, "expected": expected(case)} for name, case in CASES.items()]
    Path(__file__).with_name("metrics.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
