"""Right-hand figuration: runs, arpeggios, broken chords, repeated notes and chords, tremolo, thickened melodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from s2s_lib.compose.grid import ScoreNote, Setting, between, chance, pick
from s2s_lib.compose.harmony import Harmony, voice_chord
from s2s_lib.compose.theory import ladder, move, nearest
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH

MIDDLE = 60  # where a sweep over the keyboard goes from hand to hand
# keys of a chord from the lowest up, in the order in which figures take them, by how many notes a group has
BROKEN = {
    3: ((0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0)),
    4: ((0, 2, 1, 2), (0, 1, 2, 1), (2, 1, 0, 1), (0, 1, 2, 3), (3, 2, 1, 0), (0, 3, 1, 2), (2, 0, 1, 0)),
    6: ((0, 1, 2, 3, 2, 1), (0, 2, 1, 2, 1, 2), (0, 1, 2, 1, 2, 1), (3, 2, 1, 0, 1, 2), (0, 3, 2, 3, 1, 3)),
}
MURMURS = {  # oscillations in close position
    3: ((0, 1, 2), (0, 2, 1), (2, 1, 0)),
    4: ((0, 1), (0, 1, 2, 1), (0, 2), (0, 1, 0, 2), (2, 1, 0, 1)),
    6: ((0, 1), (0, 1, 2, 1, 2, 1), (0, 2), (0, 2, 1, 2, 1, 2), (2, 1, 0, 1, 0, 1)),
}
CHROMATIC = tuple(range(12))


class Figurist:
    """Fills bars with running figures; goes on from where the last bar ended."""

    def __init__(self, rng: np.random.Generator, setting: Setting, harmony: Harmony):
        self.rng, self.setting, self.harmony = rng, setting, harmony
        self.low, self.high = setting.right
        self.pitch = round(between(rng, self.low + 3, self.high - 3))
        self.direction = pick(rng, (-1, 1))
        self.patterns: dict[tuple[str, str, int], tuple[int, ...]] = {}  # by kind of figure, section, size of group

    def fill(self, kind: str, start: int, end: int, step: int, section: str) -> list[ScoreNote]:
        """Notes of one kind of figure for start..end, one every `step` ticks."""
        if kind in ("scales", "arpeggios", "chromatic", "double notes"):
            notes = self._wave(start, end, step, kind)
            return thicken("thirds", notes, self.harmony) if kind == "double notes" else notes
        if kind == "broken":
            return self._broken(start, end, step, section)
        if kind == "tremolo":
            return self._tremolo(start, end, step)
        if kind in ("murmur", "chordal"):
            return self._close_position(kind, start, end, step, section)
        if kind == "broken octaves":
            return self._broken_octaves(start, end, step)
        return self._repeated(start, end, step)

    def _wave(self, start: int, end: int, step: int, kind: str) -> list[ScoreNote]:
        """Up and down through the scale, chord or all keys, turning at the register's ends, now and then on a beat."""
        notes = []
        for onset in range(start, end, step):
            chord = self.harmony.at(onset)
            classes = CHROMATIC if kind == "chromatic" else chord.tones if kind == "arpeggios" else chord.scale
            if onset == start:
                self.pitch = nearest(chord.tones, self.pitch, self.low, self.high)
            else:
                if onset % self.setting.beat == 0 and chance(self.rng, 0.2):
                    self.direction = -self.direction
                moved = move(classes, self.pitch, self.direction)
                if not self.low <= moved <= self.high or moved == self.pitch:
                    self.direction = -self.direction
                    moved = move(classes, self.pitch, self.direction)
                self.pitch = moved
            notes.append(ScoreNote(onset, min(step, end - onset), self.pitch, "R", "figure"))
        return notes

    def _broken(self, start: int, end: int, step: int, section: str) -> list[ScoreNote]:
        """A chord broken in one pattern that the section keeps, as in preludes and études."""
        pattern, notes, voicing, before = self._pattern("broken", BROKEN, section, step), [], [], -1
        for i, onset in enumerate(range(start, end, step)):
            index = self.harmony.index(onset)
            if index != before:
                centre = min(max(self.pitch, self.low + 8), self.high - 8)
                voicing = voice_chord(self.harmony.spans[index].chord.tones, voicing, centre - 8, centre + 8, 4)
                voicing = [*voicing, *(p + 12 for p in voicing)][:4]
                before = index
            pitch = min(voicing[pattern[i % len(pattern)]], HIGHEST_PITCH)
            notes.append(ScoreNote(onset, min(step, end - onset), pitch, "R", "figure"))
        self._drift(voicing[0] if voicing else self.pitch)
        return notes

    def _pattern(
        self, kind: str, patterns: dict[int, tuple[tuple[int, ...], ...]], section: str, step: int
    ) -> tuple[int, ...]:
        """The order of keys that a section keeps for one kind of figure."""
        group = self.setting.group(step)
        key = (kind, section, group)
        if key not in self.patterns:
            self.patterns[key] = pick(self.rng, patterns[group])
        return self.patterns[key]

    def _repeated(self, start: int, end: int, step: int) -> list[ScoreNote]:
        """Repeated notes that move with the beat, as in toccatas."""
        notes = []
        for beat in range(start, end, self.setting.beat):
            chord = self.harmony.at(beat)
            self.pitch = nearest(chord.tones, move(chord.scale, self.pitch, pick(self.rng, (-2, -1, 1, 2))),
                                 self.low, self.high)  # fmt: skip
            for onset in range(beat, min(beat + self.setting.beat, end), step):
                notes.append(ScoreNote(onset, min(step, end - onset), self.pitch, "R", "figure", 1, "detached"))
        return notes

    def _close_position(self, kind: str, start: int, end: int, step: int, section: str) -> list[ScoreNote]:
        """The chord in close position: struck again and again, or murmuring between its keys."""
        notes: list[ScoreNote] = []
        voicing: list[int] = []
        pattern = self._pattern("murmur", MURMURS, section, step)
        for i, onset in enumerate(range(start, end, step)):
            if i == 0 or onset in self.harmony.starts:
                centre = min(max(self.pitch, self.low + 7), self.high - 7)
                voicing = voice_chord(self.harmony.at(onset).tones, voicing, centre - 7, centre + 7)
            chosen = voicing if kind == "chordal" else [voicing[pattern[i % len(pattern)] % len(voicing)]]
            for pitch in chosen:
                role = "figure" if kind == "murmur" else "melody" if pitch == voicing[-1] else "inner"
                touch = "detached" if kind == "chordal" else "legato"
                notes.append(ScoreNote(onset, min(step, end - onset), min(pitch, HIGHEST_PITCH), "R", role, 1, touch))
        self._drift(voicing[-1] if voicing else self.pitch)
        return notes

    def _broken_octaves(self, start: int, end: int, step: int) -> list[ScoreNote]:
        """Lower and upper octave in turn along the scale, as in Clementi."""
        notes = self._wave(start, end, 2 * step, "scales")
        lower = [note._replace(duration=min(step, note.duration)) for note in notes]
        upper = [note._replace(onset=note.onset + step, pitch=note.pitch + 12) for note in lower]
        upper = [note._replace(duration=min(step, end - note.onset)) for note in upper if note.onset < end]
        return sorted(lower + [note for note in upper if note.pitch <= HIGHEST_PITCH])

    def _tremolo(self, start: int, end: int, step: int) -> list[ScoreNote]:
        """The chord's lowest note and its upper ones in quick alternation."""
        notes, voicing = [], []
        for i, onset in enumerate(range(start, end, step)):
            if i == 0 or onset in self.harmony.starts:
                centre = min(max(self.pitch, self.low + 7), self.high - 7)
                voicing = voice_chord(self.harmony.at(onset).tones, voicing, centre - 7, centre + 7)
            for pitch in voicing[:1] if i % 2 else voicing[1:]:
                notes.append(ScoreNote(onset, min(step, end - onset), min(pitch, HIGHEST_PITCH), "R", "figure"))
        self._drift(voicing[-1] if voicing else self.pitch)
        return notes

    def _drift(self, pitch: int) -> None:
        """Starts the next bar a little higher or lower, within the register."""
        moved = pitch + pick(self.rng, (-4, -2, 0, 2, 4, 5))
        self.pitch = min(max(moved, self.low + 2), self.high - 2)


