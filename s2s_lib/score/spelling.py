"""Letter names of pitches: which of its enharmonic spellings the music around a note asks for.

Spellings are places on the line of fifths (Temperley 2001): ... F -1, C 0, G 1, D 2 ... B 5, F# 6 ...
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from s2s_lib.keys import STEPS, fifths_of

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
FLATTEST, SHARPEST = -15, 19  # Fbb and B##
BEFORE, AFTER = 10, 42  # notes that make up a note's surroundings (Meredith 2006)
HARMONIC = np.array([0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5])  # chromatic scale upon a tonic, as places from it
FLATTEST_TONIC = -4  # from the main tonic, where passing ones are looked for: the flat sixth and 11 fifths up from it
LEADING, LEAVING = 5, -5  # the place of a semitone below a note, and of one above it, from the note's own
# Added to the surroundings' votes, which sum to one. By hand, on chorales and string quartets of music21's corpus.
IN_KEY = 0.05  # for the usual spelling in the key
RISING, FALLING = 0.4, 0.2  # for a note foreign to the key that goes on by a semitone upwards or downwards
SOON = 6  # notes within which it does


def spell(pitches: Sequence[int], key: str) -> list[tuple[str, int, int]]:
    """Step "A".."G", alteration -2..2 and octave of MIDI pitches in time order, as music in `key` writes them.

    Every note votes, as often as it sounds around the note to be spelled, for the spelling that this has in the
    harmonic chromatic scale upon it: algorithm ps13s1 of Meredith ("The ps13 pitch spelling algorithm", Journal of New
    Music Research 35(2), 2006). Beyond it, tonics are spelled as near the key's as the line of fifths allows, and
    chromatic notes by where they lead, as in Longuet-Higgins (1976): G# rises to A, Ab falls to G.
    """
    if not len(pitches):
        return []
    heard = np.asarray(pitches)
    fifths = fifths_of(key)
    votes = _votes(heard % 12, fifths, key.endswith("m"))
    chromatic = _from(heard % 12, fifths - 1) - fifths > 5  # none of the seven notes of the signature
    for weight, leads, places in _resolutions(heard, votes.argmax(1) + FLATTEST):
        notes = leads[chromatic[leads]]
        votes[notes, places[chromatic[leads]] - FLATTEST] += weight
    best = votes.argmax(1) + FLATTEST
    return [named(pitch, place) for pitch, place in zip(heard.tolist(), best.tolist(), strict=True)]


def named(pitch: int, place: int) -> tuple[str, int, int]:
    """Step, alteration and octave of a MIDI pitch spelled as the given place on the line of fifths."""
    step, alteration = STEPS[(place + 1) % 7], (place + 1) // 7
    return step, alteration, (pitch - alteration - NATURALS[step]) // 12 - 1


def _votes(classes: np.ndarray, fifths: int, minor: bool) -> np.ndarray:
    """Votes (n, places) on the spellings of n pitch classes, from the notes around each and from the key."""
    count = len(classes)
    index = np.arange(count)
    heard = np.zeros((count + 1, 12))
    heard[1:] = np.cumsum(np.eye(12)[classes], 0)
    around = heard[np.minimum(count, index + AFTER)] - heard[np.maximum(0, index - BEFORE)]
    around /= around.sum(1, keepdims=True)
    votes = np.zeros((count, SHARPEST - FLATTEST + 1))
    for tonic, place in enumerate(_from(np.arange(12), fifths + 3 * minor + FLATTEST_TONIC)):
        votes[index, _within(place + HARMONIC[(classes - tonic) % 12]) - FLATTEST] += around[:, tonic]
    usual = _from(classes, fifths - (2 if minor else 3))  # of a to d# in A minor, of eb to g# in C major
    votes[index, _within(usual) - FLATTEST] += IN_KEY
    return votes


def _resolutions(heard: np.ndarray, places: np.ndarray) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """For each direction its weight, the notes that soon go on by a semitone in it, and the places this gives them."""
    padded = np.concatenate([heard, np.full(SOON, -9)])
    coming = np.lib.stride_tricks.sliding_window_view(padded, SOON + 1)[:, 1:] - heard[:, None]
    never = np.full((len(heard), 1), True)
    first = {step: np.argmax(np.hstack([coming == step, never]), 1) for step in (1, -1)}
    found = []
    for weight, step, interval in ((RISING, 1, LEADING), (FALLING, -1, LEAVING)):
        leads = np.flatnonzero(first[step] < first[-step])
        found.append((weight, leads, _within(places[leads + 1 + first[step][leads]] + interval)))
    return found


def _from(classes: np.ndarray, lowest: int) -> np.ndarray:
    """The places of pitch classes among the twelve from `lowest` upwards."""
    return (7 * classes - lowest) % 12 + lowest


def _within(places: np.ndarray) -> np.ndarray:
    """Places with what would need three accidentals respelled."""
    return np.where(places > SHARPEST, places - 12, np.where(places < FLATTEST, places + 12, places))
