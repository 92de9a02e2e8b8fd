"""The training's notebook in JupyterLab, in a real browser: it is watched as it learns, and stopped by its button.

Needs selenium, Chromium and its driver; skipped where they are not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lab import Hands, Lab, needs_browser, put_notebook, wait
from small import SMALL
from trainings import Runs

from s2s_lib.pretrained import load_model
from s2s_lib.train import History

pytest.importorskip("selenium", reason="needs selenium")
pytestmark = needs_browser

NAME, EPOCHS = "02_train.ipynb", 5000  # far more than there is time for
# how full the bar is, the words beside it, and the curves
LIVE = """
const bar = document.querySelector(".widget-hprogress .progress-bar");
if (!bar) return null;
const box = bar.closest(".widget-vbox");
const curves = box.querySelector("img");
return { share: parseFloat(bar.style.width), curves: curves.naturalWidth ? curves.src : null,
         words: [...box.querySelectorAll(".widget-label")].map((label) => label.textContent).join("") };
"""


def test_a_training_is_watched_and_stopped(lab: Lab, run: Runs, tmp_path: Path) -> None:
    training = SMALL["training"] | {"num_epochs": EPOCHS, "batch_size": 1, "val_clips": 0}
    config = run(training=training)
    output = {"output_dir": str(tmp_path), "name": config.output.name}
    sections = {"dataset": SMALL["dataset"], "model": SMALL["model"], "training": training, "output": output}
    with lab.running(put_notebook(NAME, tmp_path, **sections)) as hands:
        watch(hands)
        hands.press("stop training")
        wait("the button to be out of use", lambda: not hands.control("stop training").is_enabled())
        wait("the training to stop", lambda: live(hands)["words"] == "stopped on request")
        hands.wait_for_run()
        outcome = hands.js("return document.querySelector('.jp-Notebook').innerText")
        assert "Stopped on request" in outcome
        assert hands.untouched() == []

    history = History.load(config.output.run_dir)
    assert len(history.epochs) < EPOCHS
    batches = history.unfinished["batches"]
    checkpoint = f"checkpoint_epoch_{len(history.epochs)}" + (f"_batch_{batches}" if batches else "")
    assert (config.output.checkpoints / checkpoint / "model.safetensors").is_file()
    load_model(config.output.model)


def live(hands: Hands) -> dict[str, Any]:
    return wait("the desk", lambda: hands.js(LIVE))


def watch(hands: Hands) -> None:
    """The bar, the words and the curves move on their own."""
    begun = wait("the curves", lambda: (now := live(hands))["curves"] and now["words"].startswith("training: ") and now)

    def moved() -> bool:
        now = live(hands)
        return all(now[name] != begun[name] for name in begun)

    wait("the bar, the words and the curves to move", moved)
