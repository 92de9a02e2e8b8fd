"""Files and folders that a user names, looked into before anything runs. Nothing here imports torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.notes import read_midi
from s2s_lib.pipeline.paths import BUILT_IN_MIDI
from s2s_lib.render import LONGEST_S, TAIL_S

TRAINER_STATE = "trainer_state.json"  # written last into a checkpoint


@contextmanager
def usage_errors() -> Iterator[None]:
    """What is refused inside is a matter of usage: exit 2, since nothing has run yet."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error), usage=True) from None


def check_pieces(config: Config) -> None:
    """Reads the MIDI files and recordings to evaluate. Raises InputError for the first that is of no use."""
    with usage_errors():
        for file in (file for file in config.evaluation.midi if file not in BUILT_IN_MIDI):
            performance = read_midi(file)
            if not config.evaluation.audio and performance.end_s + TAIL_S > LONGEST_S:
                raise InputError(
                    f"{file}: is {performance.end_s / 3600:.1f} hours long, and at most {LONGEST_S / 3600:.0f} can be "
                    "rendered at once; cut it into parts."
                )
        if config.evaluation.audio:
            from s2s_lib.data import read_audio  # takes a second to import

            for file in config.evaluation.audio:
                read_audio(file, config.audio.sample_rate)


def check_checkpoint(folder: Path, num_epochs: int) -> None:
    """Raises InputError unless the folder is a checkpoint of a training with epochs left to do."""
    if not (folder / TRAINER_STATE).is_file():
        raise InputError(f"{folder}: is no checkpoint; name a folder like checkpoint_epoch_3.", usage=True)
    epochs = _read(folder / TRAINER_STATE).get("epochs")
    if not isinstance(epochs, list):
        raise InputError(f"{folder}: {TRAINER_STATE} is truncated or damaged; use an earlier checkpoint.", usage=True)
    if len(epochs) >= num_epochs:
        raise InputError(
            f"{folder}: training is finished after epoch {len(epochs)} of {num_epochs}; raise --epochs to train "
            "longer.",
            usage=True,
        )


def _read(path: Path) -> dict:
    """A JSON file's mapping; nothing if it holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
