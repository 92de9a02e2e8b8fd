"""The dataset's tables and figures with music that states little, and what is said of pianos and MIDI files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from figures import pixels, texts
from small import TUNE, small_config
from tiny_soundfont import write_soundfont

from s2s_lib import report
from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS
from s2s_lib.notes import Note, Performance, write_midi
from s2s_lib.report import library
from s2s_lib.report.dataset import inter_onsets, keys_held
from s2s_lib.report.players import resynthesise

RATE = 16000


def sample(number: int = 0, **stated: Any) -> Any:
    """A sample of TUNE as a MIDI excerpt that states nothing but what is given."""
    unknown = {"tempo_bpm": None, "key": None, "time_signature": None, "complexity": None, "soundfont": ""}
    return SimpleNamespace(
        id=f"p{number}", source="song.mid", notes=len(TUNE.notes), duration_s=3.0, sample_rate=RATE, audio="there",
        score=None, performance=lambda: TUNE, waveform=lambda: resynthesise(TUNE, RATE), **{**unknown, **stated},
    )  # fmt: skip


def manifests(*samples: Any) -> dict[str, Any]:
    return {"train": SimpleNamespace(samples=samples), "val": SimpleNamespace(samples=())}


def test_dataset_statistics() -> None:
    chord = Performance(tuple(Note(t, t + 1.0, p, 64) for t, p in ((0.0, 60), (0.01, 64), (0.5, 67), (2.0, 72))))
    assert list(keys_held(chord)) == [1, 2, 3, 1]
    assert inter_onsets(chord) == pytest.approx([0.49, 1.5])
    data = manifests(*(sample(number, tempo_bpm=60.0 + 20 * number, key="C") for number in range(3)))
    assert [row[:4] for row in report.dataset_table(data).rows] == [("train", 3, "0.1", 3 * len(TUNE.notes))]
    assert report.dataset_table(data).rows[0][5] == "60–100"
    figure = report.dataset_figure(data)
    assert len(figure.axes) == 8
    assert sum(bar.get_height() for bar in figure.axes[4].patches) == 3 * len(TUNE.notes)
    assert len(figure.alt) > 10
    assert pixels(figure).shape[1] > 800


def test_unknown_values_are_left_out_and_counted() -> None:
    data = manifests(sample(0), sample(1, key="Gb", tempo_bpm=90.0, time_signature="3/4"), sample(2, key="F#"))
    (row,) = report.dataset_table(data).rows
    assert row[5:] == ("90", 1, 1, None)  # Gb and F# are one key
    figure = report.dataset_figure(data)
    words = texts(figure)
    assert "quarter notes per minute (2 pieces state none)" in words
    assert "\n1 piece states none" in words
    assert [bar.get_height() for bar in figure.axes[3].patches] == [2]


def test_a_dataset_that_states_nothing() -> None:
    data = manifests(sample(0), sample(1))
    assert report.dataset_table(data).rows[0][5:] == (None, None, None, None)
    assert texts(report.dataset_figure(data)).count("no data") == 2


@pytest.mark.parametrize("key", ["Gb", "C#", "Cb", "Abm", "A#m", "Ebm"])
def test_every_spelling_of_a_key_is_shown(key: str) -> None:
    figure = report.dataset_figure(manifests(sample(key=key)))
    assert sum(bar.get_height() for bar in figure.axes[3].patches) == 1
    (label,) = [text.get_text() for text in figure.axes[3].get_xticklabels()]
    assert label in (MINOR_KEYS if key.endswith("m") else MAJOR_KEYS)


def test_many_soundfonts_are_counted() -> None:
    samples = [sample(i, soundfont=f"{i}.sf2") for i in range(6)]
    assert report.dataset_table(manifests(*samples)).rows[0][-1] == "0.sf2, 1.sf2, 2.sf2, 3.sf2 and 2 more"


@pytest.mark.parametrize("key", [None, "Gb"])
def test_single_pieces_that_state_little(key: str | None, tmp_path: Path, shown: list[Any]) -> None:
    piece = sample(key=key)
    report.show_sample(piece)
    assert ("p0: G♭ major, song.mid" if key else "p0: song.mid") in texts(shown[0])
    report.sample_browser(manifests(piece)["train"])
    report.augmentation_demo(piece, small_config(tmp_path))
    words = "\n".join(texts(thing) for thing in shown if isinstance(thing, report.Picture))
    assert "None" not in words
    assert "semitones, Gb to " in words or key is None


def test_a_split_with_samples_is_found() -> None:
    data = manifests(sample())
    assert report.filled_split(data, "val", "train") is data["train"]
    empty = manifests()
    assert report.filled_split(empty, "val", "train") is empty["val"]
    report.sample_browser(empty["val"])


def test_pianos_in_use_tells_of_modelled_and_of_useless_ones(tmp_path: Path) -> None:
    write_soundfont(tmp_path / "fonts" / "good.sf2")
    (tmp_path / "fonts" / "bad.sf2").write_bytes(b"junk")
    piano = {"modelled_pianos": 12, "modelled_probability": 0.25}
    dataset = {"soundfonts": [str(tmp_path / "fonts")], "piano": piano}
    table = report.pianos_in_use(small_config(tmp_path, dataset=dataset))
    assert [row[:2] for row in table.rows[:2]] == [("good.sf2", "train, val, test"), ("12 modelled pianos", "train")]
    assert table.rows[2][0] == "bad.sf2"
    assert "left out: not a soundfont" in table.rows[2][1]
    assert "25% of the training pieces" in table.caption
    dataset["piano"] = {"modelled_pianos": 0}
    table = report.pianos_in_use(small_config(tmp_path, dataset=dataset))
    assert "modelled" not in repr(table)


def played(pieces: int, font: str = "", preset: str = "", sha: str = "", audio: str | None = "there") -> list[Any]:
    """Pieces of 12 s on a soundfont's preset, or recorded ones, or MIDI alone."""
    layer = {"soundfont": font, "preset": preset, "sha256": sha or font}
    return [SimpleNamespace(duration_s=12.0, audio=audio, piano={"layers": [layer]} if font else None)] * pieces


