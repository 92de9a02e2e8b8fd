"""The error explorer: pick a piece, move the onset threshold, and see and hear what changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from IPython.display import display

from s2s_lib import metrics
from s2s_lib.report.evaluation import LABELS
from s2s_lib.report.players import played, player
from s2s_lib.report.roll_svg import key_range, overlay_svg
from s2s_lib.report.rolls import overlay_roll
from s2s_lib.report.style import Picture, Table
from s2s_lib.report.widgets import interactive
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from s2s_lib.evaluate import Evaluation, SampleResult
    from s2s_lib.notes import Performance
    from s2s_lib.transcribe import Probabilities

LOWEST, HIGHEST = 0.02, 0.98  # ends of the threshold's slider
SHORTEST_S = 1.0  # window that is shown
FIRST_S = 15.0  # of a piece that are shown at first
COMPARED = (0.1, 0.8)  # thresholds that stand beside the one in force where nothing can be moved
STATIC_S = 8.0  # of a piece that are then shown


@dataclass(frozen=True, eq=False)
class Reading:
    """A transcription at one threshold, and all that is known of it."""

    est: Performance
    pairs: np.ndarray  # (k, 2) matched notes (ref, est)
    scores: metrics.Scores
    mistakes: list[metrics.Mistake]


class Readings:
    """Transcriptions of an evaluation's pieces at any onset threshold; each is made once.

    The one in force is the evaluation's own. The model hears a piece again, once, only where the evaluation did not
    keep its probabilities.
    """

    def __init__(self, evaluation: Evaluation):
        self._evaluation = evaluation
        self._heard: dict[SampleResult, Probabilities] = {}
        self._made: dict[tuple[SampleResult, float], Reading] = {}

    def at(self, sample: SampleResult, threshold: float) -> Reading:
        """The piece's transcription at this onset threshold."""
        key = sample, threshold
        if key not in self._made:
            known = self.probabilities(sample)
            settings = self._evaluation.config.evaluation
            if threshold == known.thresholds.onset:
                est, pairs, scores = sample.est, sample.pairs, sample.scores
            else:
                est = known.notes(threshold)
                pairs = metrics.match(sample.ref.notes, est.notes, settings)
                scores = metrics.score(sample.ref, est, settings)
            self._made[key] = Reading(est, pairs, scores, metrics.mistakes(sample.ref, est, settings, pairs))
        return self._made[key]

    def probabilities(self, sample: SampleResult) -> Probabilities:
        """What the model makes of a piece."""
        if sample.probabilities is not None:
            return sample.probabilities
        if sample not in self._heard:
            from s2s_lib.transcribe import Transcriber  # imports torch

            settings = self._evaluation.config.evaluation
            transcriber = Transcriber.load(self._evaluation.model_path, self._evaluation.config.model.device)
            self._heard[sample] = transcriber.hear(sample.waveform(), sample.source.sample_rate, settings)
        return self._heard[sample]


