"""Many recordings, or MIDI performances, to files: what can be known to fail is refused before the long work."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.files import AUDIO_ENDINGS, MIDI_ENDINGS, files_under
from s2s_lib.pipeline.checks import try_folder
from s2s_lib.pipeline.inputs import usage_errors
from s2s_lib.progress import Progress, duration
from s2s_lib.weights import check_model

if TYPE_CHECKING:
    from s2s_lib.transcription import Transcription


@dataclass(frozen=True)
class TranscriptionJob:
    """What `s2s transcribe` is asked for.

    inputs: files, and folders that are searched for some; formats: names in `s2s_lib.transcription.FORMATS`;
    from_midi: inputs are MIDI performances; title: of the one input; force: write over what is there.
    """

    inputs: tuple[str, ...]
    folder: Path
    formats: tuple[str, ...]
    from_midi: bool = False
    title: str | None = None
    force: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one input: what was found in it, and why it failed; None for neither."""

    source: Path
    found: str | None = None
    error: str | None = None


def transcribe_files(job: TranscriptionJob, config: Config) -> Iterator[Outcome]:
    """Transcribes the inputs in turn; an input at fault costs the others nothing.

    One whose files are there already is passed over as a fault, so a batch that was broken off goes on where it
    stopped. Raises InputError (usage) before anything runs for what is wrong with the whole: no input, two of one
    stem, an unknown format or one that needs a package, a folder, model or device of no use.
    """
    sources = _sources(job)
    _check_formats(job)
    _check_names(job, sources)
    refused = {source: reason for source in sources if (reason := _in_the_way(job, source))}
    if not job.from_midi and len(refused) < len(sources):
        from s2s_lib.transcription import load_transcriber, model_folder  # takes a second to import

        settings = config.transcription
        with usage_errors():
            check_model(model_folder(settings.model_path))
            load_transcriber(settings.model_path, config.model.device)
    return _outcomes(job, config, sources, refused)


def _outcomes(
    job: TranscriptionJob, config: Config, sources: list[Path], refused: dict[Path, str]
) -> Iterator[Outcome]:
    yield from (Outcome(source, error=reason) for source, reason in refused.items())
    wanted = [source for source in sources if source not in refused]
    if not wanted:
        return
    with Progress(len(wanted), "transcribe", "file") as progress:
        for source in wanted:
            try:
                outcome = _outcome(source, job, config, progress)
            except InputError as error:
                outcome = Outcome(source, error=str(error))
            except OSError as error:
                outcome = Outcome(source, error=f"{error.filename or source}: {error.strerror or error}.")
            except Exception as error:  # ours to mend, and no reason to lose the rest of a long batch
                traceback.print_exc()
                what = f"{type(error).__name__}: {error}".rstrip(".")
                outcome = Outcome(source, error=f"{source}: could not be transcribed ({what}); please report this.")
            progress.advance()
            yield outcome


def _outcome(source: Path, job: TranscriptionJob, config: Config, progress: Progress) -> Outcome:
    from s2s_lib.transcription import write_files

    start = time.monotonic()
    transcription = _listen(source, job, config, progress)
    progress.advance(0, f"{source.name}: writing")
    error = None
    try:
        write_files(transcription, job.formats, job.folder, source.stem)
    except InputError as failed:
        error = str(failed)
    return Outcome(source, f"{transcription.summary()}, {duration(time.monotonic() - start)}", error)


def _listen(source: Path, job: TranscriptionJob, config: Config, progress: Progress) -> Transcription:
    from s2s_lib.transcription import read_performance, transcribe

    def watch(read_s: float, all_s: float) -> None:
        progress.advance(0, f"{source.name}: {duration(read_s)} of {duration(all_s)}")

    settings = config.transcription
    if job.from_midi:
        return read_performance(source, settings, title=job.title)
    if source.suffix.lower() in MIDI_ENDINGS:
        raise InputError(f"{source}: is a MIDI file, no recording; add --from-midi to engrave it.")
    return transcribe(source, settings, device=config.model.device, title=job.title, watch=watch)


def _sources(job: TranscriptionJob) -> list[Path]:
    """The files to work on, in the order they were named, each once."""
    found: dict[Path, Path] = {}
    for name in job.inputs:
        path = Path(name).expanduser()
        for file in _search(path, job.from_midi) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), file)
    sources = list(found.values())
    if job.title is not None and len(sources) > 1:
        raise InputError(f"--title {job.title}: is for one input, and there are {len(sources)}.", usage=True)
    return sources


def _search(folder: Path, from_midi: bool) -> list[Path]:
    """All files of a folder, whatever their depth, that look like what is wanted."""
    kind, endings = ("MIDI files", MIDI_ENDINGS) if from_midi else ("recordings", AUDIO_ENDINGS)
    files = files_under(folder, endings)
    if not files:
        raise InputError(f"{folder}: holds no {kind} ({', '.join(endings)}); name another folder.", usage=True)
    return files


def _check_formats(job: TranscriptionJob) -> None:
    from s2s_lib.transcription import FORMATS, missing_package

    for name in job.formats:
        if name not in FORMATS:
            raise InputError(f"--format {name}: choose among {', '.join(FORMATS)}.", usage=True)
        if package := missing_package(name):
            raise InputError(
                f"--format {name}: needs the Python package {package}, which is not installed; run "
                f"'pip install {package}', or leave {name} out.",
                usage=True,
            )


def _check_names(job: TranscriptionJob, sources: list[Path]) -> None:
    """The folder can be written to, and no two inputs would give the same files."""
    if job.folder.exists() and not job.folder.is_dir():
        raise InputError(f"-o {job.folder}: is a file; name a folder.", usage=True)
    try_folder(job.folder, "-o")
    stems: dict[str, Path] = {}
    for source in sources:
        other = stems.setdefault(source.stem.casefold(), source)  # case makes no difference on some disks
        if other is not source:
            raise InputError(
                f"{other} and {source}: their files would have the same names; rename one, or give each its own -o.",
                usage=True,
            )


def _in_the_way(job: TranscriptionJob, source: Path) -> str | None:
    """Why an input's files can't be written: they, or the input itself, are there already."""
    from s2s_lib.transcription import written_before

    there = [file for name in job.formats for file in written_before(job.folder, source.stem, name)]
    if source.resolve() in [file.resolve() for file in there]:
        return f"{source}: its own {source.suffix} file would be written over it; name another folder with -o."
    if there and not job.force:
        return f"{source}: {there[0]} is there already; add --force to overwrite, or name another folder with -o."
    return None
