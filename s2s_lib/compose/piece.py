"""Whole pieces: a plan drawn from the limits of the data set, then harmony, two hands, fitting and performance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from s2s_lib.compose.figuration import Figurist, inner_voice, sweep, thicken, trill, turn
from s2s_lib.compose.fit import Size, choose_length, draw_size, fit_count
from s2s_lib.compose.grid import BARS, BEATS, QUARTER, ScoreNote, Setting, chance, pick, separate
from s2s_lib.compose.harmony import Harmony, Phrase, changes, compose_harmony
from s2s_lib.compose.melody import Melodist
from s2s_lib.compose.perform import Expression, Score, breathe, draw_expression, perform
from s2s_lib.compose.style import SUNG, Style, draw_registers, draw_style, draw_tempo, passage_steps
from s2s_lib.compose.texture import accompany
from s2s_lib.compose.theory import Key, ladder, move, nearest, parse_key
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH, Piece

ATTEMPTS = 3  # at composing a length that gives the wanted number of notes, before single notes are left out or added
NOTES_MISSED = 0.12  # share of notes by which an attempt may miss its limits
SWEEPS = {"simple": 0.0, "medium": 0.15, "complex": 0.3}  # chance per phrase of a run across the keyboard
CHANGES_OF_STEP = {"simple": 0.0, "medium": 0.15, "complex": 0.5}  # chance per bar of figures to run faster or slower
NOMINAL_MARGIN = 1.03  # of the nominal tempo, within which a faster pace counts as rubato
LONGEST_CLOSE_S = 2.5  # of the last chord, where a beat is not longer
PASSAGES = {"simple": 0.05, "medium": 0.15, "complex": 0.3}  # chance per melody bar of a run or arpeggio instead
TRILLS = {"simple": 0.0, "medium": 0.12, "complex": 0.25}  # chance per long melody note


@dataclass
class Draft:
    """A piece while it is written: its notes and the names of what occurs in it."""

    notes: list[ScoreNote] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)


def compose(rng: np.random.Generator, dataset: DatasetConfig) -> Piece:
    """Composes and plays a piece within the limits of `dataset`; the same generator state gives the same piece.

    `tags` names the textures and figures that occur: "left <texture>", "right <texture>", "trill", "turn", "sweep",
    "pedal <kind>".
    """
    size = draw_size(rng, dataset)
    name, metre = pick(rng, dataset.key_signatures), pick(rng, dataset.time_signatures)
    tempos = dataset.min_tempo, dataset.max_tempo
    right, left = draw_registers(rng, dataset.complexity)
    setting = Setting(BARS[metre], BEATS[metre], draw_tempo(rng, *tempos), dataset.complexity, right, left)
    styles = {letter: draw_style(rng, setting, size.density) for letter in "ABC"}
    setting = setting.at_tempo(_tempo_for(styles["A"], setting, size.density, tempos))
    expression = draw_expression(rng, dataset.complexity)
    key, limits = parse_key(name), (dataset.min_notes, dataset.max_notes)
    draft, harmony, length = _write_to_size(rng, key, setting, styles, size, limits, tempos, expression)
    notes = fit_count(rng, draft.notes, harmony, setting, length, limits)
    phrases = tuple((phrase.start, phrase.end) for phrase in harmony.phrases)
    score = Score(tuple(notes), length, setting.bar, setting.beat, phrases, tuple(changes(harmony.spans)))
    beats_s, end_s, tempo = _clock(rng, score, expression, setting.tempo, size, tempos)
    performance, notated = perform(rng, score, expression, beats_s, end_s)
    numerator, denominator = (int(part) for part in metre.split("/"))
    tags = tuple(sorted(draft.tags | {f"pedal {expression.pedal}"}))
    return Piece(performance, notated, tuple(beats_s.tolist()), (numerator, denominator), name, tempo,
                 dataset.complexity, f"{dataset.complexity} piece in {name}, {metre}", tags)  # fmt: skip


def _tempo_for(style: Style, setting: Setting, density: float, tempos: tuple[float, float]) -> float:
    """The tempo that gives this style the wanted density, at most a third away from the one drawn."""
    wanted = density * 60 / style.notes_per_quarter(setting)
    near = min(max(wanted, setting.tempo * 0.7), setting.tempo * 1.4)
    return min(max(near, tempos[0]), tempos[1])


def _write_to_size(
    rng: np.random.Generator, key: Key, setting: Setting, styles: dict[str, Style], size: Size,
    limits: tuple[int, int], tempos: tuple[float, float], expression: Expression,
) -> tuple[Draft, Harmony, int]:  # fmt: skip
    """Writes the piece; writes it again shorter or longer when the number of notes is far outside its limits."""
    seconds = size.seconds
    beats = min(setting.bar // setting.beat, int(LONGEST_CLOSE_S / setting.seconds(setting.beat)))
    last = setting.beat * pick(rng, range(1, max(1, beats) + 1))
    for _ in range(ATTEMPTS):
        length = choose_length(_strict_seconds(seconds, setting, expression), setting, tempos, last)
        harmony = compose_harmony(rng, key, setting, length)
        draft = _write(rng, setting, styles, harmony, length)
        count = len(draft.notes)
        fitting = min(max(count, limits[0]), limits[1])
        wanted = min(max(seconds * fitting / max(1, count), size.shortest), size.longest)
        if abs(count - fitting) <= NOTES_MISSED * fitting or abs(wanted / seconds - 1) < 0.05:
            break
        seconds = wanted
    return draft, harmony, length


def _strict_seconds(seconds: float, setting: Setting, expression: Expression) -> float:
    """What is left of `seconds` for music in strict tempo, without the lead-in and the final ritardando's delay.

    A speed that falls as sqrt(1 + (w^2 - 1) x) from 1 to w takes 2 / (1 + w) times as long as a steady one.
    """
    strict = seconds - expression.lead_s
    slowing = min(2 * setting.seconds(setting.bar), strict / 2)
    return strict - slowing * (2 / (1 + expression.ritardando) - 1)


def _write(
    rng: np.random.Generator, setting: Setting, styles: dict[str, Style], harmony: Harmony, length: int
) -> Draft:
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
        draft.notes += _with_sweep(rng, setting, harmony, phrase, right + left, draft.tags)
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
    return _ornament(rng, setting, harmony, sung, tags) + passage


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
        notes += figurist.fill(kind, bar, min(bar + setting.bar, end), step_here, section)
    return notes


def _ornament(
    rng: np.random.Generator, setting: Setting, harmony: Harmony, sung: list[ScoreNote], tags: set[str]
) -> list[ScoreNote]:
    """Trills and turns on some of a melody's long notes."""
    notes: list[ScoreNote] = []
    for note in sung:
        if note.duration < 12 or setting.seconds(note.duration) < 0.4 or not chance(rng, TRILLS[setting.complexity]):
            notes.append(note)
            continue
        name, figure = ("trill", trill) if chance(rng, 0.65) else ("turn", turn)
        figured = figure(note, setting, harmony.at(note.onset).scale)
        if len(figured) > 1:
            tags.add(name)
        notes += figured
    return notes


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


