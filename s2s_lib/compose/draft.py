"""The written music: both hands phrase by phrase, ornaments, runs across the keyboard, and a close."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from s2s_lib.compose.figuration import Figurist, inner_voice, sweep, thicken
from s2s_lib.compose.grid import ScoreNote, Setting, chance, pick, separate
from s2s_lib.compose.harmony import Harmony, Phrase
from s2s_lib.compose.melody import Melodist
from s2s_lib.compose.ornaments import ornament
from s2s_lib.compose.style import SUNG, Style, passage_steps
from s2s_lib.compose.texture import accompany
from s2s_lib.compose.theory import ladder, move, nearest
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH

SWEEPS = {"simple": 0.0, "medium": 0.15, "complex": 0.2}  # chance per phrase of a run across the keyboard
CHANGES_OF_STEP = {"simple": 0.0, "medium": 0.3, "complex": 0.5}  # chance per bar of figures to run faster or slower
BREAKS = {"simple": 0.0, "medium": 0.15, "complex": 0.2}  # chance per bar of figures to hold one note for a beat
PAUSES = {"simple": 0.0, "medium": 0.25, "complex": 0.25}  # chance per phrase to stop before its end
PASSAGES = {"simple": 0.05, "medium": 0.15, "complex": 0.3}  # chance per melody bar of a run or arpeggio instead


@dataclass
class Draft:
    """A piece while it is written: its notes and the names of what occurs in it."""

    notes: list[ScoreNote] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)


def write(rng: np.random.Generator, setting: Setting, styles: dict[str, Style], harmony: Harmony, length: int) -> Draft:
    """Both hands, phrase by phrase, and a last chord."""
    draft = Draft()
    low, high = setting.right
    melodist = Melodist(rng, setting, harmony, low + 2, min(high, low + 24))
    tenor_high = min(setting.left[1], low - 1)
    tenor = Melodist(rng, setting, harmony, max(LOWEST_PITCH, min(setting.left[0] + 6, tenor_high - 14)), tenor_high)
    figurist = Figurist(rng, setting, harmony)
    voicing: list[int] = []
    for phrase in harmony.phrases:
        style = styles[phrase.section]
        last = phrase is harmony.phrases[-1]
        right = _right_hand(rng, setting, harmony, phrase, style, melodist, figurist, last, draft.tags)
        if style.left == "counterpoint":
            role = "figure" if style.right in SUNG else "melody"  # under figuration the left hand has the tune
            left = [note._replace(role=role) for note in tenor.sing(phrase, style.left_activity, last, hand="L")]
        elif style.left == "unison" and style.right not in SUNG:
            left = [note._replace(pitch=p, hand="L") for note in right if (p := note.pitch - 12) >= LOWEST_PITCH]
        else:
            spans = harmony.within(phrase.start, phrase.end)
            kind = "octaves" if style.left == "unison" else style.left
            left, voicing = accompany(kind, style.left_step, spans, setting, voicing)
        draft.tags.add(f"left {style.left}")
        both = _with_sweep(rng, setting, harmony, phrase, right + left, draft.tags)
        draft.notes += both if last else _with_pause(rng, setting, phrase, both)
    if length > setting.bar:
        draft.notes = _close(setting, harmony, draft.notes, length)
    draft.notes = _clean(draft.notes, length)
    return draft


def _right_hand(
    rng: np.random.Generator, setting: Setting, harmony: Harmony, phrase: Phrase, style: Style,
    melodist: Melodist, figurist: Figurist, last: bool, tags: set[str],
) -> list[ScoreNote]:  # fmt: skip
    tags.add(f"right {style.right}")
    final = _last_bar(setting, phrase)
    if style.right not in SUNG:
        running = _fill(rng, setting, figurist, style.right, phrase.start, final, style.right_step, phrase.section)
        return running + melodist.sing(replace(phrase, start=final), 1.0, last)
    sung = [note._replace(touch=style.touch) for note in melodist.sing(phrase, style.right_activity, last)]
    passage: list[ScoreNote] = []
    for start in range(phrase.start + setting.bar, final, setting.bar):
        if chance(rng, PASSAGES[setting.complexity]):
            kind, step = pick(rng, ("scales", "arpeggios")), pick(rng, passage_steps(setting))
            passage += _fill(rng, setting, figurist, kind, start, start + setting.bar, step, phrase.section)
            sung = [note for note in sung if not start <= note.onset < start + setting.bar]
            tags.add(f"right {kind}")
    if style.right == "two voices":
        step = setting.beat * (1 if chance(rng, 0.5) else 2)
        return sung + passage + inner_voice(sung, harmony, phrase.start, phrase.end, step)
    if style.right != "melody":
        return thicken(style.right, sung, harmony) + passage
    return ornament(rng, setting, harmony, sung, tags) + passage


def _last_bar(setting: Setting, phrase: Phrase) -> int:
    """The tick at which a phrase's last bar begins."""
    return phrase.start + (phrase.end - phrase.start - 1) // setting.bar * setting.bar


