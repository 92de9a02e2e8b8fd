"""Beats, bar lines and metre of a performance, from its notes alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from s2s_lib.metre import TimeSignature, bar_quarters, beat_quarters
from s2s_lib.notes import Performance
from s2s_lib.score.beats_network import METRE_SHARES, METRES, judge
from s2s_lib.score.beats_path import LENGTHS_S, Course, Evidence, best_course
from s2s_lib.score.onsets import Onsets, find_onsets
from s2s_lib.score.timing import Timing

LENGTH_WEIGHT, LENGTH_LEVEL = 0.2, 18.0  # of a beat's length beside its onsets; what makes up for a beat's costs
PULSE_S, PULSE_WIDTH = 0.7, 0.5  # beat felt most readily (van Noorden and Moelants 1999); deviation of its logarithm
METRE_ONSETS = 8.0  # as many onsets, each on its own, would say as much of the metre as all of a piece do
PULSE_SPREAD = 0.12  # of a piece's pulse: standard deviation of the logarithm of its beats' lengths
RUBATO, OTHER_PULSE = 0.35, 4.0  # by how much beats may differ from it (logarithm); cost of one half or twice as long
BAR_LINES = 2.0  # weight of what the beats say of bar lines, on average, against that of where music begins:
OPENING, PICKUP = 0.7, 0.2  # share of music that begins on a downbeat, and on the last beat of a bar
WISH_WIDTH = 0.08  # of a wished tempo: standard deviation of the logarithm
EARLY = 0.12  # of a beat, by which the first onset may come before the first beat
FALLBACK_BPM = 120.0  # quarter notes a minute, where there are too few onsets for a beat to be heard


def find_beats(
    performance: Performance, tempo_bpm: float | None = None, time_signature: TimeSignature | None = None
) -> Timing:
    """The felt beats of a performance of at least one note, from about its first onset or before it past its last.

    A network judges every onset (`beats_network`); dynamic programming finds the likeliest beats, bars and metre
    (`beats_path`), and once more when it is known which pulse holds for most of the piece; where bar lines are in
    doubt, how music begins decides. `tempo_bpm` (quarter notes a minute) says about what tempo is looked for,
    `time_signature` the metre; of its own accord 2/4, 3/4, 4/4 and 6/8 are found. Where no beat can be heard, as in a
    single chord, beats are even. The time it takes grows with the number of onsets.
    """
    metres = METRES if time_signature is None else (time_signature,)
    sought = [(2 * above, 4) if below == 2 else (above, below) for above, below in metres]  # 2/2 as two bars of 2/4
    onsets = find_onsets(performance)
    bars = [int(bar_quarters(metre) / beat_quarters(metre)) for metre in sought]
    evidence = _evidence(onsets, sought, tempo_bpm)
    course = best_course(evidence, bars)
    if course is not None and tempo_bpm is None:
        course = best_course(_held_to(_pulse_s(course), evidence), bars) or course
    if course is not None:
        course = _opened(course, evidence, bars[course.metre])
    else:
        course = _even(onsets, 60 / (tempo_bpm or FALLBACK_BPM) * float(beat_quarters(sought[0])))
    beats_s, place = _to_the_ends(course, onsets)
    time_signature = metres[course.metre]
    if time_signature[1] == 2:  # every other beat, from one that is felt
        beats_s, place = _halved(beats_s, place)
    size = int(bar_quarters(time_signature) / beat_quarters(time_signature))
    return Timing(beats_s, -place % size, time_signature)


def _evidence(onsets: Onsets, metres: list[TimeSignature], tempo_bpm: float | None) -> Evidence:
    """The network's judgement, and the wishes."""
    beat, downbeat, lengths, found = judge(onsets)
    if tempo_bpm is None:
        lengths = LENGTH_WEIGHT * (lengths + LENGTH_LEVEL)
        pace = np.tile(-0.5 * (np.log(LENGTHS_S / PULSE_S) / PULSE_WIDTH) ** 2, (len(metres), 1))
    else:
        lengths = np.zeros_like(lengths)
        felt_s = np.array([60 / tempo_bpm * float(beat_quarters(metre)) for metre in metres])
        pace = -0.5 * (np.log(LENGTHS_S / felt_s[:, None]) / WISH_WIDTH) ** 2
    metre = np.zeros(len(metres))
    if len(metres) == len(METRES):
        prior = np.log(METRE_SHARES)
        metre = METRE_ONSETS * (found.mean(axis=0) - prior) + prior
    return Evidence(onsets.times_s, beat, downbeat, lengths, metre, pace)