def sweep(rng: np.random.Generator, setting: Setting, harmony: Harmony, start: int, end: int) -> list[ScoreNote]:
    """A scale or arpeggio across the keyboard through both hands, up to its top key or down to its bottom one."""
    step = setting.fast_step(between(rng, 10, 15))
    onsets = range(start, end, step)
    chord = harmony.at(start)
    rungs = ladder(chord.scale if chance(rng, 0.4) else chord.tones)
    count = min(len(rungs), len(onsets))
    first = pick(rng, (0, len(rungs) - count, int(rng.random() * (len(rungs) - count + 1))))
    path = rungs[first : first + count]
    path = path if chance(rng, 0.6) else path[::-1]
    notes = []
    for i, onset in enumerate(onsets):
        turn = i % (2 * count - 2) if count > 1 else 0
        pitch = path[turn if turn < count else 2 * count - 2 - turn]
        hand = "R" if pitch >= MIDDLE else "L"
        notes.append(ScoreNote(onset, min(step, end - onset), pitch, hand, "figure"))
    return notes


def thicken(kind: str, notes: Sequence[ScoreNote], harmony: Harmony) -> list[ScoreNote]:
    """A melody with lower octaves, thirds, sixths, or chord tones under its longer notes."""
    result = []
    for note in notes:
        result.append(note)
        chord = harmony.at(note.onset)
        if kind == "octaves":
            added = [note.pitch - 12]
        elif kind in ("thirds", "sixths"):
            added = [move(chord.scale, note.pitch, -2 if kind == "thirds" else -5)]
        elif note.duration >= 12:
            added = [move(chord.tones, note.pitch, -1), move(chord.tones, note.pitch, -2)]
            added += [note.pitch - 12] if note.duration >= 24 else []
        else:
            added = []
        for pitch in sorted(set(added)):
            if note.pitch - 12 <= pitch < note.pitch and pitch >= LOWEST_PITCH:
                result.append(note._replace(pitch=pitch, role="inner"))
    return result


def inner_voice(notes: Sequence[ScoreNote], harmony: Harmony, start: int, end: int, step: int) -> list[ScoreNote]:
    """A slower second voice under the right hand's melody: chord tones a third to a fifth below it."""
    voices: list[ScoreNote] = []
    for onset in range(start, end, step):
        above = [n.pitch for n in notes if n.onset < onset + step and onset < n.onset + n.duration]
        if not above or max(above) - min(above) > 9:
            continue  # too wide for one hand to hold a second voice under it
        top = min(above)
        before = voices[-1].pitch if voices else top - 7
        pitch = nearest(harmony.at(onset).tones, min(max(before, top - 7), top - 3), top - 7, top - 3)
        if LOWEST_PITCH <= pitch < top:
            voices.append(ScoreNote(onset, min(step, end - onset), pitch, "R", "inner", 2))
    return voices