def _fill(
    rng: np.random.Generator, setting: Setting, figurist: Figurist, kind: str, start: int, end: int, step: int,
    section: str,
) -> list[ScoreNote]:  # fmt: skip
    """Figures bar by bar, some bars at another subdivision."""
    notes = []
    for bar in range(start, end, setting.bar):
        other = chance(rng, CHANGES_OF_STEP[setting.complexity])
        step_here = pick(rng, passage_steps(setting)) if other and kind != "tremolo" else step
        filled = figurist.fill(kind, bar, min(bar + setting.bar, end), step_here, section)
        if setting.bar > setting.beat and chance(rng, BREAKS[setting.complexity]):
            filled = _broken_off(filled, bar + setting.beat * pick(rng, range(setting.bar // setting.beat)), setting)
        notes += filled
    return notes


def _broken_off(notes: list[ScoreNote], start: int, setting: Setting) -> list[ScoreNote]:
    """The figure with what begins at `start` held for a beat, and the rest of that beat left out."""
    end = start + setting.beat
    held = [note._replace(duration=setting.beat) if note.onset == start else note for note in notes]
    return [note for note in held if not start < note.onset < end]


def _with_sweep(
    rng: np.random.Generator, setting: Setting, harmony: Harmony, phrase: Phrase, notes: list[ScoreNote],
    tags: set[str],
) -> list[ScoreNote]:  # fmt: skip
    """Now and then one bar of the phrase gives way to a run across the keyboard."""
    bars = range(phrase.start, phrase.end - setting.bar, setting.bar)
    if not bars or not chance(rng, SWEEPS[setting.complexity]):
        return notes
    start = pick(rng, bars)
    end = start + setting.bar
    tags.add("sweep")
    return _until(notes, start) + sweep(rng, setting, harmony, start, end) + [n for n in notes if n.onset >= end]


def _with_pause(
    rng: np.random.Generator, setting: Setting, phrase: Phrase, notes: list[ScoreNote]
) -> list[ScoreNote]:  # fmt: skip
    """Now and then the last beats of a phrase are silent, or hold what was struck before."""
    beats = setting.bar // setting.beat
    if beats < 2 or not chance(rng, PAUSES[setting.complexity]):
        return notes
    start = phrase.end - setting.beat * pick(rng, range(1, beats))
    kept = [note for note in notes if note.onset < start]
    if not kept or chance(rng, 0.5):
        return _until(notes, start)
    latest = {hand: max((note.onset for note in kept if note.hand == hand), default=-1) for hand in "RL"}
    return [n._replace(duration=phrase.end - n.onset) if n.onset == latest[n.hand] else n for n in kept]


def _until(notes: list[ScoreNote], tick: int) -> list[ScoreNote]:
    """What begins before `tick`, none of it sounding beyond."""
    return [n._replace(duration=min(n.duration, tick - n.onset)) for n in notes if n.onset < tick]


def _close(setting: Setting, harmony: Harmony, notes: list[ScoreNote], length: int) -> list[ScoreNote]:
    """Ends the piece: whatever starts in the last bar gives way to one held chord on the tonic."""
    start = (length - 1) // setting.bar * setting.bar
    kept = _until(notes, start)
    chord = harmony.at(start)
    tops = [n.pitch for n in kept if n.hand == "R" and n.onset >= start - setting.bar]
    top = nearest(chord.tones[:1], max(tops) if tops else setting.right[0] + 8, *setting.right)
    basses = [n.pitch for n in kept if n.hand == "L" and n.onset >= start - setting.bar]
    bass = nearest(chord.tones[:1], min(basses) if basses else setting.left[0] + 6, *setting.left)
    rungs = ladder(chord.tones)
    below = [p for p in rungs if top - 12 <= p < top][::-1]
    inner = {"simple": below[1:2], "medium": below[:2], "complex": below[:3]}[setting.complexity]
    upper = bass + 12 if bass < 48 else move(chord.tones, bass, 2)
    last = [ScoreNote(start, length - start, top, "R", "melody"), ScoreNote(start, length - start, bass, "L", "bass")]
    last += [ScoreNote(start, length - start, p, "R", "inner") for p in inner if p > upper]
    last += [ScoreNote(start, length - start, upper, "L", "chord")] if upper < top else []
    return kept + last


def _clean(notes: list[ScoreNote], length: int) -> list[ScoreNote]:
    """In order, within the piece and the keyboard, one note for a key at a time."""
    inside = [note for note in notes if note.onset < length and LOWEST_PITCH <= note.pitch <= HIGHEST_PITCH]
    return separate(note._replace(duration=min(note.duration, length - note.onset)) for note in inside)