A, B, MODELLED = ("a.sf2", "Grand"), ("b.sf2", "Grand"), ("modelled-12.sf2", "Modelled grand", "m")


@pytest.mark.parametrize(
    ("train", "test", "verdict", "held_out"),
    [
        (played(90, *A) + played(10, *MODELLED), played(5, *B), "are held out: training never hears b.sf2.", True),
        (played(100, *A), played(5, *A), "on the pianos of training: none is held out", False),
        (played(100, *A), played(4, *A) + played(1, *B), "Some of the test pianos are held out", True),
        (played(100, *A), played(5, "a.sf2", "Grand", "other"), "never hears a.sf2", True),  # another file of that name
        (played(100, audio=None), played(5, audio=None), "is MIDI alone", False),
        (played(100), played(5), "Recordings: played on real pianos", False),
        (played(100, *A), [], "No piece is kept for the test", False),
    ],
)
def test_splits_figure_says_whether_the_test_pianos_are_held_out(
    train: list[Any], test: list[Any], verdict: str, held_out: bool, tmp_path: Path
) -> None:
    heard = {"a.sf2": "a.sf2", "m": "modelled-12.sf2"}
    named = {"train": train, "val": train[:10], "test": test}
    data = {name: SimpleNamespace(samples=samples, soundfonts=heard) for name, samples in named.items()}
    figure = report.splits_figure(data, small_config(tmp_path))
    assert verdict in figure.alt
    assert "train: 20 min, 100 pieces; val: 2.0 min, 10 pieces" in figure.alt
    assert verdict in " ".join(texts(figure).split())
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("held out: training never hears it" in legend) is held_out
    widths = [sum(bar.get_width() for bar in ax.patches) for ax in figure.axes]
    assert widths == pytest.approx([100] * len(widths))


def test_splits_figure_tells_what_a_stream_is_expected_to_hold(tmp_path: Path) -> None:
    presets = [(0, 0, "Grand"), (0, 1, "Bright")]
    fonts = [write_soundfont(tmp_path / name, presets[:count]) for name, count in (("a.sf2", 2), ("b.sf2", 1))]
    other = write_soundfont(tmp_path / "c.sf2", [(0, 0, "Held out")])
    piano = {"presets": {"acoustic_grand": 3.0, "bright": 1.0}, "modelled_pianos": 2, "modelled_probability": 0.2}
    names = {"soundfonts": list(map(str, fonts)), "test_soundfonts": [str(other)]}
    dataset = {"stream": True, "samples": 1250, "train_split": 0.8, "val_split": 0.1, "piano": piano, **names}
    test = {"train": [], "val": played(50, *A), "test": played(50, "c.sf2", "Held out", "c")}
    data = {name: SimpleNamespace(samples=samples, soundfonts={"a.sf2": "a.sf2"}) for name, samples in test.items()}
    figure = report.splits_figure(data, small_config(tmp_path, dataset=dataset))
    assert "never hears c.sf2. Music by split: train: about 200 min, 1000 pieces; val: 10 min, 50 pieces" in figure.alt
    amounts = [text.get_text() for text in figure.axes[0].texts]
    assert amounts == ["60 min · 300", "20 min · 100", "80 min · 400", "40 min · 200", "–"]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["a.sf2", "Grand", "Bright", "b.sf2", "Grand", "modelled pianos", "c.sf2", "Held out"]


def test_splits_figure_puts_the_smallest_of_many_pianos_together(tmp_path: Path) -> None:
    train = [piece for number in range(40) for piece in played(number + 1, f"{number}.sf2", "Grand")]
    heard = {f"{number}.sf2": "" for number in range(40)}
    data = {"train": SimpleNamespace(samples=train, soundfonts=heard)}
    figure = report.splits_figure(data, small_config(tmp_path))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [*(f"{number}.sf2" for number in range(39, 28, -1)), "29 more soundfonts"]
    assert figure.axes[0].texts[-1].get_text() == "87 min · 435"


def test_splits_figure_of_nothing(tmp_path: Path) -> None:
    nothing = {"train": SimpleNamespace(samples=(), soundfonts={})}
    assert "holds no music" in report.splits_figure(nothing, small_config(tmp_path)).alt


def test_midi_in_use_lists_pieces_and_skipped_files(tmp_path: Path, shown: list[Any]) -> None:
    report.midi_in_use(small_config(tmp_path))
    assert shown == []
    folder = tmp_path / "midi"
    write_midi(folder / "good.mid", TUNE)
    for number in range(library.MOST_SKIPPED + 2):
        (folder / f"bad{number:02}.mid").write_bytes(b"junk")
    limits = {"train_split": 1.0, "val_split": 0.0, "min_duration": 1.0, "max_duration": 2.0, "min_notes": 1}
    report.midi_in_use(small_config(tmp_path, dataset={"midi_dir": str(folder), **limits}))
    used, skipped = shown
    assert [row[:4] for row in used.rows] == [("train", 1, 1, len(TUNE.notes)), ("val", 0, 0, 0), ("test", 0, 0, 0)]
    assert len(skipped.rows) == library.MOST_SKIPPED
    assert str(skipped.rows[0][0]) == "bad00.mid"
    assert skipped.rows[0][1]
    assert skipped.caption == "Skipped: 52 files, 2 of them not listed."
