"""What the two hands do in a section, chosen so that the music has about the density that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log2, sqrt

import numpy as np

from s2s_lib.compose.grid import QUARTER, Setting, chance, pick, pick_weighted

SUNG = ("melody", "octaves", "thirds", "sixths", "chords", "two voices")  # right hands led by a melody
RIGHT_WEIGHTS = {
    "simple": {"melody": 8, "thirds": 0.6, "repeated": 0.5, "arpeggios": 1, "scales": 0.8},
    "medium": {"melody": 5, "octaves": 1.6, "thirds": 1.5, "sixths": 1.2, "chords": 2.2, "two voices": 1.5,
               "scales": 1.2, "arpeggios": 1.2, "broken": 1.5, "repeated": 1, "tremolo": 0.6, "murmur": 1.5,
               "chordal": 1.6, "broken octaves": 0.5, "double notes": 0.5, "chromatic": 0.2},
    "complex": {"melody": 3, "octaves": 2, "thirds": 1.5, "sixths": 1.5, "chords": 2.5, "two voices": 2, "scales": 2,
                "arpeggios": 2, "broken": 1.5, "repeated": 1.2, "tremolo": 1.5, "murmur": 1.5, "chordal": 1.5,
                "broken octaves": 1, "double notes": 1, "chromatic": 0.5},
}  # fmt: skip
LEFT_WEIGHTS = {
    "simple": {"block": 3, "held": 3, "alberti": 1.5, "waltz": 1, "walking": 1, "tenths": 0.5},
    "medium": {"block": 2.5, "held": 1.2, "alberti": 2.5, "tenths": 1.5, "nocturne": 1.5, "waltz": 1.5, "octaves": 0.8,
               "walking": 1, "tremolo": 0.6, "counterpoint": 1.5, "crossing": 0.6, "murky": 1, "unison": 0.4},
    "complex": {"block": 1.5, "held": 0.8, "alberti": 1.5, "tenths": 1.5, "nocturne": 2.5, "waltz": 1, "octaves": 2,
                "walking": 1, "tremolo": 2, "counterpoint": 2, "crossing": 1.2, "unison": 1.5, "murky": 1},
}  # fmt: skip
STEPS = {"simple": (12, 24), "medium": (6, 8, 12, 24), "complex": (3, 4, 6, 8, 12, 24)}
ACTIVITY = {"simple": (0.75, 1.0, 1.5), "medium": (0.5, 1.0, 1.5, 2.0, 2.5), "complex": (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)}
FASTEST = {"simple": 4.5, "medium": 12.0, "complex": 16.0}  # onsets per second of one hand's running notes
SLOWER = {"block": 0.45, "octaves": 0.5, "repeated": 0.75, "walking": 0.6, "melody": 0.75, "counterpoint": 0.6,
          "chordal": 0.45, "double notes": 0.6}  # fmt: skip
DENSITIES = {"simple": (1.8, 4.2), "medium": (2.5, 14.5), "complex": (4.6, 20.0)}  # notes per second of a piece
CONTRAST = {"simple": 0.0, "medium": 0.6, "complex": 0.6}  # standard deviation of the log of a section's density
SLOWEST_TREMOLO = 6.0  # onsets per second; slower is not heard as a tremolo
SLOWEST_COMPOUND_S = 1.3  # a felt beat of three eighths
TRIES = 12


@dataclass(frozen=True)
class Style:
    """One section's texture. Steps are ticks between running notes, activities notes per quarter note of melody."""

    right: str
    right_step: int
    right_activity: float
    left: str
    left_step: int
    left_activity: float
    touch: str

    def notes_per_quarter(self, setting: Setting) -> float:
        """About how many notes this style writes to a quarter note."""
        running = QUARTER / self.right_step
        thickness = {"melody": 1, "two voices": 1.6, "chords": 2.6 if self.right_activity <= 2 else 1.8}
        right = thickness.get(self.right, 2) * self.right_activity if self.right in SUNG else running
        right *= {"tremolo": 1.5, "chordal": 3, "double notes": 2}.get(self.right, 1)
        return right + self._left_density(setting, right)

    def _left_density(self, setting: Setting, right: float) -> float:
        running = QUARTER / self.left_step
        size = 2 if setting.complexity == "simple" else 3
        spans = {"simple": 1.2, "medium": 1.5, "complex": 1.8}[setting.complexity]
        per_bar = QUARTER / setting.bar
        fixed = {
            "held": size * spans * per_bar, "crossing": 2.2 * spans * per_bar, "counterpoint": self.left_activity,
            "unison": right, "waltz": (4.7 if setting.beat == 36 else 2.33 if setting.bar == 72 else 2.0),
        }  # fmt: skip
        return fixed.get(self.left, running * {"block": size, "octaves": 2, "tremolo": 1.5}.get(self.left, 1))


def tempo_range(low: float, high: float, beat: int) -> tuple[float, float]:
    """The tempos, out of low..high in quarter notes per minute, for a felt beat of so many ticks.

    Slow compound beats are heard as three beats each, so from the middle of the range on they are left out.
    """
    if beat == QUARTER:
        return low, high
    return max(low, min(60 / SLOWEST_COMPOUND_S * beat / QUARTER, sqrt(low * high))), high


