"""A run's stages in one file to hand on: a web page, a notebook, or pages to print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write
from s2s_lib.pipeline.checks import try_folder
from s2s_lib.pipeline.export import Chapter, chapter, plain_copy, run_page
from s2s_lib.pipeline.export.arrange import SUMMARY, players
from s2s_lib.pipeline.export.drawings import draw
from s2s_lib.runs import NOTEBOOKS, STAGES, Run, open_run
from s2s_lib.wording import counted, listed

if TYPE_CHECKING:
    from nbformat import NotebookNode

TOLD = {
    "outdated": "{stage} is outdated: an earlier stage was done again after it.",
    "failed": "{stage} failed.",
    "running": "{stage} was still running when this was written.",
    "broken off": "{stage} was broken off.",
}
NO_SOUND = "The sounds are left out."
LARGEST = 5_000_000  # bytes that a phone opens at once and most mail carries


@dataclass(frozen=True)
class ReportJob:
    """What `s2s report` is asked for.

    run: a name under `output_dir`, or a folder; target: the file, its ending being the format's where several are
    asked for, None for NAME in the working folder; audio: with the players; force: write over what is there.
    """

    run: str
    output_dir: Path
    formats: tuple[str, ...]
    target: Path | None = None
    audio: bool = True
    force: bool = False


@dataclass(frozen=True)
class Shared:
    """The files written, and a sentence for each thing that is missing in them."""

    files: tuple[Path, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """A run's executed notebooks by stage, and what is to be said of those that are not whole."""

    run: Run
    notebooks: dict[str, NotebookNode]
    notices: tuple[str, ...]

    def chapters(self, audio: bool) -> list[Chapter]:
        """The notebooks as chapters of one page, their links to each other leading to its chapters."""
        anchors = {NOTEBOOKS[stage]: f"#{stage}" for stage in self.notebooks}
        return [chapter(notebook, stage, anchors.get, audio) for stage, notebook in self.notebooks.items()]

    @property
    def sounds(self) -> int:
        """Bytes that the players take."""
        return sum(len(player) for notebook in self.notebooks.values() for player in players(notebook))


def share_run(job: ReportJob) -> Shared:
    """Writes the stages a run has done, in each format.

    Raises InputError before anything is written if there is no such run, none of its stages left a notebook, a format
    is unknown or needs what is not installed, or a file is in the way.
    """
    for name in job.formats:
        if name not in FORMATS:
            raise InputError(f"--format {name}: choose among {', '.join(FORMATS)}.", usage=True)
    run = _find(job)
    told = _read(run)
    files = {name: _file(job, run, name) for name in job.formats}
    if "pdf" in files:
        _weasyprint()
    for name, file in files.items():
        atomic_write(file, FORMATS[name](told, job))
    large = [notice for name, file in files.items() if (notice := _too_large(file, told, job.audio and name != "pdf"))]
    return Shared(tuple(files.values()), (*told.notices, *large))


def _too_large(file: Path, told: Told, audio: bool) -> str | None:
    """What makes a file larger than it should be, and the way out; None where it is not."""
    size = file.stat().st_size
    if size <= LARGEST:
        return None
    sounds = told.sounds if audio else 0
    text = f"{file}: is larger than {LARGEST / 1e6:.0f} MB"
    if size - sounds <= LARGEST:
        return f"{text}, {sounds / 1e6:.1f} MB of which are sounds; leave them out with --no-audio."
    also = f" even without its {sounds / 1e6:.1f} MB of sounds (--no-audio)" if sounds else ""
    return f"{text}{also}; the page that each stage left in {told.run.folder} is smaller, and holds its part."


def _find(job: ReportJob) -> Run:
    """The run of that name in the folder of runs, else the folder of that name."""
    path = Path(job.run).expanduser()
    named = job.output_dir / path
    return open_run(named if path.name == job.run and (named.is_dir() or not path.is_dir()) else path)