class Explorer:
    """Widgets over one piece at a time: its piano roll, its scores and its sounds at a threshold."""

    def __init__(self, evaluation: Evaluation):
        import ipywidgets

        self._readings, self._pieces = Readings(evaluation), evaluation.ranked()[::-1]
        wide = {"layout": {"width": "36em"}, "style": {"description_width": "9em"}}
        names = [(f"{s.id}  (onset F1 {s.scores.onset.f1:.2f})", i) for i, s in enumerate(self._pieces)]
        self.piece = ipywidgets.Dropdown(options=names, description="piece", **wide)
        self.threshold = ipywidgets.FloatSlider(
            min=LOWEST, max=HIGHEST, step=0.01, description="onset threshold", readout_format=".2f", **wide
        )
        self.own = ipywidgets.Button(description="back to the one in force", layout={"width": "auto"})
        self.window = ipywidgets.FloatRangeSlider(
            min=0, max=1, step=0.1, description="from, to (s)", readout_format=".1f", **wide
        )
        self.sounds = [ipywidgets.Button(description=name) for name in ("audio", "transcription", "both")]
        self.scores, self.roll, self.sound = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._waveforms: dict[SampleResult, np.ndarray] = {}
        self._picking = False
        self._pick()
        self.piece.observe(lambda _: self._pick(), names="value")
        for slider in (self.threshold, self.window):
            slider.observe(lambda _: self._picking or self.draw(), names="value")
        self.own.on_click(lambda _: self._back())
        for button in self.sounds:
            button.on_click(lambda pressed: self.play(pressed.description))

    @property
    def sample(self) -> SampleResult:
        """The piece on show."""
        return self._pieces[self.piece.value]

    @property
    def reading(self) -> Reading:
        """Its transcription on show."""
        return self._readings.at(self.sample, self.threshold.value)

    @property
    def span_s(self) -> tuple[float, float]:
        """What is shown and heard of it, from and to, in seconds."""
        start_s, end_s = self.window.value
        start_s = min(start_s, max(0.0, self.window.max - SHORTEST_S))
        return start_s, max(end_s, start_s + SHORTEST_S)

    def show(self) -> None:
        """Displays the explorer."""
        import ipywidgets

        rows = [[self.piece], [self.threshold, self.own], [self.window], [ipywidgets.Label("listen to:"), *self.sounds]]
        display(ipywidgets.VBox([*map(ipywidgets.HBox, rows), self.sound, self.roll, self.scores]))

    def draw(self) -> None:
        """Shows the notes and scores at the threshold; what was made before is taken as it is."""
        reading = self.reading
        self.scores.value = _scores(reading)._repr_html_() + _kinds(reading)
        ref = self.sample.ref
        keys = key_range((*ref.notes, *self.sample.est.notes, *reading.est.notes))  # those of the whole piece
        self.roll.value = overlay_svg(ref, reading.est, reading.pairs, self.span_s, reading.mistakes, keys)

    def play(self, what: str) -> None:
        """A player that starts at once: the window's audio, its transcription, or one in each ear."""
        start_s, end_s = self.span_s
        rate = self.sample.source.sample_rate
        if self.sample not in self._waveforms:
            self._waveforms = {self.sample: self.sample.waveform()}
        audio = self._waveforms[self.sample][round(start_s * rate) : round(end_s * rate)]
        heard = played(self.reading.est, rate, start_s, len(audio) / rate)
        heard = np.pad(heard, (0, len(audio) - len(heard)))
        sound = {"audio": audio, "transcription": heard}.get(what)
        if sound is None:
            sound = np.stack([audio, heard], axis=1)
            what = "audio in the left ear, transcription in the right"
        label = f"{self.sample.id}, {start_s:.1f}–{end_s:.1f} s, onset threshold {self.threshold.value:.2f}: {what}"
        self.sound.value = player(sound, rate, len(sound) / rate, label).data.replace("<audio ", "<audio autoplay ", 1)

    def _pick(self) -> None:
        """Shows another piece, at the threshold in force."""
        own, length_s = self._own(), max(SHORTEST_S, self.sample.duration_s)
        self.sound.value = ""
        self._picking = True  # both sliders move, and the piece is drawn once
        self.window.max = length_s
        self.window.value = (0.0, min(FIRST_S, length_s))
        self.threshold.min, self.threshold.max = min(LOWEST, own), max(HIGHEST, own)
        self.threshold.value = own
        self._picking = False
        self.draw()

    def _back(self) -> None:
        self.threshold.value = self._own()

    def _own(self) -> float:
        return self._readings.probabilities(self.sample).thresholds.onset


def error_explorer(evaluation: Evaluation) -> None:
    """Shows the explorer; where nobody can move anything, a picture of one piece at three thresholds instead."""
    if interactive():
        Explorer(evaluation).show()
    else:
        display(thresholds_picture(evaluation))


def thresholds_picture(evaluation: Evaluation) -> Picture:
    """The worst moment of the worst piece whose probabilities were kept, at a low threshold, the one in force, a high.

    Where none were kept, as it was transcribed.
    """
    ranked = evaluation.ranked()[::-1]
    sample = next((s for s in ranked if s.probabilities is not None), ranked[0])
    readings = Readings(evaluation)
    known = sample.probabilities
    tried = sorted({*COMPARED, known.thresholds.onset}) if known else [None]
    picture = Picture(10, 2.9 * len(tried) + 0.4, f"{sample.id} at onset thresholds {tried}")
    axes = picture.subplots(len(tried), 1, squeeze=False)[:, 0]
    wrong = [m.time_s for m in evaluation.mistakes[evaluation.samples.index(sample)]]
    start_s = metrics.worst_windows([np.array(wrong)], STATIC_S, 1)[0][1] if wrong else 0.0
    for ax, threshold in zip(axes, tried, strict=True):
        est, onset = sample.est, sample.scores.onset
        if threshold is not None:
            reading = readings.at(sample, threshold)
            est, onset = reading.est, reading.scores.onset
        title = f"{sample.id}" + (f" at onset threshold {threshold:.2f}" if threshold else "")
        title += f": precision {onset.precision:.2f}, recall {onset.recall:.2f}, F1 {onset.f1:.2f}"
        overlay_roll(sample.ref, est, title, evaluation.config.evaluation, ax, start_s, STATIC_S)
    return picture


def _scores(reading: Reading) -> Table:
    counts, onset = [getattr(reading.scores, name) for name in LABELS], reading.scores.onset
    ratios = {"precision": "precision", "recall": "recall", "F1": "f1"}
    rows = [(name, *(getattr(count, ratio) for count in counts)) for name, ratio in ratios.items()]
    caption = f"{counted(onset.ref, 'note')} played, {onset.est} written, {onset.matched} of them right"
    return Table(("score", *(label.replace("\n", " ") for label in LABELS.values())), rows, caption)


def _kinds(reading: Reading) -> str:
    """What went wrong, as a line."""
    counts = metrics.tally(reading.mistakes)
    said = [f"{metrics.KINDS[kind].name} {number}" for kind, number in counts.items() if number]
    return f"<p>{'; '.join(said) or 'nothing is wrong'}</p>"
