"""Performed notes to written ones: places, note values, voices."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from s2s_lib.metre import bar_quarters
from s2s_lib.notes import NotatedNote, Performance, extend_by_pedal
from s2s_lib.score.clusters import Cluster, find_clusters
from s2s_lib.score.ornaments import SIGNED, TRILL_S
from s2s_lib.score.rhythm import find_places, plain_step
from s2s_lib.score.timing import Timing
from s2s_lib.score.values import Sounding, find_values
from s2s_lib.score.voices import Moment, Struck, find_voices

NEIGHBOURS, USUAL = 4, 0.35  # places on each side, and their quantile, by which fingers in the pedal's stead are told


def quantize(
    performance: Performance,
    timing: Timing,
    hands: list[str],
    ornaments: list[str | None],
    smallest: Fraction | None = None,
) -> tuple[NotatedNote, ...]:
    """The written notes of a performance, aligned with `performance.notes`.

    hands: "R" or "L" for each note; ornaments: as `find_ornaments` names them. `smallest` is the smallest note value
    as a fraction of a whole note: no note, rest or tied part is written in a shorter one, unless the metre's beat is
    shorter; triplets are written as the notes they are three of, and a note that comes between two places shares the
    one before. Without it the smallest is a 16th, and a 32nd where notes follow each other faster. Grace notes and
    those that a sign stands for have no duration, the former at the place of the note they lead to, the latter at that
    of the sign.
    """
    clusters = find_clusters(performance, hands, ornaments)
    written: dict[int, NotatedNote] = {}
    if clusters:
        places = find_places(clusters, timing, smallest)
        ends_s = _ends(performance, hands, ornaments)
        for hand in "RL":
            own = [(c, p) for c, p in zip(clusters, places, strict=True) if c.hand == hand]
            if own:
                elsewhere = {p for c, p in zip(clusters, places, strict=True) if c.hand != hand}
                may_end = _may_end({p for _, p in own}, timing.beat_quarters, smallest)
                written |= _write_hand(performance, timing, own, ends_s, elsewhere, may_end)
    anchors = [(c.first_s, c.notes[0], c.hand) for c in clusters]
    for i, (hand, ornament) in enumerate(zip(hands, ornaments, strict=True)):
        if i in written:
            written[i] = replace(written[i], ornament=ornament)
        else:
            anchor = _anchor(performance.notes[i].onset_s, ornament, [a for a in anchors if a[2] == hand] or anchors)
            place, voice = (written[anchor].onset_beat, written[anchor].voice) if anchor is not None else (0.0, 1)
            written[i] = NotatedNote(place, 0.0, hand, voice, ornament)
    return tuple(written[i] for i in range(len(performance.notes)))


def _anchor(onset_s: float, ornament: str | None, anchors: list[tuple[float, int, str]]) -> int | None:
    """The note that a grace note leads to, or the one before a note that a sign stands for."""
    if not anchors:
        return None
    at = bisect_left(anchors, (onset_s,)) - (0 if ornament == "grace" else 1)
    return anchors[min(max(at, 0), len(anchors) - 1)][1]


def _ends(performance: Performance, hands: list[str], ornaments: list[str | None]) -> np.ndarray:
    """Key releases in seconds (n,); a note with a sign ends with the last of those that the sign stands for."""
    ends_s = np.array([note.offset_s for note in performance.notes])
    signed: dict[str, tuple[int, float]] = {}  # by hand: the note with the sign, the ornament's last onset so far
    for i, (hand, ornament) in enumerate(zip(hands, ornaments, strict=True)):
        onset_s = performance.notes[i].onset_s
        if ornament in SIGNED:
            signed[hand] = i, onset_s
        elif ornament == "trilled" and hand in signed and onset_s - signed[hand][1] <= TRILL_S[1]:
            sign = signed[hand][0]
            ends_s[sign] = max(ends_s[sign], ends_s[i])
            signed[hand] = sign, onset_s
    return ends_s


def _write_hand(
    performance: Performance,
    timing: Timing,
    clusters: list[tuple[Cluster, Fraction]],
    ends_s: np.ndarray,
    elsewhere: set[Fraction],
    may_end: Callable[[Fraction], bool],
) -> dict[int, NotatedNote]:
    """The written notes of one hand, from its clusters and their places, by index."""
    notes = performance.notes
    at: dict[Fraction, list[int]] = {}
    for cluster, place in clusters:
        at.setdefault(place, []).extend(cluster.notes)
    places = sorted(at)
    moments = []
    for place in places:
        struck = [Struck(i, notes[i].pitch, float(ends_s[i]) - notes[i].onset_s) for i in at[place]]
        time_s = min(notes[i].onset_s for i in at[place])
        moments.append(Moment(time_s, tuple(sorted(struck, key=lambda s: -s.pitch))))
    voices = find_voices(_with_usual(moments))
    bar = bar_quarters(timing.time_signature)
    extended = extend_by_pedal(performance)
    events: dict[tuple[Fraction, int], list[int]] = {}
    for place in places:
        for i in at[place]:
            events.setdefault((place, voices[i][0]), []).append(i)
    soundings = []
    for (place, _), members in events.items():
        onset = float(timing.quarters(np.array(np.mean([notes[i].onset_s for i in members]))))
        release = float(timing.quarters(np.array(np.median([ends_s[i] for i in members]))))
        following = voices[members[0]][1]
        until = places[following] if following is not None else _last(place, release, bar)
        rings = np.median([extended[i].offset_s for i in members])
        pedalled = float(timing.quarters(np.array(rings))) > float(until) - 0.1 and rings > ends_s[members[0]]
        soundings.append(Sounding(place, max(release - onset, 0.01), until, bool(pedalled), following is None))
    values = find_values(soundings, timing.beat_quarters, bar, elsewhere, may_end)
    written = {}
    for ((place, voice), members), value in zip(events.items(), values, strict=True):
        for i in members:
            written[i] = NotatedNote(float(place), float(value), clusters[0][0].hand, voice)
    return written


def _may_end(places: set[Fraction], beat: Fraction, smallest: Fraction | None) -> Callable[[Fraction], bool]:
    """Whether a hand's note may end at a place that is none of the hand's own.

    Under a smallest value it may at every step of that value, but only at the ends of beats divided against their
    metre, so that nothing shorter is left there.
    """
    if smallest is None:
        return lambda place: True
    step = plain_step(beat, smallest)
    against = {place // beat for place in places if place % step}
    return lambda place: place % beat == 0 or (place % step == 0 and place // beat not in against)


def _last(place: Fraction, release: float, bar: Fraction) -> Fraction:
    """Where a voice's last note may end: with the bar in which its key comes up."""
    end = (place // bar + 1) * bar
    while end < release - float(bar) / 4:
        end += bar
    return end


def _with_usual(moments: list[Moment]) -> list[Moment]:
    """The moments with how much longer than to the next one keys are usually held around each."""
    ratios = []
    for moment, following in pairwise(moments):
        until = max(following.time_s - moment.time_s, 0.02)
        ratios.append(float(np.median([note.held_s for note in moment.notes])) / until)
    found = []
    for i, moment in enumerate(moments):
        around = ratios[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1]
        found.append(replace(moment, usual=max(1.0, float(np.quantile(around, USUAL)))) if around else moment)
    return found
