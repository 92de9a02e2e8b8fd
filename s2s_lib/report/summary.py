"""What a stage did and what came of it, in a few sentences: the first thing on a report's page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from s2s_lib.comparison import common, told_apart, too_few
from s2s_lib.config import TOLERANCES
from s2s_lib.metrics.intervals import estimate, interval_text, signed_text
from s2s_lib.progress import duration
from s2s_lib.report.style import Table
from s2s_lib.report.training import size, trained_on
from s2s_lib.runs import Run, find_runs
from s2s_lib.sources import MIDI, RECORDING, TEST_SPLIT
from s2s_lib.wording import counted, listed

if TYPE_CHECKING:
    from s2s_lib.config import Config
    from s2s_lib.data import Manifest
    from s2s_lib.evaluate import Evaluation, SampleResult
    from s2s_lib.train import History
    from s2s_lib.transcription import Transcription

SCORES = {
    "onset": "right key, struck in time (onset)",
    "onset_offset_key": "… and released in time (onset + offset, key release)",
    "onset_offset_pedal": "… and sounding as long (onset + offset, pedal-extended)",
    "onset_offset_velocity": "… released in time and as loud (onset + offset + velocity, key release)",
    "frame": "keys that are down, moment by moment (frame, 10 ms)",
}  # what must be right for a note to count, and the name of the score
SOURCES = {TEST_SPLIT: "{} of the test split", MIDI: "{} from MIDI files", RECORDING: "{} as recorded"}


@dataclass(frozen=True)
class Summary:
    """Sentences, the few numbers to be seen at a glance as (number, what it is), a table, and a verdict."""

    sentences: Sequence[str]
    numbers: Sequence[tuple[str, str]] = ()
    table: Table | None = None
    verdict: str = ""

    def _repr_html_(self) -> str:
        tiles = "".join(
            f'<div style="flex:1 1 9em;max-width:17em"><div style="font-size:1.7em;font-weight:600;line-height:1.2">'
            f'{html.escape(number)}</div><div style="font-size:0.9em">{html.escape(what)}</div></div>'
            for number, what in self.numbers
        )
        row = f'<div style="display:flex;flex-wrap:wrap;gap:0.8em 2em;margin:0.8em 0">{tiles}</div>' if tiles else ""
        text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.sentences)
        verdict = f"<p><strong>{html.escape(self.verdict)}</strong></p>" if self.verdict else ""
        return row + text + verdict + (self.table._repr_html_() if self.table else "")

    def __repr__(self) -> str:
        numbers = [f"{number}  {what}" for number, what in self.numbers]
        return "\n".join([*numbers, *self.sentences, *([self.verdict] if self.verdict else []), repr(self.table or "")])


def dataset_summary(manifests: dict[str, Manifest], config: Config) -> Summary:
    """What music was made or brought in, for how much of learning, watching and judging."""
    made = [manifest for manifest in manifests.values() if manifest.samples]
    samples = [sample for manifest in made for sample in manifest.samples]
    seconds, notes = sum(manifest.seconds for manifest in made), sum(sample.notes for sample in samples)
    pianos = len({sample.soundfont_sha256 for sample in samples if sample.soundfont_sha256})
    numbers = [_number(len(samples), "piece"), (duration(seconds), "of music"), _number(notes, "note")]
    uses = {"train": "to learn from", "val": "to watch the learning by", "test": "to be judged by at the end"}
    shares = [f"{len(manifest.samples):,} {uses[name]}" for name, manifest in manifests.items() if manifest.samples]
    sentences = [f"Dataset of run {config.output.name}: {_origin(made, config)}; {', '.join(shares)}."]
    if pianos:
        sentences.append(f"It is played on {counted(pianos, 'sampled piano', ',')}.")
    if config.dataset.stream:
        pieces = counted(config.dataset.split_sizes()["train"], "piece", ",")
        sentences.append(f"The music to learn from is made afresh in training, {pieces} for each epoch.")
    return Summary(sentences, numbers)


def _number(number: int, noun: str) -> tuple[str, str]:
    """A number and what it counts."""
    digits, counts = counted(number, noun, ",").split(" ", 1)
    return digits, counts


def _origin(made: Sequence[Manifest], config: Config) -> str:
    imported = {manifest.imported for manifest in made if manifest.imported}
    if imported:
        return f"recordings with the notes that were played in them (layout {', '.join(sorted(imported))})"
    origin = f"{config.dataset.complexity} pieces, composed and played from seed {config.dataset.seed}"
    if config.dataset.midi_dir:
        origin += f", and excerpts of MIDI files ({100 * config.dataset.midi_share:.0f} % asked for)"
    return origin


def training_summary(history: History, config: Config) -> Summary:
    """How long the model learnt, from how much music, and which state was kept."""
    epochs = history.epochs
    model = f"Model of run {config.output.name}: {size(history)}."
    if not epochs:
        return Summary([model, "No epoch was finished."])
    heard = sum(epoch["seconds"] * epoch.get("audio_seconds_per_second", 0.0) for epoch in epochs)
    spent = sum(epoch["seconds"] for epoch in epochs)
    numbers = [
        (f"{len(epochs)}", "round of learning (epoch)" if len(epochs) == 1 else "rounds of learning (epochs)"),
        (duration(heard), "of music heard"),
        (duration(spent), f"of training on {trained_on(history)}, in {history.precision}"),
    ]
    sentences = [model, _kept(epochs[0], history.best)]
    if history.stopped_early:
        sentences.append("The training ended early, since the validation loss fell no more.")
    if history.unfinished is not None:
        sentences.append("A person stopped the training before its end.")
    return Summary(sentences, numbers)


def _kept(first: dict[str, float], best: dict[str, float]) -> str:
    return (
        f"The state after epoch {best['epoch']} was kept: there the validation loss, the distance from the truth on "
        f"music that it does not learn from, was lowest ({best['val_loss']:.4f}, after {first['val_loss']:.4f} in "
        "the first epoch)."
    )


def evaluation_summary(evaluation: Evaluation) -> Summary:
    """What was transcribed, the scores with confidence intervals over pieces, and whether the last run did better.

    The last run is the newest other one in the same folder that was judged by the same pieces with the same
    tolerances; the intervals are those of the (paired) bootstrap, with the settings in `config.comparison`.
    """
    groups = evaluation.by_source()
    kind, samples = next(iter(groups.items()))
    before = _last_run(evaluation, kind)
    columns = [
        "what must be right",
        *(f"F1, {source} ({counted(len(g), 'piece', ',')})" for source, g in groups.items()),
    ]
    rows = [[told, *(_mean(metric, group, evaluation) for group in groups.values())] for metric, told in SCORES.items()]
    if before is not None:
        columns.append(f"{kind}: against {before[1].name}")
        for metric, row in zip(SCORES, rows, strict=True):
            row.append(signed_text(estimate(_gains(metric, *before), evaluation.config.comparison)))
    level = f"{100 * evaluation.config.comparison.confidence:g} % confidence interval over pieces (bootstrap)"
    caption = f"Scores, mean over pieces; 1 is perfect. In brackets: {level}."
    table = Table(columns, rows, caption)
    return Summary(_judged(evaluation, groups), _glance(samples), table, _verdict(evaluation, before))


def _glance(samples: Sequence[SampleResult]) -> list[tuple[str, str]]:
    """Of the first source: how many of the played notes were found, how many of the found ones were played."""
    counts = [sample.scores.onset for sample in samples]
    recall, precision, f1 = (
        sum(getattr(c, name) for c in counts) / len(counts) for name in ("recall", "precision", "f1")
    )
    return [
        (f"{100 * recall:.1f} %", "of the notes that were played were found (recall)"),
        (f"{100 * precision:.1f} %", "of the notes it wrote down were played (precision)"),
        (f"{f1:.3f}", "both in one number (onset F1)"),
    ]


def _judged(evaluation: Evaluation, groups: dict[str, list[SampleResult]]) -> list[str]:
    parts = [
        f"{SOURCES[kind].format(counted(len(group), 'piece', ','))} ({duration(sum(s.duration_s for s in group))})"
        for kind, group in groups.items()
    ]
    own = evaluation.model_path == evaluation.config.output.model
    model = f"of run {evaluation.config.output.name}" if own else f"in {evaluation.model_path}"
    sentences = [f"The model {model} transcribed {' and '.join(parts)} on {evaluation.device}."]
    unheard = [name for name, group in evaluation.by_piano().items() if evaluation.held_out(group)]
    if unheard:
        sentences.append(f"Training never heard {listed(unheard)}.")
    return sentences


def _mean(metric: str, samples: Sequence[SampleResult], evaluation: Evaluation) -> str:
    values = [getattr(sample.scores, metric).f1 for sample in samples]
    return interval_text(estimate(values, evaluation.config.comparison))


def _gains(metric: str, own: Run, other: Run) -> list[float]:
    """How much higher the score is than the other run's, piece by piece."""
    return [pair.difference(metric) for pair in common(own, other, metric)]


