"""Notes that are struck as one: chords, played together or rolled from the lowest key up."""

from __future__ import annotations

from dataclasses import dataclass

from s2s_lib.notes import Note, Performance

CHORD_S = 0.035  # from a chord's first key to its last, where it is not rolled
CHORD_GAP_S, WIDEST_CHORD_S = 0.02, 0.06  # a chord may go on while its keys follow that closely
ROLL_GAP_S, LONGEST_ROLL_S = 0.11, 0.5  # between the keys of a rolled chord, and from its first to its last
HELD_S = 0.03  # by which a rolled chord's keys outlast its last onset
PAUSE = 1.8  # what follows a rolled chord comes this much later than one of its keys after another


@dataclass(frozen=True)
class Cluster:
    """Notes of one hand struck as one: their indices in the performance, their hand, when that was, the first release.

    What is rolled may belong anywhere from `first_s` to `last_s`, also when its other hand began the roll; for all
    else the two are the same time.
    """

    notes: tuple[int, ...]
    hand: str
    first_s: float
    last_s: float
    release_s: float


def find_clusters(performance: Performance, hands: list[str], ornaments: list[str | None]) -> list[Cluster]:
    """The chords and single notes of both hands, sorted by time, without grace notes and the notes inside trills."""
    plain = [i for i, ornament in enumerate(ornaments) if ornament not in ("grace", "trilled")]
    rolls = _rolls(performance, plain, hands)
    clusters = []
    rolled = set()
    for roll in rolls:
        rolled.update(roll)
        start = performance.notes[roll[0]].onset_s
        for hand in "RL":
            own = tuple(i for i in roll if hands[i] == hand)
            if own:
                clusters.append(_cluster(performance.notes, own, hand, start, performance.notes[own[-1]].onset_s))
    for hand in "RL":
        clusters += _chords(performance.notes, [i for i in plain if hands[i] == hand and i not in rolled], hand)
    return sorted(clusters, key=lambda cluster: (cluster.first_s, cluster.notes))


def _chords(notes: tuple[Note, ...], indices: list[int], hand: str) -> list[Cluster]:
    groups: list[list[int]] = []
    for i in indices:
        onset = notes[i].onset_s
        since = onset - notes[groups[-1][0]].onset_s if groups else 1.0
        gap = onset - notes[groups[-1][-1]].onset_s if groups else 1.0
        again = groups and any(notes[i].pitch == notes[j].pitch for j in groups[-1])
        if not again and (since < CHORD_S or (gap < CHORD_GAP_S and since < WIDEST_CHORD_S)):
            groups[-1].append(i)
        else:
            groups.append([i])
    clusters = []
    for group in groups:
        time_s = sum(notes[i].onset_s for i in group) / len(group)
        clusters.append(_cluster(notes, tuple(group), hand, time_s, time_s))
    return clusters


def _cluster(notes: tuple[Note, ...], members: tuple[int, ...], hand: str, first_s: float, last_s: float) -> Cluster:
    return Cluster(members, hand, first_s, last_s, min(notes[i].offset_s for i in members))


def _rolls(performance: Performance, plain: list[int], hands: list[str]) -> list[list[int]]:
    """Runs of rising keys that are all held until after the last of them, and stop there."""
    notes = performance.notes
    found: list[list[int]] = []
    at = 0
    while at < len(plain):
        roll = _rising(notes, plain, at)
        while len(roll) >= 2 and not _is_roll(notes, plain, at, roll, hands):
            roll = roll[:-1]
        if len(roll) >= 2:
            found.append(roll)
        at += max(1, len(roll))
    return found


def _rising(notes: tuple[Note, ...], plain: list[int], at: int) -> list[int]:
    roll = [plain[at]]
    start = notes[plain[at]].onset_s
    for i in plain[at + 1 :]:
        before, note = notes[roll[-1]], notes[i]
        if note.pitch <= before.pitch or note.onset_s - before.onset_s > ROLL_GAP_S:
            break
        if note.onset_s - start > LONGEST_ROLL_S or note.onset_s + HELD_S > min(notes[j].offset_s for j in roll):
            break
        roll.append(i)
    return roll


def _is_roll(notes: tuple[Note, ...], plain: list[int], at: int, roll: list[int], hands: list[str]) -> bool:
    """Whether a run of held rising keys is more than a chord struck together, and no part of a longer run."""
    start, end = notes[roll[0]].onset_s, notes[roll[-1]].onset_s
    if end - start < CHORD_S or (len(roll) == 2 and hands[roll[0]] != hands[roll[1]]):
        return False
    gap = (end - start) / (len(roll) - 1)
    following = at + len(roll)
    return following >= len(plain) or notes[plain[following]].onset_s - end > PAUSE * gap
