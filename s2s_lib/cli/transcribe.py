"""`s2s transcribe`: its flags, and what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TextIO

from s2s_lib.cli.flags import Flag, Parser
from s2s_lib.cli.resolve import given_flags, name_flags
from s2s_lib.config import Config, ModelConfig, TranscriptionConfig
from s2s_lib.errors import InputError
from s2s_lib.pipeline import TranscriptionJob, transcribe_files

FORMATS = "midi,musicxml,svg"


def _flag(name: str, key: str) -> Flag:
    return Flag(name, (("transcription", key),), TranscriptionConfig.model_fields[key])


MODEL_FLAGS = (
    _flag("--model-path", "model_path"),
    _flag("--onset-threshold", "onset_threshold"),
    Flag("--device", (("model", "device"),), ModelConfig.model_fields["device"]),
)
SCORE_FLAGS = (
    _flag("--tempo", "tempo_bpm"),
    _flag("--time-signature", "time_signature"),
    _flag("--key", "key_signature"),
    _flag("--quantize", "smallest_note"),
    _flag("--no-pedal", "pedal"),
)


def add_transcribe(parser: Parser) -> None:
    """Declares the arguments of `s2s transcribe`."""
    parser.add_argument(
        "inputs", metavar="AUDIO", nargs="+",
        help="recordings (WAV, FLAC, MP3, OGG; M4A and others where ffmpeg is installed), or folders of them",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="folder for the files (default: this one)")
    parser.add_argument(
        "--format", default=FORMATS,
        help="kinds of files, with commas between: midi, musicxml, svg, pdf, png, json, html; they are named after "
        f"each input, pages NAME-1.svg and on (default: {FORMATS})",
    )  # fmt: skip
    parser.add_argument("--from-midi", action="store_true", help="the inputs are MIDI performances, to be engraved")
    parser.add_argument("--title", help="title of the score (default: the input's name)")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there already")
    for title, flags in (("model", MODEL_FLAGS), ("score, in the place of what is found", SCORE_FLAGS)):
        group = parser.add_argument_group(title)
        for flag in flags:
            flag.add_to(group)


def run_transcribe(options: argparse.Namespace) -> int:
    """Runs `s2s transcribe`: a line for each input that gave something, a sentence for each that failed; 1 if any."""
    config = _config(options)
    formats = tuple(dict.fromkeys(name.strip().lower() for name in options.format.split(",") if name.strip()))
    if not formats:
        raise InputError("--format: names no format, such as midi or pdf.", usage=True)
    job = TranscriptionJob(
        tuple(options.inputs), Path(options.output).expanduser(), formats, options.from_midi, options.title,
        options.force,
    )  # fmt: skip
    outcomes = []
    try:
        for outcome in transcribe_files(job, config):
            outcomes.append(outcome)
    finally:  # what is done is told even of a batch that is broken off
        for outcome in outcomes:
            if outcome.found is not None:
                _tell(f"{outcome.source}: {outcome.found}", sys.stdout)
            if outcome.error is not None:
                _tell(f"s2s: error: {outcome.error}", sys.stderr)
    return 1 if any(outcome.error is not None for outcome in outcomes) else 0


def _tell(text: str, stream: TextIO) -> None:
    """One line, whatever a file's name is made of and the terminal takes."""
    encoding = stream.encoding or "utf-8"
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def _config(options: argparse.Namespace) -> Config:
    if options.from_midi:
        for flag in MODEL_FLAGS:
            if hasattr(options, flag.variable):
                raise InputError(f"{flag.name}: no model is asked with --from-midi; leave one out.", usage=True)
    flags = (*MODEL_FLAGS, *SCORE_FLAGS)
    try:
        return Config.resolve(given_flags(options, flags), source="command line")
    except InputError as error:
        raise InputError(name_flags(str(error), options, flags), usage=True) from None
