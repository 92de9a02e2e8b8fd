"""The folder of MIDI files that pieces are cut from: what is used of it, and what is skipped."""

from __future__ import annotations

from IPython.display import display

from s2s_lib.config import Config
from s2s_lib.data import Library
from s2s_lib.report.style import Table
from s2s_lib.wording import counted

MOST_SKIPPED = 50  # listed; a large folder would fill the report


def midi_in_use(config: Config) -> None:
    """Shows the pieces by split of `dataset.midi_dir`, and the skipped files with the reason; nothing without one.

    Raises InputError as `Library.scan` does.
    """
    if config.dataset.midi_dir is None:
        return
    library = Library.scan(config.dataset)
    rows = []
    for split, pieces in library.pieces.items():
        files = [file for piece in pieces for file in piece]
        hours, notes = sum(file.seconds for file in files) / 3600, sum(file.notes for file in files)
        rows.append((split, len(pieces), len(files), notes, f"{hours:.2f}"))
    caption = f"MIDI files of {library.folder}; files of the same piece are in the same split."
    if library.left_out:
        caption += f" Left out for being off the piano's keys: {counted(library.left_out, 'note')}."
    display(Table(("split", "pieces", "files", "notes", "hours"), rows, caption))
    if library.skipped:
        listed = [(skip.path.relative_to(library.folder), skip.reason) for skip in library.skipped[:MOST_SKIPPED]]
        rest = len(library.skipped) - len(listed)
        caption = f"Skipped: {counted(len(library.skipped), 'file')}{f', {rest} of them not listed' if rest else ''}."
        display(Table(("file", "reason"), listed, caption, text_columns=2))
