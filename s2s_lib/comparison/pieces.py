"""Pieces that two runs were judged by, and where their sounds and notes are to be found again."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from s2s_lib.errors import InputError
from s2s_lib.notes import Performance, read_midi
from s2s_lib.runs import PieceScores, Run
from s2s_lib.sources import Source, digest, find_sources


@dataclass(frozen=True)
class PiecePair:
    """A piece that two runs transcribed, and how each did."""

    first: PieceScores
    second: PieceScores

    @property
    def id(self) -> str:
        """Name of the piece."""
        return self.first.id

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other pieces: its name and piano."""
        return self.first.key

    def difference(self, metric: str) -> float:
        """F1 of the first minus that of the second."""
        return self.first.f1[metric] - self.second.f1[metric]


def common(first: Run, second: Run, metric: str) -> list[PiecePair]:
    """The pieces that both runs were judged by with this metric, in the first one's order.

    The same piece is one of the same name, played by the same piano, with the same truth.
    """
    theirs = {piece.key: piece for piece in second.pieces}
    pairs = [PiecePair(piece, theirs[piece.key]) for piece in first.pieces if piece.key in theirs]
    return [p for p in pairs if p.first.is_same(p.second) and metric in p.first.f1 and metric in p.second.f1]


def namesakes(first: Run, second: Run) -> int:
    """How many pieces of the first run have a namesake in the second that is another piece or on another piano."""
    names = {piece.id for piece in second.pieces}
    same = {id(piece) for piece in first.pieces for other in second.pieces if piece.is_same(other)}
    return sum(piece.id in names and id(piece) not in same for piece in first.pieces)


def won_and_lost(pairs: Sequence[PiecePair], metric: str, most: int) -> tuple[list[PiecePair], list[PiecePair]]:
    """At most `most` pieces that the first run won by most, and as many that it lost by most, the clearest first."""
    ranked = sorted(pairs, key=lambda pair: -pair.difference(metric))
    won = [pair for pair in ranked if pair.difference(metric) > 0]
    lost = [pair for pair in ranked[::-1] if pair.difference(metric) < 0]
    return won[:most], lost[:most]


def heard(run: Run, piece: PieceScores) -> Performance:
    """The transcription that a run kept of a piece. Raises InputError if there is none."""
    if piece.transcription is None:
        report = run.folder / "results" / "evaluation_report.json"
        raise InputError(
            f"{run.label} kept no transcriptions, as runs of earlier versions did not; remove {report} and run "
            f"'s2s evaluate --name {run.name}' to have them."
        )
    return read_midi(piece.transcription) if piece.transcribed_notes != 0 else Performance(())


def original(runs: Sequence[Run], piece: PieceScores) -> Source:
    """A piece's audio and what was played in it, from the first of the runs that still has it.

    Raises InputError with the reason if none does.
    """
    reason = "no run knows its parameters any more"
    for run in (run for run in runs if run.config is not None):
        try:
            sources = _sources(run)
        except InputError as error:
            reason = str(error).rstrip(".")
            continue
        reason = f"it is not in {run.label} any more"
        for source in sources:
            if (source.id, source.piano) == piece.key:
                if piece.truth in (None, digest(source.ref)):
                    return source
                reason = "what is played in it has changed since"
    raise InputError(f"{piece.id} can't be shown: {reason}.")


@functools.lru_cache(maxsize=2)  # the two runs whose pieces are shown
def _sources(run: Run) -> list[Source]:
    return find_sources(run.config)
