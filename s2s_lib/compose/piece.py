"""Whole pieces: a plan drawn from the limits of the data set, then harmony, two hands, fitting and performance."""

from __future__ import annotations

import numpy as np

from s2s_lib.compose.draft import Draft, write
from s2s_lib.compose.expression import Expression, draw_expression
from s2s_lib.compose.fit import Size, choose_length, draw_size, fit_count
from s2s_lib.compose.grid import BARS, BEATS, QUARTER, Score, Setting, pick
from s2s_lib.compose.harmony import Harmony, changes, compose_harmony
from s2s_lib.compose.perform import perform
from s2s_lib.compose.style import Style, draw_registers, draw_styles, draw_tempo, tempo_range
from s2s_lib.compose.theory import Key, parse_key
from s2s_lib.compose.timing import breathe
from s2s_lib.config import DatasetConfig
from s2s_lib.notes import Piece

ATTEMPTS = 3  # at composing a length that gives the wanted number of notes, before single notes are left out or added
NOTES_MISSED = 0.12  # share of notes by which an attempt may miss its limits
NOMINAL_MARGIN = 1.03  # of the nominal tempo, within which a faster pace counts as rubato
LONGEST_CLOSE_S = 2.5  # of the last chord, where a beat is not longer


def compose(rng: np.random.Generator, dataset: DatasetConfig) -> Piece:
    """Composes and plays a piece within the limits of `dataset`; the same generator state gives the same piece.

    `tags` names the textures and figures that occur: "left <texture>", "right <texture>", "trill", "turn", "mordent",
    "grace", "sweep", "pedal <kind>".
    """
    size = draw_size(rng, dataset)
    name, metre = pick(rng, dataset.key_signatures), pick(rng, dataset.time_signatures)
    tempos = tempo_range(dataset.min_tempo, dataset.max_tempo, BEATS[metre])
    right, left = draw_registers(rng, dataset.complexity)
    setting = Setting(BARS[metre], BEATS[metre], draw_tempo(rng, *tempos), dataset.complexity, right, left)
    styles = draw_styles(rng, setting, size.density)
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
                 dataset.complexity, tags)  # fmt: skip


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
        draft = write(rng, setting, styles, harmony, length)
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


def _clock(
    rng: np.random.Generator, score: Score, expression: Expression, tempo: float, size: Size,
    tempos: tuple[float, float],
) -> tuple[np.ndarray, float, float]:  # fmt: skip
    """Times of the quarter notes, of the last key release, and the nominal tempo, so that the piece fits.

    The length wins over the tempo's limits: too short a piece has its last notes held, too long a one is hurried
    (by so little as rubato may, without a new nominal tempo).
    """
    units, holds = breathe(rng, score, expression)
    if (units[-1] + holds[-1]) * 60 / tempos[1] <= size.longest - expression.lead_s:
        units = units + holds
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
