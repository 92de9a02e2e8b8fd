"""Scores of performances by us and by other programs, judged against the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib.benchmark.sheets.peers import PEERS
from s2s_lib.benchmark.sheets.truth import folders, read_truth
from s2s_lib.benchmark.tools import OURS
from s2s_lib.compose import compose
from s2s_lib.config import DatasetConfig
from s2s_lib.errors import InputError
from s2s_lib.metre import straight
from s2s_lib.metrics import Notation, NotationScores, notation_scores
from s2s_lib.notes import PedalEvent, Performance, Piece, write_midi
from s2s_lib.score import notate

HUMAN, HEARD = "human performances, MIDI", "human performances, our transcription of the audio"
COMPOSED, STRICT = "composed", "composed, without rubato"
COMPLEXITIES = ("simple", "medium", "complex")
SEED = 510_000  # of the first composed piece
LEAD_S = 0.5  # silence before the first beat of a piece without rubato
COLUMNS = {  # of the table
    "beat_f1": "beat F1", "downbeat_f1": "downbeat F1", "metre": "metre", "bar_length": "bar length",
    "key_signature": "key signature", "key_weighted": "key, weighted", "hand": "hand", "voice": "hand and voice",
    "onset": "onset in measure", "duration": "duration", "rhythm": "onset and duration", "mv2h.mean": "MV2H",
}  # fmt: skip
PARTS = {
    "mv2h.multi_pitch": "multi-pitch", "mv2h.voice": "voice", "mv2h.meter": "metre", "mv2h.value": "value",
    "mv2h.harmony": "harmony",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """A performance to make a score of, as notes and as a MIDI file, and its true score."""

    group: str
    name: str
    midi: Path
    performance: Performance
    truth: Notation


@dataclass(frozen=True)
class Result:
    """How far a tool's score of one performance is right; `scores` is None where it made none, `error` says why."""

    group: str
    tool: str
    name: str
    scores: NotationScores | None
    error: str = ""


Tool = Callable[[Path, Performance], Notation]


def ours(midi: Path, performance: Performance) -> Notation:  # noqa: ARG001  all tools are asked for alike
    """Our own score of a performance."""
    return Notation.of(notate(performance))


TOOLS: dict[str, Tool] = {OURS: ours, **PEERS}


def human_cases(root: Path) -> Iterator[Case]:
    """The human performances in the folders of `root`."""
    for folder in folders(root):
        performance, truth = read_truth(folder)
        yield Case(HUMAN, folder.name, folder / "performance.mid", performance, truth)


def composed_cases(pieces: int, scratch: Path) -> Iterator[Case]:
    """Composed pieces, a third of each complexity, played freely and in strict time; MIDI files go into `scratch`."""
    for group in (COMPOSED, STRICT):
        for number in range(pieces):
            complexity = COMPLEXITIES[number % len(COMPLEXITIES)]
            settings = DatasetConfig(
                complexity=complexity, min_duration=20.0, max_duration=60.0, min_notes=30, max_notes=1000
            )
            piece = compose(np.random.default_rng(SEED + number), settings)
            piece = without_rubato(piece) if group == STRICT else piece
            name = f"{complexity}-{number}"
            midi = scratch / f"{group.replace(', ', '-').replace(' ', '-')}-{name}.mid"
            write_midi(midi, piece.performance)
            yield Case(group, name, midi, piece.performance, Notation.of(piece))


def without_rubato(piece: Piece) -> Piece:
    """A composed piece in strict time: its tempo throughout, each note as far from its beat as it was, in beats."""
    quarters, length_s = np.arange(len(piece.beats_s), dtype=float), 60 / piece.tempo_bpm

    def strict(time_s: float) -> float:
        return LEAD_S + length_s * float(straight(np.array(time_s), np.array(piece.beats_s), quarters))

    notes = [
        replace(note, onset_s=max(0.0, strict(note.onset_s)), offset_s=strict(note.offset_s))
        for note in piece.performance.notes
    ]
    pedal = tuple(PedalEvent(max(0.0, strict(event.time_s)), event.value) for event in piece.performance.pedal)
    order = sorted(range(len(notes)), key=lambda i: notes[i])
    performance = Performance(tuple(notes[i] for i in order), pedal)
    beats_s = tuple((LEAD_S + length_s * quarters).tolist())
    return replace(piece, performance=performance, notated=tuple(piece.notated[i] for i in order), beats_s=beats_s)


def heard(case: Case, transcribe: Callable[[Case], Performance]) -> Result:
    """Our score of what we hear in a recording of a performance."""
    return measure(replace(case, group=HEARD), OURS, lambda midi, _: ours(midi, transcribe(case)))


def measure(case: Case, name: str, tool: Tool) -> Result:
    """Judges a tool's score of a performance."""
    try:
        found = tool(case.midi, case.performance)
    except InputError as error:
        return Result(case.group, name, case.name, None, str(error))
    return Result(case.group, name, case.name, notation_scores(case.truth, found))


def table(results: Sequence[Result], columns: dict[str, str]) -> str:
    """Means over pieces as a Markdown table: a row for each group and tool."""
    lines = [
        f"| music | score by | pieces | {' | '.join(columns.values())} |",
        f"|---|---|{'--:|' * (1 + len(columns))}",
    ]
    for group, tool in dict.fromkeys((result.group, result.tool) for result in results):
        chosen = [r.scores.flat() for r in results if (r.group, r.tool) == (group, tool) and r.scores is not None]
        means = [f"{np.mean([scores[name] for scores in chosen]):.3f}" if chosen else "–" for name in columns]
        lines.append(f"| {group} | {tool} | {len(chosen)} | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


def rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """One row per tool and piece with all scores, for `files.write_csv`; without them where there is no score."""
    return [
        {"group": r.group, "tool": r.tool, "piece": r.name, "error": r.error} | (r.scores.flat() if r.scores else {})
        for r in results
    ]
