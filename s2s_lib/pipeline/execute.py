"""One notebook executed through papermill, with live progress and a clear sentence when it fails."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2s_lib.config import Config
from s2s_lib.pipeline.export import export_html
from s2s_lib.pipeline.export.failure import reason
from s2s_lib.progress import follow


class StageError(Exception):
    """A stage failed: which, in which cell, and why. `usage` means that a flag or config key is at fault (exit 2)."""

    def __init__(self, message: str, usage: bool = False):
        super().__init__(message)
        self.usage = usage


def execute_notebook(source: Path, target: Path, config: Config, stage: str, keep: bool) -> None:
    """Runs `source` with the config's sections as parameters and saves it to `target` as it goes.

    With `keep`, what `target` holds stays until this one is done, which goes to a file NAME-new beside it till then.
    Raises StageError if a cell fails; the file written to then holds the notebook up to that cell, and a page beside it
    says what failed and where.
    """
    attempt = target.with_stem(f"{target.stem}-new") if keep else target
    try:
        _execute(source, attempt, config, stage)
    except StageError:
        if config.output.html and attempt.is_file():
            export_html(attempt, f"{config.output.name}: {stage}")
        raise
    attempt.replace(target)
    if keep:
        attempt.with_suffix(".html").unlink(missing_ok=True)  # an earlier attempt's


def _execute(source: Path, target: Path, config: Config, stage: str) -> None:
    with _absent("rfc3987_syntax"):  # jsonschema would compile a grammar of URLs, a second for what no notebook needs
        import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from s2s_lib.pipeline.kernel import OwnKernel

    logging.getLogger("papermill").setLevel(logging.ERROR)
    paths, parameters = (_literal(source), _literal(target)), config.model_dump(mode="json")
    with tempfile.TemporaryDirectory(prefix="s2s-") as scratch, follow(Path(scratch) / "progress.json", stage):
        try:
            papermill.execute_notebook(*paths, parameters, progress_bar=False, kernel_manager_class=OwnKernel)
        except PapermillExecutionError as error:
            raise _stage_error(stage, target, error) from None
        except DeadKernelError:
            raise StageError(
                f"stage {stage} failed: its process died, perhaps for lack of memory; see {target}."
            ) from None


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """Lets packages that can do without `module` do so."""
    sys.modules.setdefault(module, None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if sys.modules[module] is None:
            del sys.modules[module]


def _stage_error(stage: str, target: Path, error: object) -> StageError:
    usage, why = "".join(error.traceback).startswith("InputError (usage)"), reason(error.ename, error.evalue)
    return StageError(f"stage {stage} failed in cell [{error.exec_count}] of {target}: {why}", usage)


def _literal(path: Path) -> str:
    """Papermill takes braces in paths as format fields."""
    return str(path).replace("{", "{{").replace("}", "}}")
