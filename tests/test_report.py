"""Figures hold what they should, tables and players are readable, and nothing needs a person in front."""

from __future__ import annotations

import base64
import io
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
import soundfile
from matplotlib import path as outlines
from matplotlib.collections import PatchCollection
from PIL import Image

from s2s_lib import metrics, report
from s2s_lib.config import Config
from s2s_lib.evaluate import Evaluation, SampleResult, Source
from s2s_lib.notes import Note, PedalEvent, Performance
from s2s_lib.report import widgets
from s2s_lib.report.dataset import inter_onsets, keys_held
from s2s_lib.report.style import pitch_name
from s2s_lib.train import History

RATE = 16000
REF = Performance(
    tuple(Note(0.5 * i, 0.5 * i + 0.4, 48 + 2 * i, 40 + 5 * i) for i in range(12)),
    (PedalEvent(0.1, 127), PedalEvent(2.0, 0)),
)
EST = Performance(
    (
        *(replace(n, onset_s=n.onset_s + 0.01) for n in REF.notes[:9]),
        replace(REF.notes[9], pitch=REF.notes[9].pitch + 12),
        Note(7.0, 7.5, 90, 60),
    )
)
HISTORY = History(
    epochs=[
        {
            "epoch": i,
            "train_loss": 1 / i,
            "val_loss": abs(i - 2) + 0.5,
            "val_onset": 0.3 / i,
            "val_velocity": 0.2 / i,
            "learning_rate": 1e-4 / i,
            "grad_norm": 2.0,
            "steps": 10 * i,
            "seconds": 12.0,
            "waited_seconds": 1.5,
            "audio_seconds_per_second": 30.0,
            "loader_audio_seconds_per_second": 77.0,
        }
        for i in (1, 2, 3)
    ]
)


