"""How right our sheet music is, beside music21's and MuseScore's: `python tests/benchmarks/scores.py FOLDER`.

FOLDER holds folders of human performances with their true scores (performance.mid, performance_beats.txt, score.mid,
score_beats.txt, score.musicxml), as in the ASAP data set. Composed pieces, with and without rubato, follow. With
`--audio SOUNDFONT` the human performances are also rendered and transcribed, and scores made of what we heard.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from s2s_lib.benchmark import sheets
from s2s_lib.benchmark.sheets import Case, Result, Tool
from s2s_lib.benchmark.sound import render_file
from s2s_lib.benchmark.tools import OURS
from s2s_lib.config import RELEASED_FOLDER
from s2s_lib.errors import InputError
from s2s_lib.files import write_csv, write_json
from s2s_lib.notes import Note, PedalEvent, Performance
from s2s_lib.soundfonts import find_soundfonts

SAID = """Means over pieces, 0-1, 1 being best. Beats: mir_eval, 70 ms, untrimmed. Shares of notes count over all the
notes that the true score prints and the performance plays, matched by pitch and onset (50 ms); missed notes are not
right. music21 gets the MIDI file's own tempo; it writes one staff and no key, here all right hand and C major."""


def main() -> None:
    arguments = parse()
    tools = {OURS: sheets.TOOLS[OURS]} if arguments.ours else sheets.TOOLS
    with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
        transcribe = listener(arguments, Path(scratch)) if arguments.audio else None
        human = list(sheets.human_cases(arguments.folder))
        composed = list(sheets.composed_cases(arguments.pieces, Path(scratch)))
        results = run(human, tools)
        if transcribe:
            results += [say(sheets.heard(case, transcribe)) for case in human]
        results += run(composed, tools)
    print(f"\n{sheets.table(results, sheets.COLUMNS)}\nMV2H:\n{sheets.table(results, sheets.PARTS)}\n{SAID}")
    if arguments.csv:
        write_csv(arguments.csv, sheets.rows(results))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of folders of performances with their true scores")
    parser.add_argument("--pieces", type=int, default=24, help="composed pieces (default 24)")
    parser.add_argument("--ours", action="store_true", help="leave the other programs out")
    parser.add_argument("--audio", metavar="SOUNDFONT", help="also transcribe the performances on this piano")
    parser.add_argument("--model", type=Path, default=RELEASED_FOLDER, help="that transcribes (default: the released)")
    parser.add_argument("--transcriptions", type=Path, help="folder that keeps transcriptions, to be used again")
    parser.add_argument("--csv", type=Path, help="file for the scores of every piece")
    return parser.parse_args()


def run(cases: list[Case], tools: dict[str, Tool]) -> list[Result]:
    return [say(sheets.measure(case, name, tool)) for case in cases for name, tool in tools.items()]


def say(result: Result) -> Result:
    """Prints a result in one line."""
    if result.scores is None:
        said = result.error
    else:
        found = result.scores.flat()
        said = ", ".join(f"{label} {found[name]:.2f}" for name, label in sheets.COLUMNS.items())
    print(f"{result.group}: {result.name}, {result.tool}: {said}", flush=True)
    return result


def listener(arguments: argparse.Namespace, scratch: Path) -> Callable[[Case], Performance]:
    """A function that renders a performance, transcribes the audio and keeps the transcription."""
    from s2s_lib.transcribe import Transcriber  # torch

    font = find_soundfonts([arguments.audio], "--audio")[0]
    transcriber = Transcriber.load(arguments.model)
    folder = arguments.transcriptions or scratch
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(arguments.model.glob("*.safetensors"))
    weights = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def transcribe(case: Case) -> Performance:
        kept = folder / f"{case.name}-{font.sha256[:8]}-{weights[:8]}.json"
        if not kept.is_file():
            audio = scratch / f"{case.name}.wav"
            render_file(case.performance, font, audio)
            write_json(kept, asdict(transcriber.transcribe(audio)))
            audio.unlink()
        content = json.loads(kept.read_text(encoding="utf-8"))
        notes, extended = (
            content[name] and tuple(Note(**row) for row in content[name]) for name in ("notes", "extended")
        )
        return Performance(notes, tuple(PedalEvent(**row) for row in content["pedal"]), extended)

    return transcribe


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"scores.py: {error}")