def _file(job: ReportJob, run: Run, name: str) -> Path:
    """Where a format goes. Raises InputError (usage) if a file is there that is to stay."""
    target = job.target or Path(run.name)
    if target.suffix.lower().removeprefix(".") in FORMATS:
        target = target.with_suffix("")
    file = target.with_name(f"{target.name}.{name}")
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name a file with -o.", usage=True)
    if file.exists() and not job.force:
        raise InputError(f"{file}: is there already; add --force to overwrite it, or name another with -o.", usage=True)
    try_folder(file.parent, "-o")
    return file


def _read(run: Run) -> Told:
    import nbformat

    notebooks, notices = {}, list(run.faults)
    for stage in STAGES:
        path, status = run.folder / f"{NOTEBOOKS[stage]}.ipynb", run.status(stage)
        if path.is_file():
            try:
                notebooks[stage] = nbformat.read(path, as_version=4)
            except (OSError, ValueError, nbformat.ValidationError):
                notices.append(f"{path}: is truncated or damaged, so {stage} is missing.")
                continue
            if status in TOLD:
                notices.append(TOLD[status].format(stage=stage))
        else:
            notices.append(f"{stage} is missing: " + _why_missing(status, run.folder / NOTEBOOKS[stage]))
    if not notebooks:
        raise InputError(f"{run.folder}: no stage of this run has left a notebook, so there is nothing to report.")
    old = [stage for stage, notebook in notebooks.items() if not _has_summary(notebook)]
    if old:
        notices.append(f"{listed(old)}: made by an earlier version, whose notebooks have no summary{_scores(run)}.")
    return Told(run, notebooks, tuple(notices))


def _why_missing(status: str, notebook: Path) -> str:
    if status == "never":
        return "it has not been run."
    return f"there is no {notebook.name}.ipynb." if status in ("done", "outdated") else f"it is {status}."


def _scores(run: Run) -> str:
    mean, pieces = run.mean("onset")
    return "" if mean is None else f"; its onset F1 is {mean:.3f}, mean over {counted(pieces, 'piece')}"


def _has_summary(notebook: NotebookNode) -> bool:
    return any(SUMMARY in cell.metadata.get("tags", ()) for cell in notebook.cells)


def _title(told: Told) -> str:
    return f"Run {told.run.name}"


def _html(told: Told, job: ReportJob) -> str:
    notices = told.notices if job.audio else (*told.notices, NO_SOUND)
    return run_page(told.chapters(job.audio), _title(told), notices)


def _pdf(told: Told, job: ReportJob) -> bytes:  # noqa: ARG001  all formats are asked alike
    """The page printed on A4, without code and sound."""
    page = run_page(list(map(draw, told.chapters(audio=False))), _title(told), (*told.notices, NO_SOUND), code=False)
    module = _weasyprint()
    fetcher = module.urls.URLFetcher(allowed_protocols=["data"])  # as the page, it asks no network
    return module.HTML(string=page, url_fetcher=fetcher).write_pdf()


def _weasyprint() -> ModuleType:
    """WeasyPrint. Raises InputError (usage) if it or the Pango library that it draws text with is missing."""
    try:
        import weasyprint
    except ImportError:
        raise InputError(
            "--format pdf: needs the Python package weasyprint; run \"pip install 'sound2sheet[pdf]'\", or print the "
            "page from a browser.",
            usage=True,
        ) from None
    except OSError:
        raise InputError(
            "--format pdf: weasyprint needs the Pango library ('apt install libpango-1.0-0 libpangoft2-1.0-0', or "
            "'pango' from conda-forge); or print the page from a browser.",
            usage=True,
        ) from None
    return weasyprint


def _ipynb(told: Told, job: ReportJob) -> str:
    """One notebook of all stages' cells, in the order in which they run, with what they showed."""
    import nbformat

    head = "\n\n".join([f"# {_title(told)}", *told.notices])
    cells = [nbformat.v4.new_markdown_cell(head)]
    for notebook in told.notebooks.values():
        cells += plain_copy(notebook, job.audio)
    for number, cell in enumerate(cells):
        cell["id"] = str(number)
    first = next(iter(told.notebooks.values())).metadata
    metadata = {name: first[name] for name in ("kernelspec", "language_info") if name in first}
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=metadata))


FORMATS: dict[str, Callable[[Told, ReportJob], str | bytes]] = {"html": _html, "ipynb": _ipynb, "pdf": _pdf}
