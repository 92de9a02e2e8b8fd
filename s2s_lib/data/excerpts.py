"""Excerpts of MIDI files: where one may start and end, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from s2s_lib.notes import Note, PedalEvent, Performance, Piece, resolve_overlaps
from s2s_lib.smf import Music

LEAD_S = 0.1  # silence before an excerpt's first onset
SHORTEST_NOTE_S = 0.05  # a note struck later than this before the excerpt's end is left out of it
CHORD_S = 0.03  # an excerpt starts at an onset that follows the one before by more than this
DOWN = 64  # value from which the pedal counts as down
WRITTEN = 0.5  # share of onsets on the grid from which a file is written music, not a recording


class Limits(NamedTuple):
    """What an excerpt must keep: durations in seconds, numbers of notes; both ends are allowed."""

    min_duration: float
    max_duration: float
    min_notes: int
    max_notes: int


@dataclass(frozen=True)
class Places:
    """Where excerpts may start, and for each start the earliest and latest end: indices, and seconds in the file."""

    starts: np.ndarray
    earliest_s: np.ndarray
    latest_s: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)


def find_places(music: Music, limits: Limits) -> Places:
    """All excerpts that keep the limits.

    An excerpt starts 0.1 s before an onset. It is as long as the durations allow, lead included, and ends
    sooner where it would hold more than `max_notes`; it sounds at least until `min_duration`.
    """
    onset_s, offset_s = music.onset_s, music.offset_s
    first = np.flatnonzero(np.diff(onset_s, prepend=-np.inf) > CHORD_S)
    cut_s = onset_s[first] - LEAD_S
    wanted_s = cut_s + limits.min_duration
    # the end must lie behind the last of min_notes and before the first too many, a shortest note's length behind both
    fewest, most = first + limits.min_notes - 1, first + limits.max_notes
    behind_s = np.append(onset_s, np.inf) + SHORTEST_NOTE_S
    earliest_s = np.maximum(wanted_s, behind_s[np.minimum(fewest, len(onset_s))] + 1e-6)
    latest_s = np.minimum(cut_s + limits.max_duration, behind_s[np.minimum(most, len(onset_s))] - 1e-6)
    # something must sound at min_duration; if not, the excerpt reaches to the next note
    after = np.searchsorted(onset_s, wanted_s - SHORTEST_NOTE_S)
    bounds = np.stack((first, np.maximum(after, first + 1)), axis=1).ravel()
    longest_s = np.maximum.reduceat(np.append(offset_s, -np.inf), np.minimum(bounds, len(offset_s)))[::2]
    silent = longest_s < wanted_s
    earliest_s = np.where(silent, np.maximum(earliest_s, behind_s[after] + 1e-6), earliest_s)
    fits = earliest_s <= latest_s
    return Places(first[fits], earliest_s[fits], latest_s[fits])


def cut(music: Music, places: Places, rng: np.random.Generator, source: str) -> Piece:
    """A random excerpt: any moment of the file is as likely as any other to be the start.

    Notes that began before it are left out, notes that sound at its end are released there, and the pedal starts as
    it stands at the cut. Tempo, key and metre are those in force there, as far as the file states them.
    """
    onsets_s = music.onset_s[places.starts]
    # a moment of rest leads to the next start, but a long silence counts no more than two seconds
    weights = np.minimum(np.diff(onsets_s, prepend=onsets_s[0] - 2.0), 2.0)
    chosen = rng.choice(len(places), p=weights / weights.sum())
    first = places.starts[chosen]
    cut_s = float(music.onset_s[first]) - LEAD_S
    end_s = rng.uniform(places.earliest_s[chosen], places.latest_s[chosen])
    last = np.searchsorted(music.onset_s, end_s - SHORTEST_NOTE_S)
    columns = (
        music.onset_s[first:last] - cut_s,
        np.minimum(music.offset_s[first:last], end_s) - cut_s,
        music.pitch[first:last],
        music.velocity[first:last],
    )
    notes = [Note(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    written = music.on_grid >= WRITTEN or len({tempo for _, tempo in music.tempos}) > 1
    return Piece(
        Performance(resolve_overlaps(notes), _pedal(music, cut_s, end_s)),
        time_signature=_in_force(music.metres, cut_s) if written else None,
        key=_in_force(music.keys, cut_s),
        tempo_bpm=_in_force(music.tempos, cut_s) if written else None,
        source=source,
    )


def _pedal(music: Music, cut_s: float, end_s: float) -> tuple[PedalEvent, ...]:
    """The pedal from cut to end: as it stands at first, its movements, and lifted at the end."""
    first, last = np.searchsorted(music.pedal_s, (cut_s, end_s), side="right")
    events = [PedalEvent(0.0, int(music.pedal_value[first - 1]))] if first and music.pedal_value[first - 1] else []
    moves = zip(music.pedal_s[first:last].tolist(), music.pedal_value[first:last].tolist(), strict=True)
    events += [PedalEvent(time_s - cut_s, value) for time_s, value in moves]
    if events and events[-1].value >= DOWN:
        events.append(PedalEvent(end_s - cut_s, 0))
    return tuple(events)


def _in_force(events: tuple[tuple[float, object], ...], time_s: float) -> object | None:
    """The value of the last event not after `time_s`, or of the first if all are; None without any."""
    past = [value for at, value in events if at <= time_s + LEAD_S]
    return past[-1] if past else events[0][1] if events else None
