"""Left-hand accompaniments: how the chords of a phrase are laid out in time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from s2s_lib.compose.grid import QUARTER, ScoreNote, Setting
from s2s_lib.compose.harmony import Span, bass_line, voice_chord
from s2s_lib.compose.theory import ladder, move, nearest
from s2s_lib.notes import LOWEST_PITCH


@dataclass(frozen=True)
class Place:
    """One chord as the left hand meets it: its span, bass pitch, close voicing above, the next chord's bass."""

    span: Span
    bass: int
    voicing: tuple[int, ...]
    next_bass: int
    setting: Setting
    step: int

    def rungs(self, *steps: int) -> list[int]:
        """Pitches counted in chord tones upwards from the bass, none above the hand's register."""
        tones = ladder(self.span.chord.tones)
        at = bisect_left(tones, self.bass)
        high = min(max(self.setting.left[1], self.bass + 16), max(self.setting.right[0], self.bass + 12))
        return [p for p in (tones[min(at + step, len(tones) - 1)] for step in steps) if p <= high]

    @property
    def group(self) -> int:
        return self.setting.group(self.step)

    def onsets(self) -> range:
        return range(self.span.start, self.span.end, self.step)

    def note(self, onset: int, pitch: int, role: str, duration: int = 0, touch: str = "legato") -> ScoreNote:
        """A note of the left hand, of one step unless `duration` is given, at most to the chord's end."""
        return ScoreNote(onset, min(duration or self.step, self.span.end - onset), pitch, "L", role, 1, touch)


def accompany(
    kind: str, step: int, spans: Sequence[Span], setting: Setting, previous: Sequence[int] = ()
) -> tuple[list[ScoreNote], Sequence[int]]:
    """The left hand's notes over `spans` and its last voicing, from which the next phrase goes on."""
    low, high = setting.left
    basses = bass_line(spans, low, min(low + 14, high))
    floor = min(max(low + 5, 45), high - 12)  # close chords further down are mud
    size = 2 if setting.complexity == "simple" and kind in ("block", "held") else 3
    notes: list[ScoreNote] = []
    for number, (span, bass) in enumerate(zip(spans, basses, strict=True)):
        previous = voice_chord(span.chord.tones, previous, floor, high, size)
        upcoming = basses[min(number + 1, len(basses) - 1)]
        notes += TEXTURES[kind](Place(span, bass, tuple(previous), upcoming, setting, step))
    return notes, previous


def block(place: Place) -> list[ScoreNote]:
    """Repeated chords in close position."""
    touch = "detached" if place.step <= 12 else "legato"
    return [place.note(onset, pitch, "chord", touch=touch) for onset in place.onsets() for pitch in place.voicing]


def held(place: Place) -> list[ScoreNote]:
    """One chord for the whole span over its bass: tenor tones within the hand's reach of the bass."""
    length = place.span.end - place.span.start
    reach = [p for p in place.rungs(2, 3) if 0 < p - place.bass <= 12]
    size = int(place.span.start % (2 * place.setting.bar) == 0) if place.setting.complexity == "simple" else 2
    bass = place.note(place.span.start, place.bass, "bass", length, touch="held")
    return [bass] + [place.note(place.span.start, p, "chord", length, touch="held") for p in reach[:size]]


def alberti(place: Place) -> list[ScoreNote]:
    """Low, high, middle, high: the broken chord of Alberti and Mozart; by threes low, middle, high."""
    low, middle, high = place.voicing[0], place.voicing[1], place.voicing[-1]
    cycle = {3: (low, middle, high), 4: (low, high, middle, high), 6: (low, high, middle, high, middle, high)}[
        place.group
    ]
    return [place.note(onset, cycle[i % len(cycle)], "bass" if i == 0 else "figure")
            for i, onset in enumerate(place.onsets())]  # fmt: skip


def tenths(place: Place) -> list[ScoreNote]:
    """Broken tenths: bass, fifth, tenth, fifth; by threes bass, fifth, tenth."""
    return _cycle(place, place.rungs(*{3: (0, 2, 4), 4: (0, 2, 4, 2), 6: (0, 2, 4, 2, 4, 2)}[place.group]))


def nocturne(place: Place) -> list[ScoreNote]:
    """A wide arpeggio up from the bass and back, as in Field and Chopin."""
    steps = (0, 2, 3, 4, 5, 4, 3, 2) if place.group == 4 else (0, 2, 4, 5, 4, 2)
    return _cycle(place, place.rungs(*steps)) + _octave_below(place, place.step)


def _cycle(place: Place, cycle: list[int]) -> list[ScoreNote]:
    return [place.note(onset, cycle[i % len(cycle)], "bass" if i == 0 else "figure")
            for i, onset in enumerate(place.onsets())]  # fmt: skip