def _last_run(evaluation: Evaluation, kind: str) -> tuple[Run, Run] | None:
    """This run with its pieces from sources of this kind, and the newest other run judged by all of them alike."""
    folder = evaluation.config.output.run_dir
    runs = find_runs(folder.parent)
    whole = next((run for run in runs if run.folder.resolve() == folder.resolve()), None)
    if whole is None:
        return None
    runs.remove(whole)
    own = replace(whole, pieces=tuple(piece for piece in whole.pieces if piece.source == kind))
    for run in sorted(runs, key=lambda run: run.changed, reverse=True):
        if own.pieces and len(common(own, run, "onset")) == len(own.pieces) and _judged_alike(run, evaluation):
            return own, run
    return None


def _judged_alike(run: Run, evaluation: Evaluation) -> bool:
    ours = evaluation.config.evaluation
    return run.config is not None and all(getattr(run.config.evaluation, n) == getattr(ours, n) for n in TOLERANCES)


def _verdict(evaluation: Evaluation, before: tuple[Run, Run] | None) -> str:
    """Better, worse, or nothing that these pieces could tell, by the rule of `comparison`."""
    if before is None:
        folder = evaluation.config.output.run_dir.parent.name
        return f"No other run in {folder} was judged by the same pieces, so there is none to compare this one with."
    settings, gains = evaluation.config.comparison, _gains("onset", *before)
    gain = estimate(gains, settings)
    won, lost = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
    told = f"onset F1 {signed_text(gain)}, better on {won} and worse on {lost} of {counted(len(gains), 'piece', ',')}"
    word = ("Can't be told apart from", "Better than", "Worse than")[told_apart(gain, len(gains), settings.confidence)]
    few = too_few(len(gains), settings.confidence)
    return f"{word} run {before[1].name}, the last one judged by the same pieces: {told}{few}."


def transcription_summary(transcription: Transcription) -> Summary:
    """What was found in a recording."""
    return Summary([f"{transcription.title}: {transcription.summary()}."])
