"""The stages, what each depends on, and the record of what a run folder holds (`state.json`)."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from s2s_lib.config import EMBEDDED_SOUNDFONT, Config, OutputConfig
from s2s_lib.files import write_json
from s2s_lib.pipeline.paths import BUILT_IN_MIDI
from s2s_lib.runs import PRODUCTS, STAGES, STATE_FILE, flat, read_state, this_process
from s2s_lib.runs.read import HISTORY
from s2s_lib.soundfonts import soundfont_files
from s2s_lib.weights import OFFSETS, WEIGHTS

# keys that change how a stage works but not what comes out of it
WITHOUT_EFFECT = {
    "dataset.num_workers",
    "dataset.backend",
    "dataset.scheduler",
    "model.device",
    "training.num_workers",
    "training.resume",
    "training.trackers",
    "training.keep_checkpoints",
    "training.val_clips",
    "evaluation.enabled",
}
REPORT_ONLY = {"dataset.reference_midi"}  # shown by the generate stage, of no matter to the later ones


def stage_inputs(config: Config, stage: str) -> dict[str, Any]:
    """The parameters a stage's result depends on, as {'section.key': value}, and the files they name."""
    dataset, effects = config.dataset, config.audio.augmentation
    fonts = [name for name in (*dataset.soundfonts, *dataset.test_soundfonts) if name != EMBEDDED_SOUNDFONT]
    files = [dataset.midi_dir] if dataset.midi_dir else []
    keys = {name: value for name, value in flat(config.model_dump(mode="json")).items() if name not in WITHOUT_EFFECT}
    if stage == "generate":
        chosen = {name for name in keys if name.startswith("dataset.")} | {"audio.sample_rate"}
    elif stage == "train":
        chosen = {name for name in keys if name.startswith(("dataset.", "audio.", "model.", "training."))} - REPORT_ONLY
        files += [folder for folder in (effects.noise_dir, effects.reverb_dir) if folder]
    else:
        evaluation = config.evaluation
        other_model = evaluation.model_path is not None
        sections = ("dataset.", "audio.", "evaluation.") + (() if other_model else ("model.", "training."))
        chosen = {name for name in keys if name.startswith(sections)} - REPORT_ONLY
        files += [*evaluation.midi, *evaluation.audio]
        files += [f"{evaluation.model_path}/{name}" for name in (WEIGHTS, OFFSETS)] if other_model else []
    paths = [Path(file) for file in files if file not in BUILT_IN_MIDI]
    contents = {f"content of {path}": _digest(path) for path in paths if path.exists()}
    contents |= {f"content of {name}": " ".join(map(_digest, soundfont_files(name))) for name in fonts}
    return {name: keys[name] for name in keys if name in chosen} | contents


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The parameters that differ, as 'training.num_epochs 5, now 10'; keys known to one side alone do not count."""
    return ", ".join(
        f"{name} {before[name]}, now {now[name]}" for name in before if name in now and before[name] != now[name]
    )


class RunState:
    """What `state.json` in a run folder says about each stage: status, inputs, time."""

    def __init__(self, output: OutputConfig):
        self.run_dir, self._data = output.run_dir, output.data
        self._stages = read_state(self.run_dir)

    def status(self, stage: str) -> str:
        """'done', 'outdated' (an earlier stage was redone since), 'failed', 'running' or 'never'."""
        return self._stages.get(stage, {}).get("status", "never")

    def inputs(self, stage: str) -> dict[str, Any]:
        """The inputs a stage was last run with."""
        return self._stages.get(stage, {}).get("inputs", {})

    def holds(self, stage: str) -> bool:
        """Whether the stage's result is there, up to date or not."""
        return self.status(stage) in ("done", "outdated") and self._product(stage).is_file()

    def holds_file(self, stage: str) -> bool:
        """Whether the stage's result lies in the run folder, whoever made it."""
        return self._product(stage).is_file()

    def is_current(self, stage: str, config: Config) -> bool:
        """Whether the stage is done with just these parameters; a training that a person stopped is to go on."""
        done = self.status(stage) == "done" and self.holds(stage) and not (stage == "train" and self._was_stopped())
        return done and not differences(self.inputs(stage), stage_inputs(config, stage))

    @contextmanager
    def attempt(self, stage: str, inputs: dict[str, Any]) -> Iterator[None]:
        """Notes that a stage runs on these inputs while the block does, and how it ends.

        Later stages' results are outdated then.

        An attempt that fails and leaves an earlier result untouched leaves it valid.
        """
        before, product, start = copy.deepcopy(self._stages), self._modified(stage), time.monotonic()
        self._stages[stage] = {"status": "running", "inputs": inputs, **this_process()}
        for later in STAGES[STAGES.index(stage) + 1 :]:
            if self.status(later) == "done":
                self._stages[later]["status"] = "outdated"
        self._save()
        status = "failed"
        try:
            yield
            status = "done"
        finally:
            if status == "failed" and product is not None and product == self._modified(stage):
                self._stages = before
            else:
                finished_at = datetime.now().astimezone().isoformat(timespec="seconds")
                seconds = round(time.monotonic() - start, 1)
                ended = {"finished_at": finished_at, "seconds": seconds}
                self._stages[stage] = {"status": status, "inputs": inputs, **ended}
            self._save()

    def _was_stopped(self) -> bool:
        try:
            history = json.loads((self.run_dir / HISTORY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(history, dict) and history.get("unfinished") is not None

    def _product(self, stage: str) -> Path:
        return (self._data if stage == "generate" else self.run_dir) / PRODUCTS[stage]

    def _modified(self, stage: str) -> float | None:
        return self._product(stage).stat().st_mtime if self.holds_file(stage) else None

    def _save(self) -> None:
        write_json(self.run_dir / STATE_FILE, self._stages)


def _digest(path: Path) -> str:
    """Of a file's content, or of the names, sizes and times of all files in a folder."""
    if path.is_dir():
        files = sorted((str(file), file.stat()) for file in path.rglob("*") if file.is_file())
        listing = repr([(name, status.st_size, status.st_mtime_ns) for name, status in files])
        return hashlib.sha256(listing.encode()).hexdigest()[:12]
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
