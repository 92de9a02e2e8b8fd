"""How a piece is played: the choices of an interpretation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2s_lib.compose.grid import between, chance, pick, pick_weighted

SIMPLE_LEGATO = (0.5, 0.65, 0.8, 0.95)  # key-down time as a share of the written length, to be drawn from
PEDALS = ("none", "chord", "bar", "half", "long", "dabs")
PEDAL_WEIGHTS = {"simple": (4, 4, 2, 0, 0, 0), "medium": (0.8, 5, 1, 2, 0.7, 1.5), "complex": (0.6, 5, 1, 2, 0.8, 1.5)}


@dataclass(frozen=True)
class Expression:
    """How a piece is played.

    `level`: its middle velocity; `arc`: velocity steps from the edge of a phrase to its peak; `slope`: the same over
    the piece; `terraces`: standard deviation of the phrases' levels; `accents`: chance of a sforzato on a beat;
    `balance`: by how much the voices' levels differ, 1 as in `dynamics.ROLE_LEVELS`; `touch`: standard deviation of
    single velocities.
    `rubato`: share of tempo by which phrases breathe; `ritardando`: share of the tempo left at the end; `holds`:
    chance of a breath or fermata after a phrase.
    `legato`: key-down time of joined strokes as a share of the written length; `stroke_s`: that of strokes let go at
    once; `lifted`, `joined`: shares of such strokes, the others lie between; `articulation`: standard deviation of
    the logarithms of these shares from phrase to phrase and hand to hand; `uneven` and `fingers`: that of key-down
    times from stroke to stroke of a hand, and from key to key of a stroke; `finger_pedal`: chance that a phrase's
    accompaniment is held by the fingers.
    `pedal`: one of `PEDALS`; `pedal_changes`: chance that a phrase is pedalled otherwise; `foot`: seconds that the
    foot takes, 0 for a switch; `half_pedal`: chance that it does not come up all the way.
    `lead_s`: silence before the first beat; `timing_s`: standard deviation of single onsets; `hands_s`: of a hand's
    onsets; `melody_lead_s`: by how much the melody comes before its chord; `spread_s`: between the keys of one
    chord; `rolls`: chance that a long chord is rolled.
    """

    level: float = 60.0
    arc: float = 10.0
    slope: float = 0.0
    terraces: float = 4.0
    accents: float = 0.03
    balance: float = 1.0
    touch: float = 3.0
    rubato: float = 0.04
    ritardando: float = 0.6
    holds: float = 0.0
    legato: float = 1.0
    stroke_s: float = 0.06
    lifted: float = 0.0
    joined: float = 1.0
    articulation: float = 0.0
    uneven: float = 0.0
    fingers: float = 0.08
    finger_pedal: float = 0.0
    pedal: str = "chord"
    pedal_changes: float = 0.0
    foot: float = 0.0
    half_pedal: float = 0.0
    lead_s: float = 0.25
    timing_s: float = 0.004
    hands_s: float = 0.0
    melody_lead_s: float = 0.008
    spread_s: float = 0.003
    rolls: float = 0.0


def draw_expression(rng: np.random.Generator, complexity: str) -> Expression:
    """An interpretation: loud or soft, strict or free, dry or pedalled."""
    pedal = pick_weighted(rng, PEDALS, PEDAL_WEIGHTS[complexity])
    lead_s = between(rng, 0.16, 0.44)
    if complexity == "simple":
        return Expression(
            level=24 + 76 * (rng.random() + rng.random() + rng.random()) / 3, arc=between(rng, 8, 28),
            slope=between(rng, -20, 26), touch=between(rng, 3, 8), rubato=between(rng, 0, 0.04),
            ritardando=between(rng, 0.5, 0.9), legato=pick(rng, SIMPLE_LEGATO), pedal=pedal,
            foot=between(rng, 0.02, 0.1), lead_s=lead_s, timing_s=between(rng, 0.003, 0.011),
            hands_s=between(rng, 0.0, 0.008), melody_lead_s=between(rng, 0, 0.016),
            spread_s=between(rng, 0.001, 0.006),
        )  # fmt: skip
    lifted = between(rng, 0.0, 0.7 if pedal != "none" else 0.4)
    return Expression(
        level=24 + 72 * (rng.random() + rng.random() + rng.random()) / 3,
        arc=between(rng, 6, 34),
        slope=between(rng, -24, 26),
        terraces=between(rng, 3, 13),
        accents=between(rng, 0.0, 0.1),
        balance=between(rng, 0.7, 1.9),
        touch=between(rng, 4, 8),
        rubato=between(rng, 0.02, 0.22),
        ritardando=between(rng, 0.45, 0.95),
        holds=between(rng, 0.0, 0.6),
        legato=between(rng, 0.85, 1.25),
        stroke_s=between(rng, 0.04, 0.085),
        lifted=lifted,
        joined=between(rng, 0.4, 1.0) * (1 - lifted),
        articulation=between(rng, 0.2, 1.0),
        uneven=between(rng, 0.2, 0.4),
        fingers=between(rng, 0.05, 0.25),
        finger_pedal=between(rng, 0.0, 0.15),
        pedal=pedal,
        pedal_changes=between(rng, 0.0, 0.6),
        foot=between(rng, 0.03, 0.2) if chance(rng, 0.85) else 0.0,
        half_pedal=between(rng, 0.0, 0.9),
        lead_s=lead_s,
        timing_s=between(rng, 0.002, 0.01),
        hands_s=between(rng, 0.002, 0.014),
        melody_lead_s=between(rng, 0, 0.022),
        spread_s=between(rng, 0.001, 0.008),
        rolls=between(rng, 0.0, 0.35),
    )