def _pulse_s(course: Course) -> float:
    """The beat length that holds for most of the time."""
    lengths_s = np.diff(course.beats_s)
    near = np.exp(-0.5 * (np.log(lengths_s / LENGTHS_S[:, None]) / PULSE_SPREAD) ** 2)
    return float(LENGTHS_S[(near @ lengths_s).argmax()])


def _held_to(pulse_s: float, evidence: Evidence) -> Evidence:
    """The evidence with a price on other pulses, or single stretches would be read at half or double tempo."""
    away = np.clip((np.abs(np.log(LENGTHS_S / pulse_s)) - RUBATO) / (np.log(2) - RUBATO), 0, 1)
    return replace(evidence, pace=evidence.pace - OTHER_PULSE * away**2)


def _opened(course: Course, evidence: Evidence, size: int) -> Course:
    """The course with its likeliest place in bars of `size` beats.

    What the network mistakes it mistakes throughout a piece, so the bar lines' mean evidence, not its sum, is weighed
    against the place that music usually begins on. Composed pieces all begin on a downbeat; no network learns this.
    """
    onset = np.searchsorted(evidence.times_s, course.beats_s - 1e-6).clip(max=len(evidence.times_s) - 1)
    struck = np.abs(evidence.times_s[onset] - course.beats_s) < 1e-5
    first = int(np.abs(course.beats_s - evidence.times_s[0]).argmin())
    odds = evidence.downbeat[onset]

    def likelihood(place: int) -> float:
        places = (place + np.arange(len(onset))) % size
        downbeats, others = struck & (places == 0), struck & (places != 0)
        means = (-np.logaddexp(0, side).mean() for side in (-odds[downbeats], odds[others]) if len(side))
        return BAR_LINES * sum(means) + float(np.log(_usual(int(places[first]), size)))

    return replace(course, place=max(range(size), key=likelihood))


def _usual(place: int, size: int) -> float:
    """Share of music that begins on this place of a bar of `size` beats."""
    if place == 0:
        return OPENING
    return PICKUP if place == size - 1 else (1 - OPENING - PICKUP) / (size - 2)


def _even(onsets: Onsets, length_s: float) -> Course:
    """Beats of one length from the first onset on."""
    return Course(onsets.times_s[0] + length_s * np.arange(2), 0, 0)


def _to_the_ends(course: Course, onsets: Onsets) -> tuple[np.ndarray, int]:
    """The beats with as many before and after them as the notes need, and the first one's place."""
    beats_s = course.beats_s
    head_s, tail_s = beats_s[1] - beats_s[0], beats_s[-1] - beats_s[-2]
    before = int(np.ceil(max(0.0, (beats_s[0] - onsets.onset_s[0]) / head_s - EARLY)))
    after = int(np.ceil(max(0.0, (onsets.onset_s[-1] - beats_s[-1]) / tail_s)))
    earlier, later = beats_s[0] - head_s * np.arange(before, 0, -1), beats_s[-1] + tail_s * np.arange(1, after + 1)
    return np.concatenate([earlier, beats_s, later]), course.place - before


def _halved(beats_s: np.ndarray, place: int) -> tuple[np.ndarray, int]:
    """Every other beat, those at even places, with one more at either end where one is cut off."""
    if place % 2:
        beats_s, place = np.concatenate([[2 * beats_s[0] - beats_s[1]], beats_s]), place - 1
    if len(beats_s) % 2 == 0:
        beats_s = np.append(beats_s, 2 * beats_s[-1] - beats_s[-2])
    return beats_s[::2], place // 2