def tone(seconds=12.0, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def evaluation(*performances, kinds=("test split",)):
    """An Evaluation of (ref, est) pairs, their kinds of source taken in turn."""
    config = Config()
    samples = []
    for number, (ref, est) in enumerate(performances):
        source = Source(f"piece_{number}", kinds[number % len(kinds)], ref, RATE, tone)
        samples.append(
            SampleResult(
                source=source,
                est=est,
                pairs=metrics.match(ref.notes, est.notes, config.evaluation),
                duration_s=12.0,
                scores=metrics.score(ref, est, config.evaluation),
                confusion=metrics.confusion(ref, est, config.evaluation),
                over_time=metrics.over_time(ref, est, config.evaluation),
                real_time_factor=10.0,
            )
        )
    return Evaluation(config, Path("model"), "cpu", tuple(samples))


EVALUATION = evaluation((REF, EST), (REF, REF), kinds=("test split", "midi"))
EMPTY = evaluation((REF, Performance(())))


def manifests():
    keys = ("C", "Am", "F#")
    samples = [
        SimpleNamespace(
            id=f"p{i}",
            notes=len(REF.notes),
            duration_s=7.0,
            tempo_bpm=60.0 + 20 * i,
            key=keys[i],
            time_signature="4/4",
            complexity="simple",
            soundfont="a.sf2",
            sample_rate=RATE,
            audio=Path("a.flac"),
            score=None,
            performance=lambda: REF,
            waveform=tone,
        )
        for i in range(3)
    ]
    return {"train": SimpleNamespace(samples=tuple(samples)), "val": SimpleNamespace(samples=())}


def pixels(figure):
    return matplotlib.image.imread(io.BytesIO(figure.png()))


def texts(figure):
    """All words in a figure."""
    figure.draw_without_rendering()
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


FIGURES = {
    "piano_roll": lambda: report.piano_roll(REF, "a piece"),
    "overlay_roll": lambda: report.overlay_roll(REF, EST, "a piece"),
    "dataset": lambda: report.dataset_figure(manifests()),
    "training": lambda: report.training_figure(HISTORY),
    "dashboard": lambda: report.dashboard(EVALUATION),
    "note_bands": lambda: report.note_bands_figure(EVALUATION),
    "mistakes": lambda: report.mistakes_figure(EVALUATION),
    "threshold": lambda: report.threshold_figure(EVALUATION),
    "confusion": lambda: report.confusion_matrix(EVALUATION),
    "over_time": lambda: report.metrics_over_time(EVALUATION),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_labelled_picture_that_leaks_nothing(name):
    figure = FIGURES[name]()
    image = pixels(figure)
    assert image.shape[1] > 800
    assert len(np.unique(image[:, :, 0])) > 20, "blank"
    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert all(ax.get_title(loc="left") or ax.get_title() for ax in axes)
    assert all(ax.get_xlabel() or ax.get_ylabel() for ax in axes)
    png, metadata = figure._repr_png_()
    assert png[:4] == b"\x89PNG"
    assert len(metadata["alt"]) > 10
    assert len(png) < 200_000
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_the_same_figure_gives_the_same_bytes():
    assert report.dashboard(EVALUATION).png() == report.dashboard(EVALUATION).png()


def test_pictures_are_packed_without_a_visible_change() -> None:
    picture = report.Picture(6, 4, "A “field” of colours")
    picture.set_layout_engine("none")  # which would move things from one drawing to the next
    ax = picture.subplots()
    ax.imshow(np.random.default_rng(1).random((40, 60)), cmap="magma")
    ax.plot(range(60), np.linspace(0, 39, 60), color="white", label="a line")
    ax.legend()
    drawn, packed = io.BytesIO(), Image.open(io.BytesIO(picture.png()))
    picture.savefig(drawn, format="png")
    change = np.abs(np.asarray(Image.open(drawn).convert("RGB"), float) - np.asarray(packed.convert("RGB"), float))
    assert change.mean() < 1
    assert np.quantile(change, 0.99) < 8
    assert len(picture.png()) < 0.6 * len(drawn.getvalue())
    assert packed.text["Description"] == picture.alt


def test_piano_roll_shows_every_note_and_the_pedal():
    figure = report.piano_roll(REF, "a piece")
    (ax,) = figure.axes
    assert len(ax.patches) == len(REF.notes) + 1
    boxes = [(p.get_x(), p.get_width(), p.get_y() + p.get_height() / 2) for p in ax.patches[:12]]
    np.testing.assert_allclose(boxes, [(n.onset_s, 0.4, n.pitch) for n in REF.notes], rtol=1e-9)
    assert ax.patches[-1].get_x() == pytest.approx(0.1)
    loud = [p.get_alpha() for p in ax.patches[:12]]
    assert loud == sorted(loud)
    assert {"C3", "C4"} <= {label.get_text() for label in ax.get_yticklabels()}
    assert "time (s)" in ax.get_xlabel()


def test_overlay_tells_hits_missed_and_invented_apart_by_colour_and_hatching():
    figure = report.overlay_roll(REF, EST)
    collections = [c for c in figure.axes[0].collections if isinstance(c, PatchCollection)]
    bars = [sum((path.codes == outlines.Path.MOVETO).sum() for path in c.get_paths()) for c in collections]
    assert bars == [9, 9, 3, 2]
    looks = {(c.get_hatch(), tuple(c.get_facecolor()[0]), tuple(map(tuple, c.get_edgecolor()))) for c in collections}
    assert len(looks) == 4
    assert len({c.get_hatch() for c in (collections[0], *collections[2:])}) == 3
    words = texts(figure)
    for part in ("played and found (9)", "missed (3)", "invented (2)", "sustain pedal"):
        assert part in words


def test_overlay_takes_the_tolerance_from_the_config():
    strict = EVALUATION.config.evaluation.model_copy(update={"onset_tolerance": 0.005})
    assert "missed (12)" in texts(report.overlay_roll(REF, EST, evaluation=strict))


def test_a_long_piece_is_shown_in_part_and_says_so():
    long = Performance(tuple(Note(float(i), i + 0.5, 60, 64) for i in range(100)))
    figure = report.piano_roll(long, "long", start_s=30, seconds=10)
    assert "long (excerpt: 30–40 s of 100 s)" in texts(figure)
    assert len(figure.axes[0].patches) == 10
    assert "excerpt" not in texts(report.piano_roll(REF, "short"))


@pytest.mark.parametrize(
    "name", ["dashboard", "confusion_matrix", "metrics_over_time", "note_bands_figure", "mistakes_figure"]
)
def test_plots_of_an_evaluation_without_a_single_hit(name):
    figure = getattr(report, name)(EMPTY)
    assert pixels(figure).std() > 0
    assert "nan" not in texts(figure).lower()


def test_rolls_and_dashboard_without_notes():
    nothing = Performance(())
    assert pixels(report.piano_roll(nothing)).std() > 0
    assert pixels(report.overlay_roll(nothing, nothing)).std() > 0
    assert pixels(report.training_figure(History())).std() > 0


def test_dashboard_has_both_offset_conventions():
    figure = report.dashboard(EVALUATION)
    assert len(figure.axes) == 4
    words = texts(figure)
    for part in ("key release", "with pedal", "ms", "test split (1 piece)", "midi (1 piece)"):
        assert part in words
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    expected = [
        getattr(sample.scores, name).f1
        for sample in EVALUATION.samples
        for name in ("onset", "onset_offset_key", "onset_offset_pedal", "onset_offset_velocity", "frame")
    ]
    assert heights == pytest.approx(expected)


def test_confusion_figure_counts_octave_errors():
    words = texts(report.confusion_matrix(EVALUATION))
    assert "wrong key: octave above" in words
    assert "missed" in words
    assert "Errors (21 notes are right)" in words


def test_dataset_statistics():
    chord = Performance(tuple(Note(t, t + 1.0, p, 64) for t, p in ((0.0, 60), (0.01, 64), (0.5, 67), (2.0, 72))))
    assert list(keys_held(chord)) == [1, 2, 3, 1]
    assert inter_onsets(chord) == pytest.approx([0.49, 1.5])
    table = report.dataset_table(manifests())
    assert [row[:4] for row in table.rows] == [("train", 3, "0.3", 36)]
    figure = report.dataset_figure(manifests())
    assert len(figure.axes) == 8
    assert sum(bar.get_height() for bar in figure.axes[4].patches) == 36


def test_training_figure_and_table_mark_the_best_epoch():
    words = texts(report.training_figure(HISTORY))
    for part in ("training", "validation", "best: epoch 2", "onset", "velocity", "Gradient norm", "waiting for data"):
        assert part in words
    rows = report.training_table(HISTORY).rows
    assert [row[0] for row in rows] == ["1", "2 ★", "3"]
    assert rows[0][-5:] == ("12.0", "1.5", "30.0", "77", None)  # an older training measured no share of the peak


def test_tables_say_the_scores_and_escape_html():
    table = report.scores_table(EVALUATION)
    words = table._repr_html_()
    assert f"{EVALUATION.samples[0].scores.onset.f1:.3f}" in words
    assert words.count("<tr>") == 11
    assert "key release" in words
    assert "with pedal" in words
    assert "10.0 ms" in report.deviations_table(EVALUATION)._repr_html_()
    assert "None" not in report.deviations_table(EMPTY)._repr_html_() + repr(report.deviations_table(EMPTY))
    hostile = report.Table(["<a>"], [["<script>"]], "<b>")
    assert not {"<a>", "<script>", "<b>"} & set(re.findall(r"<\w+>", hostile._repr_html_()))
    assert [row[0] for row in report.samples_table(EVALUATION).rows] == ["piece_1", "piece_0"]
    assert repr(table).splitlines()[1].split()[:2] == ["source", "score"]


def clip(html):
    """The audio inside a player, decoded."""
    source = re.search(r'src="data:audio/mpeg;base64,([^"]+)"', html.data).group(1)
    return soundfile.read(io.BytesIO(base64.b64decode(source)))


def test_player_holds_a_short_labelled_mp3():
    html = report.player(tone(30), RATE, label='"A" & B')
    audio, rate = clip(html)
    assert rate == RATE
    assert len(audio) / rate == pytest.approx(10, abs=0.2)
    assert np.abs(audio).max() == pytest.approx(0.5, abs=0.1), "the level is left alone"
    assert 'aria-label="&quot;A&quot; &amp; B (0–10 s of 30 s)"' in html.data
    noise = np.random.default_rng(0).normal(0, 0.2, 10 * 44100).astype(np.float32)
    assert len(report.player(noise, 44100).data) < 200_000


@pytest.mark.parametrize(("rate", "expected"), [(8000, 8000), (20000, 22050), (48000, 48000)])
def test_player_takes_any_rate_and_silence(rate, expected):
    audio, got = clip(report.player(np.zeros(2 * rate, np.float32), rate, label="silence"))
    assert got == expected
    assert np.abs(audio).max() < 1e-3


def test_player_starts_where_it_is_told():
    waveform = np.concatenate([np.zeros(5 * RATE, np.float32), tone(5)])
    audio, _ = clip(report.player(waveform, RATE, seconds=2, start_s=6, label="x"))
    assert len(audio) / RATE == pytest.approx(2, abs=0.2)
    assert np.abs(audio).max() > 0.4


def test_resynthesis_can_be_heard():
    waveform = report.resynthesise(REF, RATE)
    assert len(waveform) / RATE == pytest.approx(REF.end_s + 1, abs=0.01)
    assert np.abs(waveform).max() > 0.01


def test_save_plots_writes_what_the_config_asks_for(tmp_path):
    def config(**visualizations):
        return Config.resolve(
            {"evaluation": {"visualizations": visualizations}, "output": {"output_dir": str(tmp_path)}}
        )

    everything = report.save_plots(EVALUATION, config())
    assert [path.name for path in everything] == [
        "evaluation_dashboard.png",
        "confusion_matrix.png",
        "metrics_over_time.png",
    ]
    assert all(path.read_bytes()[:4] == b"\x89PNG" and path.parent == config().output.results for path in everything)
    assert [p.name for p in report.save_plots(EVALUATION, config(plot_types=["confusion_matrix"]))] == [
        "confusion_matrix.png"
    ]
    assert [path.name for path in config().output.results.iterdir()] == ["confusion_matrix.png"]
    assert report.save_plots(EVALUATION, config(enabled=False)) == []
    assert list(config().output.results.iterdir()) == []


@pytest.mark.parametrize(
    ("visualizations", "alts"),
    [
        ({}, ["Evaluation dashboard", "Pitch confusion", "Onset precision"]),
        ({"plot_types": ["metrics_over_time", "dashboard", "dashboard"]}, ["Onset precision", "Evaluation dashboard"]),
        ({"plot_types": []}, []),
        ({"enabled": False}, []),
    ],
)
def test_show_plots_shows_what_the_config_asks_for(visualizations, alts, monkeypatch):
    seen = []
    monkeypatch.setattr(report.evaluation, "display", seen.append)
    report.show_plots(replace(EVALUATION, config=Config.resolve({"evaluation": {"visualizations": visualizations}})))
    assert [picture.alt.startswith(alt) for picture, alt in zip(seen, alts, strict=True)] == [True] * len(alts)


def kernel(monkeypatch, allow_stdin):
    """Pretends that the code runs in a kernel whose client can (not) be asked for input."""
    parent = {"content": {"allow_stdin": allow_stdin}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda _channel: parent))
    monkeypatch.setattr(widgets, "get_ipython", lambda: shell)


def test_interactive_only_with_a_person_in_front(monkeypatch):
    monkeypatch.delenv("S2S_BATCH", raising=False)
    monkeypatch.setattr(widgets, "get_ipython", lambda: None)
    assert not report.interactive()
    kernel(monkeypatch, allow_stdin=False)
    assert not report.interactive()
    kernel(monkeypatch, allow_stdin=True)
    assert report.interactive()
    monkeypatch.setenv("S2S_BATCH", "1")
    assert not report.interactive()


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, in order."""
    seen = []
    monkeypatch.setattr(widgets, "display", lambda *objects: seen.extend(objects))
    return seen


@pytest.mark.parametrize(
    ("browse", "players"),
    [(lambda: report.sample_browser(manifests()["train"]), 1)],
)
def test_browsers_step_through_pieces(browse, players, shown):
    browse()
    box, picture, *others = shown
    menu, back, on = box.children[0].children
    assert [type(thing).__name__ for thing in (picture, *others)] == ["Picture"] + ["HTML"] * players
    first = picture.alt
    shown.clear()
    on.click()
    assert menu.value == 1
    assert shown[0].alt != first
    shown.clear()
    back.click()
    assert shown[0].alt == first
    back.click()
    assert menu.value == len(menu.options) - 1
    for widget in (menu, back, on, *box.children, box):
        widget.close()


def test_pitch_names():
    assert [pitch_name(p) for p in (21, 60, 61, 108)] == ["A0", "C4", "C♯4", "C8"]


def test_reports_need_neither_torch_nor_pyplot(python):
    done = python("import sys, s2s_lib.report; print({'torch', 'matplotlib.pyplot'} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr
