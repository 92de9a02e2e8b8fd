"""What a benchmark found: scores per piece and tool, means with intervals, costs; as objects, JSON, CSV, Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2s_lib import metrics
from s2s_lib.benchmark.repertoire import BenchmarkPiece
from s2s_lib.benchmark.robustness import Curve
from s2s_lib.benchmark.tools import ToolRun
from s2s_lib.config import Config
from s2s_lib.files import atomic_write, write_csv, write_json
from s2s_lib.metrics import (
    COUNTED,
    NOTE_RATE,
    POLYPHONY,
    VELOCITY,
    Bands,
    Counts,
    Estimate,
    Scores,
    bands_dict,
    by_band,
    estimate,
    interval_text,
)
from s2s_lib.notes import Performance

CONVENTIONS = {
    "f1": "mean over pieces; interval: percentile bootstrap over pieces",
    "key": "offset = key release",
    "pedal": "pedal-extended offset = end of sound: by each side's own sustain pedal, or as the tool itself says",
    "onset_offset_velocity": "offset = key release; velocity after mir_eval's linear fit",
    "cpu_s_per_s": "processor seconds of all threads per second of audio, the model being loaded",
    "start": "imports, loading the model and a warm-up of two seconds of audio, once per process",
    "bands": "onset matching, notes of all pieces counted together",
}
LABELS = {  # columns of the table that the README shows
    "onset": "onset F1",
    "onset_offset_key": "onset + offset F1, key release",
    "onset_offset_pedal": "onset + offset F1, pedal-extended",
    "onset_offset_velocity": "onset + offset + velocity F1, key release",
}
COLUMNS = ("tool", *LABELS.values(), "CPU seconds per second of audio", "model in MB", "parameters")


@dataclass(frozen=True, eq=False)
class ToolResult:
    """One tool's scores: `scores[i]` belongs to piece i, None where the tool failed on it."""

    run: ToolRun
    scores: tuple[Scores | None, ...]

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.run.name

    def f1(self, metric: str) -> list[float | None]:
        """F1 of each piece."""
        return [None if score is None else getattr(score, metric).f1 for score in self.scores]

    def errors(self, pieces: Sequence[BenchmarkPiece]) -> list[str]:
        """A sentence for each piece that the tool failed on."""
        failed = zip(pieces, self.run.transcriptions, strict=True)
        return [f"{self.name} failed on {piece.id}: {done.error}" for piece, done in failed if done.error]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """All of it. `sentences` say what a reader must know: the piano, what was left out, what failed."""

    config: Config
    model: Path
    piano: str
    sentences: tuple[str, ...]
    pieces: tuple[BenchmarkPiece, ...]
    durations_s: tuple[float, ...]  # of the recordings
    tools: tuple[ToolResult, ...]  # ours first
    curves: tuple[Curve, ...]

    def f1(self, tool: ToolResult, metric: str) -> Estimate:
        """Mean F1 over the pieces that the tool transcribed."""
        return estimate([value for value in tool.f1(metric) if value is not None], self.config.benchmark)

    def difference(self, tool: ToolResult, metric: str) -> Estimate:
        """Ours minus the tool's F1, piece by piece, over the pieces that both transcribed."""
        pairs = zip(self.tools[0].f1(metric), tool.f1(metric), strict=True)
        return estimate([a - b for a, b in pairs if a is not None and b is not None], self.config.benchmark)

    def per_second(self, tool: ToolResult, clock: str, start: bool = False) -> float | None:
        """Seconds ('cpu' or 'wall') per second of audio, over the files transcribed; `start` adds the start's."""
        done = zip(self.durations_s, tool.run.transcriptions, strict=True)
        times = [(length, getattr(one, f"{clock}_s")) for length, one in done if one.notes is not None]
        if not times:
            return None
        spent = sum(seconds for _, seconds in times) + start * getattr(tool.run, f"start_{clock}_s")
        return spent / sum(length for length, _ in times)

    def bands(self, tool: ToolResult, bands: Bands) -> list[Counts]:
        """The tool's onset counts in each band, pieces added."""
        return by_band(bands, self._matched(tool))

    def _matched(self, tool: ToolResult) -> list[tuple[Performance, Performance, np.ndarray]]:
        """What was played, what the tool wrote and the matched notes, of each piece that it transcribed."""
        done = zip(self.pieces, tool.run.transcriptions, strict=True)
        pairs = [(piece.performance, one.notes) for piece, one in done if one.notes is not None]
        return [(ref, est, metrics.match(ref.notes, est.notes, self.config.evaluation)) for ref, est in pairs]

    def report(self) -> dict[str, Any]:
        """Content of benchmark.json."""
        pieces = zip(self.pieces, self.durations_s, strict=True)
        return {
            "model": str(self.model),
            "piano": self.piano,
            "sentences": list(self.sentences),
            "conventions": CONVENTIONS,
            "pieces": [
                {"id": p.id, "duration_s": round(length, 3), "notes": len(p.performance.notes)} for p, length in pieces
            ],
            "tools": {tool.name: self._tool(tool) for tool in self.tools},
            "robustness": {
                curve.axis: {
                    "unchanged": curve.unchanged.as_dict(),
                    "levels": [
                        {"level": level, "onset_f1": found.as_dict()}
                        for level, found in zip(curve.levels, curve.onset_f1, strict=True)
                    ],
                }
                for curve in self.curves
            },
            "config": self.config.model_dump(mode="json"),
        }

    def _tool(self, tool: ToolResult) -> dict[str, Any]:
        done, run = [score for score in tool.scores if score is not None], tool.run
        cost = {f"{clock}_s_per_s": self.per_second(tool, clock) for clock in ("cpu", "wall")}
        cost |= {f"{clock}_s_per_s_with_start": self.per_second(tool, clock, True) for clock in ("cpu", "wall")}
        return {
            "version": run.version,
            "parameters": run.parameters,
            "megabytes": run.bytes / 1e6,
            "device": run.device,
            "start_cpu_s": run.start_cpu_s,
            "start_wall_s": run.start_wall_s,
            **cost,
            "errors": tool.errors(self.pieces),
            "f1": {metric: self.f1(tool, metric).as_dict() for metric in COUNTED},
            "ours_minus_this": {metric: self.difference(tool, metric).as_dict() for metric in COUNTED},
            "summary": metrics.summarize(done),
            "bands": {b.name: bands_dict(b, self.bands(tool, b)) for b in (VELOCITY, POLYPHONY, NOTE_RATE)},
        }

    def write(self, folder: Path) -> None:
        """Writes benchmark.json, benchmark.csv and peers.md."""
        write_json(folder / "benchmark.json", self.report())
        write_csv(folder / "benchmark.csv", _rows(self))
        atomic_write(folder / "peers.md", peers_markdown(self))


def peers_markdown(benchmark: Benchmark) -> str:
    """The table of tools that the README shows, as Markdown."""
    lines = [_row(COLUMNS), _row(["---", *["--:"] * (len(COLUMNS) - 1)])]
    for tool in benchmark.tools:
        run, cost = tool.run, benchmark.per_second(tool, "cpu")
        scores = [interval_text(benchmark.f1(tool, metric), 2) for metric in LABELS]
        parameters = "–" if run.parameters is None else f"{run.parameters / 1e6:.1f} M"
        lines.append(
            _row([f"{run.name} {run.version}", *scores, "–" if cost is None else f"{cost:.3f}",
                  f"{run.bytes / 1e6:.1f}", parameters])
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """One row per tool and piece; empty cells where the tool failed."""
    rows = []
    for tool in benchmark.tools:
        for i, piece in enumerate(benchmark.pieces):
            done, score = tool.run.transcriptions[i], tool.scores[i]
            row = {"tool": tool.name, "piece": piece.id, "duration_s": benchmark.durations_s[i], "cpu_s": done.cpu_s,
                   "wall_s": done.wall_s, "error": done.error}  # fmt: skip
            rows.append(row | (score.flat() if score else {}))
    return rows
