"""The benchmark: music, audio, tools, scores, files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile

from s2s_lib import metrics
from s2s_lib.benchmark.peers import missing
from s2s_lib.benchmark.repertoire import BenchmarkPiece, check_repertoire, pieces
from s2s_lib.benchmark.results import Benchmark, ToolResult
from s2s_lib.benchmark.robustness import measure
from s2s_lib.benchmark.sound import check_program, choose_piano, render_file, seconds_of
from s2s_lib.benchmark.tools import OURS, run_tool
from s2s_lib.config import RELEASED_FOLDER, BenchmarkConfig, Config
from s2s_lib.errors import InputError
from s2s_lib.progress import Progress
from s2s_lib.weights import check_model

WARM_UP_S = 2.0


def model_folder(settings: BenchmarkConfig) -> Path:
    """The model to measure."""
    return Path(settings.model_path).expanduser() if settings.model_path else RELEASED_FOLDER


def check_benchmark(config: Config) -> None:
    """Raises InputError with one sentence if the benchmark can't work: no model, no music, no piano."""
    if config.evaluation.model_path is not None:
        raise InputError(
            "--model-path: is not for a benchmark; name the model to measure by --benchmark-model.", usage=True
        )
    model = model_folder(config.benchmark)
    check_model(model, "--benchmark-model")
    check_repertoire(config.benchmark)
    check_program(config.benchmark)
    choose_piano(config.benchmark, model)


def benchmark(config: Config) -> Benchmark:
    """Renders the music, runs our transcriber and those peers that are installed, and scores them all.

    Writes benchmark.json, benchmark.csv and peers.md into `config.output.results`. Every tool gets the same WAV files
    and runs in a fresh process, one after the other. Raises InputError as `check_benchmark` does, or if our own
    transcriber does not start; a peer that does not is left out with a sentence.
    """
    check_benchmark(config)
    settings, model = config.benchmark, model_folder(config.benchmark)
    font, said = choose_piano(settings, model)
    left_out = missing(settings)
    found = tuple(pieces(settings))
    names = [OURS, *(name for name in settings.peers if name not in left_out)]
    with tempfile.TemporaryDirectory(prefix="s2s-") as folder:
        files = [Path(folder) / f"{number}.wav" for number in range(len(found))]
        with Progress(total=len(found) * (1 + len(names)), label="benchmark", unit="recording") as progress:
            for piece, file in zip(found, files, strict=True):
                render_file(piece.performance, font, file, settings.renderer)
                progress.advance(note=f"rendered {piece.id}")
            warm_up = _warm_up(files[0], Path(folder) / "warm-up.wav")
            tools, failed = _run_all(names, config, model, found, warm_up, files, progress.advance)
        durations_s = tuple(map(seconds_of, files))
    curves = measure(config, model, font, found)
    errors = [sentence for tool in tools for sentence in tool.errors(found)]
    sentences = (said, *left_out.values(), *failed, *errors)
    result = Benchmark(config, model, font.name, sentences, found, durations_s, tools, curves)
    result.write(config.output.results)
    return result


def _run_all(
    names: Sequence[str], config: Config, model: Path, found: Sequence[BenchmarkPiece], warm_up: Path,
    files: Sequence[Path], done: Callable[[], None],
) -> tuple[tuple[ToolResult, ...], list[str]]:  # fmt: skip
    """Each tool's results, and a sentence for each peer that does not start."""
    tools, failed = [], []
    for name in names:
        try:
            run = run_tool(name, config, model, warm_up, files, done)
        except InputError as error:
            if name == OURS:
                raise
            failed.append(str(error))
            continue
        pairs = zip(found, run.transcriptions, strict=True)
        scores = [one.notes and metrics.score(piece.performance, one.notes, config.evaluation) for piece, one in pairs]
        tools.append(ToolResult(run, tuple(scores)))
    return tuple(tools), failed


def _warm_up(source: Path, target: Path) -> Path:
    """The first two seconds of an audio file."""
    rate = soundfile.info(source).samplerate
    samples, _ = soundfile.read(source, frames=round(WARM_UP_S * rate))
    soundfile.write(target, samples, rate, subtype="PCM_16")
    return target