def _clock(
    rng: np.random.Generator, score: Score, expression: Expression, tempo: float, size: Size,
    tempos: tuple[float, float],
) -> tuple[np.ndarray, float, float]:  # fmt: skip
    """Times of the quarter notes, of the last key release, and the nominal tempo, so that the piece fits.

    The length wins over the tempo's limits: too short a piece has its last notes held, too long a one is hurried
    (by so little as rubato may, without a new nominal tempo).
    """
    units = breathe(rng, score, expression)
    span = float(np.interp(score.length, np.arange(len(units)) * QUARTER, units))
    shortest, longest = size.shortest - expression.lead_s, size.longest - expression.lead_s
    wanted = min(max(span * 60 / tempo, shortest), longest)
    tempo = min(max(span * 60 / wanted, tempos[0]), tempos[1])
    pace = max(tempo, span * 60 / longest)
    tempo = tempo if pace <= NOMINAL_MARGIN * tempo else pace
    beats_s = expression.lead_s + units * 60 / pace
    end_s = float(expression.lead_s + span * 60 / pace)
    if end_s < size.shortest:
        last = max(note.onset for note in score.notes)
        beats_s = _fermata(beats_s, last, score.length, size.shortest - end_s)
        end_s = size.shortest
    end_s = min(max(round(end_s, 4), size.shortest), size.longest)
    return np.round(beats_s, 4), end_s, round(tempo, 3)


def _fermata(beats_s: np.ndarray, last: int, length: int, seconds: float) -> np.ndarray:
    """The beat times with `seconds` added after the last onset, spread over the quarter notes that follow it."""
    first = min(last // QUARTER, length // QUARTER, len(beats_s) - 2)
    share = np.clip((np.arange(len(beats_s)) * QUARTER - first * QUARTER) / max(1, length - first * QUARTER), 0, None)
    return beats_s + seconds * share
