"""Looking at single pieces: pictures that stand in every report, and in JupyterLab a menu to step through them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from IPython import get_ipython
from IPython.display import display

from s2s_lib.report.players import CLIP_S, played, player
from s2s_lib.report.rolls import overlay_roll, piano_roll
from s2s_lib.report.samples import score_excerpt
from s2s_lib.report.transcription import key_name
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from s2s_lib.data import Manifest, Sample
    from s2s_lib.evaluate import Evaluation, SampleResult

BATCH = "S2S_BATCH"  # set to 1 in the kernels that the pipeline starts


def interactive() -> bool:
    """Whether a person sits in front of this notebook.

    False when S2S_BATCH is set, outside a Jupyter kernel, and when the client that runs the cell can't be asked for
    input: papermill, nbmake and nbconvert say so with every cell, JupyterLab does not.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if os.environ.get(BATCH, "0") != "0" or kernel is None:
        return False
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin", False))


def grid(widgets: Sequence[Any]) -> Any:
    """Labelled widgets below each other, in two columns where there is room."""
    import ipywidgets

    for widget in widgets:
        widget.style.description_width, widget.layout.width = "10.5em", "auto"
    layout = {"grid_template_columns": "repeat(auto-fit, minmax(26em, 1fr))", "max_width": "70em"}
    return ipywidgets.GridBox(list(widgets), layout=layout)


def show_sample(sample: Sample) -> None:
    """A piece as piano roll, score if it was composed with one, and player."""
    performance = sample.performance()
    tempo = sample.tempo_bpm and f"{sample.tempo_bpm:.0f} bpm"
    known = [_key(sample), sample.time_signature, tempo, sample.complexity or sample.source]
    display(piano_roll(performance, f"{sample.id}: {_listed(known)}"))
    score = score_excerpt(sample)
    if score is not None:
        display(score)
    if sample.audio is not None:
        display(player(sample.waveform(), sample.sample_rate, label=sample.id))


def show_result(evaluation: Evaluation, result: SampleResult) -> None:
    """A transcription over what was played, and both to listen to."""
    scores, rate = result.scores, result.source.sample_rate
    pedal = f"onset + offset (pedal-extended) {scores.onset_offset_pedal.f1:.2f}"
    about = f"{result.id}: F1 of onset {scores.onset.f1:.2f}, {pedal}"
    display(overlay_roll(result.ref, result.est, about, evaluation.config.evaluation))
    display(player(result.waveform(), rate, label=f"{result.id}, the audio"))
    if result.est.notes:
        heard = played(result.est, rate, 0.0, CLIP_S)
        display(player(heard, rate, label=f"{result.id}, its transcription played"))


def sample_browser(manifest: Manifest) -> None:
    """Menu of a split's pieces, for JupyterLab; nothing for a split without any."""
    if not manifest.samples:
        return
    labels = [f"{s.id}  ({_listed([_key(s), s.time_signature, counted(s.notes, 'note')])})" for s in manifest.samples]
    _browse(labels, lambda index: show_sample(manifest.samples[index]))


def _key(sample: Sample) -> str | None:
    return sample.key and key_name(sample.key)


def _listed(values: Sequence[str | None]) -> str:
    """Those that are known, with commas."""
    return ", ".join(value for value in values if value)


def _browse(labels: Sequence[str], show: Callable[[int], None]) -> None:
    """A menu with buttons for the next and previous entry above the output of `show`."""
    import ipywidgets

    options = [(label, i) for i, label in enumerate(labels)]
    menu = ipywidgets.Dropdown(options=options, description="piece", layout={"width": "32em"})
    back, on = ipywidgets.Button(description="previous"), ipywidgets.Button(description="next")
    output = ipywidgets.Output()

    def step(by: int) -> None:
        menu.value = (menu.value + by) % len(labels)

    def draw(index: int) -> None:
        with output:
            output.clear_output(wait=True)
            show(index)

    back.on_click(lambda _: step(-1))
    on.on_click(lambda _: step(1))
    menu.observe(lambda change: draw(change["new"]), names="value")
    display(ipywidgets.VBox([ipywidgets.HBox([menu, back, on]), output]))
    draw(menu.value)