def _octave_below(place: Place, duration: int) -> list[ScoreNote]:
    """The first bass note's lower octave, in complex pieces and where the keyboard has it."""
    if place.setting.complexity != "complex" or place.bass - 12 < LOWEST_PITCH:
        return []
    return [place.note(place.span.start, place.bass - 12, "inner", duration)]


def waltz(place: Place) -> list[ScoreNote]:
    """Bass on the downbeat (the fifth on other strong beats), chords on the beats after it."""
    setting, notes = place.setting, []
    unit = 12 if setting.beat == 36 else QUARTER
    group = 3 if setting.bar == 72 else 2  # oom-pah-pah, or oom-pah
    for onset in range(place.span.start, place.span.end, unit):
        if onset // unit % group == 0:
            bass = place.bass if onset == place.span.start else _other_bass(place)
            notes.append(place.note(onset, bass, "bass", unit, touch="detached"))
            notes += _octave_below(place, unit) if onset == place.span.start else []
        else:
            notes += [place.note(onset, pitch, "chord", unit, touch="staccato") for pitch in place.voicing]
    return notes


def _other_bass(place: Place) -> int:
    """The chord's fifth near the bass, for the second strong beat of a bar."""
    return nearest(place.span.chord.tones[2:3], place.bass - 3, *place.setting.left)


def octaves(place: Place) -> list[ScoreNote]:
    """The bass in octaves; where it repeats it moves through the chord."""
    low, high = place.setting.left
    bottom = place.bass if place.bass + 12 <= max(high, low + 24) else place.bass - 12
    tones = place.span.chord.tones
    notes = []
    for i, onset in enumerate(place.onsets()):
        pitch = bottom if i % 4 in (0, 1) else move(tones, bottom, 1 if i % 4 == 2 else 2)
        touch = "detached" if place.step <= 12 else "legato"
        notes += [place.note(onset, pitch, "bass", touch=touch), place.note(onset, pitch + 12, "inner", touch=touch)]
    return notes


def murky(place: Place) -> list[ScoreNote]:
    """The murky bass: low and upper octave in turn, drumming; by threes one low and two high."""
    bottom = place.bass if place.bass + 12 <= max(place.setting.left[1], 60) else place.bass - 12
    turn = 3 if place.group == 3 else 2
    return [place.note(onset, bottom + 12 * (i % turn > 0), "bass" if i == 0 else "figure")
            for i, onset in enumerate(place.onsets())]  # fmt: skip


def walking(place: Place) -> list[ScoreNote]:
    """A bass that walks through scale and chord tones and reaches the next bass by step."""
    count = len(place.onsets())
    scale, notes, pitch = place.span.chord.scale, [], place.bass
    low, high = place.setting.left
    for i, onset in enumerate(place.onsets()):
        if i == count - 1 and count > 1:  # the approach: a step above or below the next bass
            pitch = move(scale, place.next_bass, -1 if place.next_bass > pitch else 1)
        elif i:
            direction = 1 if place.next_bass > pitch or (place.next_bass == pitch and i < count / 2) else -1
            direction = 1 if pitch <= low else -1 if pitch >= high else direction
            tones = place.span.chord.tones if i % 2 == 0 else scale
            pitch = move(tones, pitch, direction)
        notes.append(place.note(onset, pitch, "bass"))
    return notes


def tremolo(place: Place) -> list[ScoreNote]:
    """Bass and the tones above it in quick alternation."""
    upper = [p for p in place.rungs(2, 3) if p - place.bass <= 12] or [place.bass + 12]
    notes = []
    for i, onset in enumerate(place.onsets()):
        struck = [place.bass] if i % 2 == 0 else upper
        notes += [place.note(onset, pitch, "bass" if i == 0 else "figure") for pitch in struck]
    return notes


def crossing(place: Place) -> list[ScoreNote]:
    """The left hand crosses over: bass below, then an answer above the right hand."""
    setting = place.setting
    above = nearest(place.span.chord.tones, min(setting.right[1] + 5, 106))
    notes = [place.note(place.span.start, place.bass, "bass", setting.beat, touch="detached")]
    for onset in range(place.span.start + setting.beat, place.span.end, 2 * setting.beat):
        notes.append(place.note(onset, above, "melody", setting.beat, touch="staccato"))
    return notes


TEXTURES: dict[str, Callable[[Place], list[ScoreNote]]] = {
    "block": block, "held": held, "alberti": alberti, "tenths": tenths, "nocturne": nocturne, "waltz": waltz,
    "octaves": octaves, "walking": walking, "tremolo": tremolo, "crossing": crossing,
    "murky": murky,
}  # fmt: skip
