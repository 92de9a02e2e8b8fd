"""Training watched as it goes on, in JupyterLab: how far it is, its curves, and a button that stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.display import display

from s2s_lib.errors import InputError
from s2s_lib.progress import PROGRESS_FILE, describe, read_state
from s2s_lib.report.style import Picture
from s2s_lib.report.training import f1_panel, loss_panel
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from s2s_lib.config import Config
    from s2s_lib.train import History

LOOK_S = 0.5  # from one look at the training's files to the next
DRAW_S = 4.0  # from one picture to the next; it takes a core from the training for a moment
PACKAGE = Path(__file__).resolve().parents[2]
STOPPING = "stopping after this step, with a checkpoint …"


class Desk:
    """Widgets over a training that another process runs and whose files they read.

    `refresh` looks at the files anew; the button only leaves the file that asks the training to stop.
    """

    def __init__(self, config: Config, progress: Path):
        import ipywidgets

        self._run_dir, self._logs, self._progress = config.output.run_dir, config.output.logs, progress
        self._drawn: tuple[Any, ...] | None = None
        self._drawn_at = -DRAW_S
        self.bar = ipywidgets.FloatProgress(0, min=0, max=1, layout={"width": "16em"})
        self.button = ipywidgets.Button(description="stop training", icon="stop", disabled=True)
        self.button.tooltip = "ends after the current step; checkpoint and best model are kept"
        self.status = ipywidgets.Label("the training process starts …")
        self.picture = ipywidgets.Image(format="png", layout={"max_width": "100%"})
        self.button.on_click(lambda _: self.stop())

    def show(self) -> None:
        """Displays the desk."""
        import ipywidgets

        display(ipywidgets.VBox([ipywidgets.HBox([self.button, self.bar, self.status]), self.picture]))

    def stop(self) -> None:
        """Asks the training to stop."""
        from s2s_lib.train.stop import ask_to_stop

        ask_to_stop(self._run_dir)
        self.button.disabled, self.status.value = True, STOPPING

    def refresh(self) -> None:
        """Brings progress and curves up to date; the button can be pressed once the training is under way."""
        from s2s_lib.train.stop import stop_file

        state = read_state(self._progress)
        if state is None:
            return
        self.bar.value = state["done"] / max(state["total"], 1)
        stopping = stop_file(self._run_dir).exists()
        self.button.disabled = stopping
        self.status.value = STOPPING if stopping else describe(state)
        if time.monotonic() - self._drawn_at >= DRAW_S:
            self.draw()

    def draw(self, last: bool = False) -> None:
        """Draws the curves if they have grown; with `last` all that the history holds."""
        from s2s_lib.train.steps import read_steps

        history, steps = _history(self._run_dir), read_steps(self._logs)
        begun = steps[-1]["step"] if steps else 0
        epochs = history.epochs if last else [epoch for epoch in history.epochs if epoch["steps"] <= begun]
        history = replace(history, epochs=epochs)  # without those of an earlier training in the same folder
        known = (len(history.epochs), len(steps))
        if known != self._drawn:
            self._drawn = known
            self.picture.value = live_figure(history, steps).png()
            self._drawn_at = time.monotonic()

    def finish(self, text: str) -> None:
        """Leaves `text` as the last word, and nothing to press."""
        self.draw(last=True)
        self.button.disabled, self.status.value = True, text


def live_figure(history: History, steps: list[dict[str, Any]]) -> Picture:
    """Loss over the steps so far, and F1 over the epochs so far."""
    picture = Picture(11, 3.2, f"Loss over {counted(steps[-1]['step'] if steps else 0, 'step')} and F1 so far")
    left, right = picture.subplots(1, 2, width_ratios=(1.6, 1))
    loss_panel(left, history, steps)
    f1_panel(right, history)
    return picture


async def train_live(config: Config) -> History:
    """Trains in a process of its own, which is watched here and stopped by a button; returns the history.

    To be awaited in a cell: while it waits, the kernel (ipykernel 7 or later) hears the button. Interrupting the kernel
    stops the training as gracefully; a second time ends its process at once. Raises InputError in the words in which
    the training refuses something.
    """
    from s2s_lib.train import History

    config.output.run_dir.mkdir(parents=True, exist_ok=True)
    parameters = config.output.run_dir / "parameters.yaml"
    config.save(parameters)
    with tempfile.TemporaryDirectory(prefix="s2s-") as scratch:
        desk = Desk(config, Path(scratch) / "progress.json")
        desk.show()
        with (Path(scratch) / "errors").open("w+", encoding="utf-8") as errors:
            process = _start(parameters, Path(scratch) / "progress.json", errors)
            await _watch(process, desk)
            errors.seek(0)
            said = errors.read().strip().splitlines()
        if process.returncode:
            desk.finish("the training failed")
            raise _refusal(process.returncode, said)
        history = History.load(config.output.run_dir)
        desk.finish("stopped on request" if history.unfinished else f"done: {counted(len(history.epochs), 'epoch')}")
    return history


def _start(parameters: Path, progress: Path, errors: Any) -> subprocess.Popen:
    """The training process; what interrupts the kernel does not interrupt it."""
    environment = {**os.environ, PROGRESS_FILE: str(progress)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "s2s_lib.train", str(parameters)]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a new process takes over
    try:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
    finally:
        signal.signal(signal.SIGINT, before)


async def _watch(process: subprocess.Popen, desk: Desk) -> None:
    """Refreshes the desk until the process ends."""
    asked = False
    while process.poll() is None:
        try:
            desk.refresh()
            await asyncio.sleep(LOOK_S)
        except (KeyboardInterrupt, asyncio.CancelledError):  # the latter where a kernel is interrupted that awaits
            if asked:
                process.terminate()
                process.wait()
                raise
            desk.stop()
            asked = True


def _refusal(code: int, said: list[str]) -> InputError | RuntimeError:
    """What the training process ended with: its own sentence, or its last line."""
    last = said[-1] if said else f"no word, exit status {code}"
    prefix, _, sentence = last.partition("s2s_lib.train: error: ")
    if not prefix and sentence:
        return InputError(sentence, usage=code == 2)
    return RuntimeError(f"the training process ended with: {last}")


def _history(run_dir: Path) -> History:
    """The history so far; an empty one before the first epoch's end."""
    from s2s_lib.train import History

    try:
        return History.load(run_dir)
    except InputError:
        return History()