def draw_tempo(rng: np.random.Generator, low: float, high: float) -> float:
    """A tempo in quarter notes per minute; the middle of the range is likelier than its ends on a log scale."""
    share = (rng.random() + rng.random()) / 2
    return exp(log(low) + share * (log(high) - log(low)))


def draw_styles(rng: np.random.Generator, setting: Setting, density: float) -> dict[str, Style]:
    """A style for each of the sections A, B, C, around `density` notes per second; A comes near to it."""
    contrast = CONTRAST[setting.complexity]
    wanted = {"A": density, **{letter: density * exp(contrast * rng.standard_normal()) for letter in "BC"}}
    return {letter: draw_style(rng, setting, wanted[letter]) for letter in "ABC"}


def draw_style(rng: np.random.Generator, setting: Setting, density: float) -> Style:
    """Of some playable styles drawn by the complexity's weights, the one nearest to `density` notes per second."""
    wanted = density * 60 / setting.tempo
    best, best_distance = None, 0.0
    for _ in range(TRIES):
        style = _draw(rng, setting)
        distance = abs(log2(style.notes_per_quarter(setting) / wanted)) + (0 if _playable(style, setting) else 4)
        if best is None or distance < best_distance:
            best, best_distance = style, distance
    assert best is not None
    return best


def _draw(rng: np.random.Generator, setting: Setting) -> Style:
    level = setting.complexity
    right = pick_weighted(rng, list(RIGHT_WEIGHTS[level]), list(RIGHT_WEIGHTS[level].values()))
    left = pick_weighted(rng, list(LEFT_WEIGHTS[level]), list(LEFT_WEIGHTS[level].values()))
    if left == "unison":
        right = pick(rng, ("scales", "arpeggios"))
    if left == "crossing":
        right = "broken"  # the right hand keeps the middle busy while the left crosses it
    steps = _steps(setting)
    right_step, left_step = pick(rng, steps), pick(rng, steps)
    if left in ("block", "octaves") and chance(rng, 0.5):
        left_step = setting.beat
    touch = pick_weighted(rng, ("legato", "detached", "staccato"), (7, 2, 2))
    return Style(right, right_step, pick(rng, ACTIVITY[level]), left, left_step, pick(rng, ACTIVITY[level]), touch)


def _steps(setting: Setting) -> list[int]:
    """The level's subdivisions of the felt beat; quarter notes in compound time would sound like 3/4."""
    return [step for step in STEPS[setting.complexity] if setting.divides(step)]


def _playable(style: Style, setting: Setting) -> bool:
    """Whether both hands stay within the speeds that the level allows."""
    right = setting.tempo / 60 * (style.right_activity if style.right in SUNG else QUARTER / style.right_step)
    left = setting.tempo / 60 * (style.left_activity if style.left == "counterpoint" else QUARTER / style.left_step)
    fastest = FASTEST[setting.complexity]
    right_limit = fastest * SLOWER.get("melody" if style.right in SUNG else style.right, 1.0)
    right_limit *= 0.7 if style.right in ("octaves", "thirds", "sixths", "chords") else 1.0
    timeless = style.left in ("held", "waltz", "crossing", "unison")
    if style.left == "waltz" and setting.seconds(12 if setting.beat == 36 else QUARTER) < 0.2:
        return False
    if "tremolo" in (style.right, style.left):
        speed = right if style.right == "tremolo" else left
        if speed < SLOWEST_TREMOLO:
            return False
    return right <= right_limit and (timeless or left <= fastest * SLOWER.get(style.left, 1.0))


def passage_steps(setting: Setting) -> list[int]:
    """Subdivisions in which the level's hands can run at this tempo; the slowest where none is slow enough."""
    steps = _steps(setting)
    quick = [step for step in steps if step < QUARTER and 1 / setting.seconds(step) <= FASTEST[setting.complexity]]
    return quick or steps[-1:]


def draw_registers(rng: np.random.Generator, complexity: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The right and left hand's lowest and highest keys: mostly the middle of the keyboard, now and then its ends."""
    shift = pick(rng, range(-4, 5))
    if complexity == "simple":
        return (60 + shift, 77 + shift), (43 + shift, 59 + shift)
    kind = rng.random()
    if kind < 0.66:
        right, left = (63, 86), (43, 63)
    elif kind < 0.78:
        right, left = (65, 96), (30, 57)
    elif kind < 0.9:
        right, left = (74, 106), (50, 72)
    else:
        right, left = (52, 74), (26, 50)
    wider = 2 if complexity == "complex" else 0
    low, high = max(21, left[0] + shift - wider), min(108, right[1] + shift + wider)
    if complexity == "medium" and chance(rng, 0.5):  # half of the medium pieces keep to narrower registers
        low, high = low + 5, high - 5
    return (right[0] + shift, high), (low, left[1] + shift)


def draw_density(rng: np.random.Generator, complexity: str) -> float:
    """Notes per second of a piece: evenly on a log scale within what is typical of the complexity."""
    low, high = DENSITIES[complexity]
    return low * exp(rng.random() * log(high / low))
