"""The sustain pedal: when the foot is down, and the way of its controller from 0 to 127 and back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from s2s_lib.compose.expression import Expression
from s2s_lib.compose.grid import Score, between, chance, pick
from s2s_lib.notes import PedalEvent

DOWN = 64  # controller value from which the pedal counts as down
STEP_S = 0.02  # between two controller values while the foot moves
SHORTEST_SPAN_S, SHORTEST_GAP_S = 0.08, 0.06
KINDS = ("chord", "bar", "half", "long", "dabs")  # that phrases change to

Span = tuple[float, float]


def pedal_events(
    rng: np.random.Generator, score: Score, expression: Expression, grid: np.ndarray, beats_s: np.ndarray, end_s: float
) -> tuple[PedalEvent, ...]:
    """Movements of the pedal, phrase by phrase.

    "chord" changes with the harmony, "bar" with the bar; "half" is down in the first half of each bar only, "long"
    blurs two or three changes, "dabs" only touches the strong beats. The pedal is syncopated: up when or just after
    the new notes are struck, down again a moment later.
    """
    if expression.pedal == "none":
        return ()
    spans: list[Span] = []
    for start, end in score.phrases:
        if spans and chance(rng, expression.pedal_changes):
            kind = pick(rng, (*KINDS, "none", "none"))
        else:
            kind = expression.pedal
        spans += _phrase(rng, kind, score, start, end, grid, beats_s, end_s)
    if len(spans) < 2:  # a pedalled piece has at least two changes
        spans = _phrase(rng, "half", score, 0, score.length, grid, beats_s, end_s)
    return _movements(rng, _spaced(spans, end_s), expression, end_s)


def _phrase(
    rng: np.random.Generator, kind: str, score: Score, start: int, end: int, grid: np.ndarray, beats_s: np.ndarray,
    end_s: float,
) -> list[Span]:  # fmt: skip
    """Spans (down, up) in seconds for the phrase start..end, in ticks."""
    bars = list(range(start, min(end, score.length), score.bar))
    if kind == "none" or not bars:
        return []
    places = [c for c in score.changes if start <= c < end] if kind in ("chord", "long") else bars
    if kind == "long":
        places = places[:: pick(rng, (2, 3))]
    if kind == "dabs":
        places = [beat for beat in range(start, min(end, score.length), score.beat) if chance(rng, 0.45)]
    times = np.interp([*places, min(end, score.length)], grid, beats_s).tolist()
    late, gap = between(rng, -0.04, 0.1), between(rng, 0.06, 0.2)
    spans = []
    for time, following in pairwise(times):
        room = following - time
        down = time + min((late + gap) * between(rng, 0.7, 1.3), 0.4 * room)
        up = following + min(late * between(rng, 0.5, 1.5), 0.15 * room)
        if kind == "half":
            up = time + between(rng, 0.4, 0.65) * room
        elif kind == "dabs":
            down = time + between(rng, -0.03, 0.05)
            up = down + min(between(rng, 0.1, 0.4), 0.8 * room)
        spans.append((max(0.0, down), min(up, end_s)))
    return spans


def _spaced(spans: list[Span], end_s: float) -> list[Span]:
    """The spans in order, none too short to be heard, the pedal up for a moment between them."""
    spaced: list[Span] = []
    for down, up in spans:
        if spaced:
            down = max(down, spaced[-1][1] + SHORTEST_GAP_S)
        if min(up, end_s) - down >= SHORTEST_SPAN_S:
            spaced.append((down, min(up, end_s)))
    return spaced


def _movements(
    rng: np.random.Generator, spans: list[Span], expression: Expression, end_s: float
) -> tuple[PedalEvent, ...]:
    """The controller's values along the spans: the foot moves, yields slowly, comes up all or half the way."""
    events: list[tuple[float, int]] = []
    gaps = [1.0, *(later[0] - earlier[1] for earlier, later in pairwise(spans)), 1.0]
    rest = between(rng, 0, 15)
    for number, (down, up) in enumerate(spans):
        before, after, length = gaps[number], gaps[number + 1], up - down
        depth = between(rng, 70, 127) if expression.foot else between(rng, 84, 127)
        press = min(expression.foot * between(rng, 0.4, 1.2), 0.4 * before, 0.4 * length)
        lift = min(expression.foot * between(rng, 0.4, 1.2), 0.4 * after, 0.4 * length)
        events += _ramp(down, rest, depth, press)
        if expression.foot and length > 0.4:
            yielded = max(DOWN + 3.0, depth - between(rng, 0, 40) * min(1.0, length))
            events.append((0.5 * (down + up), int(0.5 * (depth + yielded))))
            depth = yielded
        half = after < 0.4 and chance(rng, expression.half_pedal)
        rest = between(rng, 20, 60) if half else between(rng, 0, 15)
        events += _ramp(up, depth, rest, lift)
    ordered: list[PedalEvent] = []
    for time, value in sorted(events, key=lambda event: event[0]):
        time = min(round(max(time, 0.0), 4), end_s)
        if ordered and (ordered[-1].value == value or ordered[-1].time_s >= time):
            continue
        ordered.append(PedalEvent(time, value))
    return _lifted(ordered, end_s)


def _lifted(events: list[PedalEvent], end_s: float) -> tuple[PedalEvent, ...]:
    """The movements, with the pedal up at the end."""
    if events and events[-1].value >= DOWN:
        events = [event for event in events if event.time_s < end_s] + [PedalEvent(end_s, 0)]
    return tuple(events)


def _ramp(time: float, start: float, end: float, seconds: float) -> list[tuple[float, int]]:
    """Controller values from `start` to `end` in about `seconds`, passing `DOWN` at `time`."""
    if seconds < STEP_S:
        return [(time, int(end))]
    crossing = (DOWN - start) / (end - start)  # share of the way at which the pedal counts as moved
    count = max(2, int(seconds / STEP_S))
    shares = [crossing + (i - int(crossing * count)) / count for i in range(count + 1)]
    inside = [share for share in shares if 0 < share < 1]
    path = [(time + (share - crossing) * seconds, int(start + share * (end - start) + 0.5)) for share in inside]
    return [*path, (time + (1 - crossing) * seconds, int(end))]
