"""The evaluation from manifests, MIDI files and recordings to reports, with a transcriber whose errors are known."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small import small_config
from tiny_soundfont import write_soundfont

from s2s_lib import evaluate as evaluate_module
from s2s_lib.config import Config
from s2s_lib.data import generate, load_manifests
from s2s_lib.errors import InputError
from s2s_lib.evaluate import evaluate, file_names
from s2s_lib.notes import Note, PedalEvent, Performance, read_midi, write_midi
from s2s_lib.pipeline import scores_summary
from s2s_lib.pretrained import build_model
from s2s_lib.soundfonts import file_sha256
from s2s_lib.sources import digest

DATASET = {
    "samples": 5,
    "complexity": "simple",
    "min_notes": 4,
    "max_notes": 20,
    "min_duration": 2.0,
    "max_duration": 4.0,
    "train_split": 0.4,
    "val_split": 0.2,
    "num_workers": 1,
    "seed": 2,  # whose test pieces have notes that stand alone
}
PIECE = Performance(tuple(Note(0.5 * i, 0.5 * i + 0.4, 60 + i, 60 + i) for i in range(8)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Folder of runs with a small real dataset in run 'data'."""
    folder = tmp_path_factory.mktemp("runs")
    generate(Config.resolve({"dataset": DATASET, "output": {"output_dir": str(folder), "name": "data"}}))
    return folder


@pytest.fixture
def transcriber(monkeypatch):
    """Stands in for the model: returns the performances it is given, in order, and keeps what it was asked."""

    class Known:
        device = "cpu"
        answers: list[Performance] = []  # noqa: RUF012
        heard: list[tuple[np.ndarray, int]] = []  # noqa: RUF012
        loaded: list[tuple[object, str]] = []  # noqa: RUF012
        soundfonts: dict[str, str] = {}  # noqa: RUF012

        @classmethod
        def load(cls, folder, device="auto"):
            cls.loaded.append((folder, device))
            return cls()

        def transcribe(self, audio, sample_rate, evaluation, grids, name):
            self.heard.append((audio, sample_rate))
            return self.answers[len(self.heard) - 1]

    monkeypatch.setattr(evaluate_module, "Transcriber", Known)
    return Known


def config(folder, **evaluation):
    return Config.resolve(
        {"dataset": DATASET, "evaluation": evaluation, "output": {"output_dir": str(folder), "name": "run"}}
    )


def of_dataset(folder, **evaluation):
    return Config.resolve(
        {"dataset": DATASET, "evaluation": evaluation, "output": {"output_dir": str(folder), "name": "data"}}
    )


def midi_file(path, performance=PIECE):
    write_midi(path, performance)
    return str(path)


def with_known_errors(performance):
    """The first note missed, one an octave too high, the others 20 ms late; one invented at the end."""
    missed, *others = performance.notes
    octave = next(n for n in others if alone(n, performance))
    late = [replace(n, onset_s=n.onset_s + 0.02) for n in others if n is not octave]
    end = performance.end_s + 1
    wrong = [replace(octave, pitch=octave.pitch + 12), Note(end, end + 0.3, missed.pitch, 64)]
    return Performance(tuple(sorted([*late, *wrong])), performance.pedal)


def alone(note, performance):
    """Whether nothing else starts with a note, so that there is one way only to pair it with its octave."""
    return sum(abs(other.onset_s - note.onset_s) < 0.1 for other in performance.notes) == 1


def test_test_split_with_known_errors(dataset, transcriber):
    samples = load_manifests(dataset / "data" / "data")["test"].samples
    transcriber.answers = [with_known_errors(sample.performance()) for sample in samples]
    result = evaluate(of_dataset(dataset))
    assert [s.id for s in result.samples] == [s.id for s in samples]
    assert [folder for folder, _ in transcriber.loaded] == [result.config.output.model]
    for sample, (audio, rate), done in zip(samples, transcriber.heard, result.samples, strict=True):
        np.testing.assert_array_equal(audio, sample.waveform())
        assert rate == sample.sample_rate
        assert done.duration_s == pytest.approx(sample.duration_s, abs=1e-3)
        assert (done.scores.onset.matched, done.scores.onset.ref) == (sample.notes - 2, sample.notes)
        assert done.scores.onset_deviation.mean_s == pytest.approx(0.02, abs=1e-3)
        found = done.confusion.as_dict()
        assert (found["correct"], found["missed"], found["invented"], found["wrong_pitch"]) == (
            sample.notes - 2,
            1,
            1,
            1,
        )
        assert [name.split()[0] for name in found["wrong_pitch_intervals"]] == ["octave"]


def test_reports_parse_agree_and_are_the_same_again(dataset, transcriber):
    samples = load_manifests(dataset / "data" / "data")["test"].samples
    transcriber.answers = [with_known_errors(s.performance()) for s in samples[:-1]] + [Performance(())]
    results = dataset / "data" / "results"
    evaluate(of_dataset(dataset))
    report = json.loads((results / "evaluation_report.json").read_text(encoding="utf-8"))
    table = (results / "evaluation_report.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert [row["id"] for row in rows] == [s["id"] for s in report["samples"]] == [s.id for s in samples]
    for row, sample in zip(rows, report["samples"], strict=True):
        for name in ("onset", "onset_offset_key", "onset_offset_pedal", "onset_offset_velocity", "frame"):
            for ratio in ("precision", "recall", "f1", "accuracy"):
                assert float(row[f"{name}.{ratio}"]) == sample[name][ratio]
        for name in ("onset_deviation", "offset_deviation_key", "offset_deviation_pedal"):
            for part, value in sample[name].items():
                assert row[f"{name}.{part}"] == ("" if value is None else repr(value))
        assert float(row["note_accuracy"]) == sample["note_accuracy"]
    assert report["samples"][-1]["onset_deviation"]["mean_s"] is None
    summary = report["summary"]["test split"]
    assert summary["files"] == len(samples)
    assert summary["mean"]["onset.f1"] == pytest.approx(np.mean([s["onset"]["f1"] for s in report["samples"]]))
    assert sum(part["matched"] for part in summary["over_time"]) == summary["matched_notes"]
    assert report["config"]["evaluation"]["onset_tolerance"] == 0.05
    assert len(report["speed"]["real_time_factor"]) == len(samples)
    assert not list(results.glob(".*")), "a temporary file was left"

    transcriber.heard.clear()
    evaluate(of_dataset(dataset))
    again = json.loads((results / "evaluation_report.json").read_text(encoding="utf-8"))
    assert (results / "evaluation_report.csv").read_bytes() == table
    assert json.dumps({**again, "speed": 0}) == json.dumps({**report, "speed": 0})


def test_midi_files_and_the_built_in_piece_are_rendered_and_scored(tmp_path, transcriber):
    name = midi_file(tmp_path / "my piece.mid")
    transcriber.answers = [PIECE, Performance(())]
    result = evaluate(config(tmp_path, midi=[name, "bwv846"], model_path=str(tmp_path / "elsewhere")))
    assert [(s.id, s.source.kind) for s in result.samples] == [("my piece.mid", "midi"), ("bwv846", "midi")]
    assert str(transcriber.loaded[0][0]) == str(tmp_path / "elsewhere")
    audio, rate = transcriber.heard[0]
    assert len(audio) / rate == pytest.approx(PIECE.end_s + 1, abs=0.01)
    assert 0.01 < np.abs(audio).max() <= 1
    np.testing.assert_array_equal(result.samples[0].waveform(), audio)
    assert result.samples[0].scores.onset.f1 == 1
    assert result.samples[1].scores.onset.ref > 500  # the prelude has 549 notes
    assert result.ranked()[0] is result.samples[0]
    assert list(result.report()["summary"]) == ["midi"]


def test_dataset_and_midi_are_summed_up_apart(dataset, transcriber, tmp_path):
    samples = load_manifests(dataset / "data" / "data")["test"].samples
    transcriber.answers = [*(s.performance() for s in samples), Performance(())]
    result = evaluate(of_dataset(dataset, midi=[midi_file(tmp_path / "piece.mid")]))
    summary = result.report()["summary"]
    assert {kind: (s["files"], s["mean"]["onset.f1"]) for kind, s in summary.items()} == {
        "test split": (len(samples), 1.0),
        "midi": (1, 0.0),
    }


def test_scores_per_piano_say_which_were_held_out(tmp_path, transcriber):
    heard, held_out = (write_soundfont(tmp_path / name, texts={"INAM": name}) for name in ("heard.sf2", "new.sf2"))
    names = [midi_file(tmp_path / name) for name in ("one.mid", "two.mid")]
    settings = config(tmp_path, midi=names)
    settings.dataset.test_soundfonts = [str(heard), str(held_out)]
    transcriber.soundfonts = {file_sha256(heard): "heard.sf2"}
    transcriber.answers = [PIECE, Performance(()), PIECE, PIECE]  # each piece on one piano, then on the other
    report = evaluate(settings).report()
    assert {name: (p["held_out"], p["files"], p["mean"]["onset.f1"]) for name, p in report["pianos"].items()} == {
        "heard.sf2": (False, 2, 1.0),
        "new.sf2": (True, 2, 0.5),
    }
    assert [(s["id"], s["piano"]) for s in report["samples"]][:2] == [
        ("one.mid on heard.sf2", "heard.sf2"),
        ("one.mid on new.sf2", "new.sf2"),
    ]
    assert "new.sf2    50.0 %  2 files  never heard in training" in scores_summary(report)


def test_an_older_model_does_not_say_which_pianos_it_heard(tmp_path, transcriber):
    transcriber.answers = [PIECE]
    report = evaluate(config(tmp_path, midi=[midi_file(tmp_path / "piece.mid")])).report()
    assert report["pianos"]["TimGM6mb.sf2"]["held_out"] is None


def test_recordings_are_scored_against_their_midi_files(tmp_path, transcriber):
    noise = np.random.default_rng(0).normal(0, 0.1, (5 * 22050, 2)).astype(np.float32)
    soundfile.write(tmp_path / "take.wav", noise, 22050)
    transcriber.answers = [PIECE]
    midi = midi_file(tmp_path / "take.mid")
    result = evaluate(config(tmp_path, audio=[str(tmp_path / "take.wav")], midi=[midi]))
    audio, rate = transcriber.heard[0]
    assert (rate, audio.ndim, len(audio)) == (16000, 1, 5 * 16000)
    assert [(s.id, s.source.kind, s.scores.onset.f1) for s in result.samples] == [("take.wav", "recording", 1.0)]


def test_files_of_the_same_name_are_told_apart(tmp_path, transcriber):
    names = [midi_file(tmp_path / folder / "piece.mid") for folder in ("a", "b")]
    transcriber.answers = [PIECE, PIECE]
    assert [s.id for s in evaluate(config(tmp_path, midi=names)).samples] == names


def test_transcriptions_are_kept_and_earlier_ones_cleared(tmp_path, transcriber):
    names = [midi_file(tmp_path / folder / "pi ece.mid") for folder in ("a", "b")]
    transcriber.answers = [PIECE, Performance(()), with_known_errors(PIECE)]
    results = tmp_path / "run" / "results"
    evaluate(config(tmp_path, midi=[*names, "bwv846"]))
    rows = json.loads((results / "evaluation_report.json").read_text())["samples"]
    kept = [row["transcription"] for row in rows]
    assert kept[2] == "transcriptions/bwv846.mid"
    assert sorted(path.name for path in (results / "transcriptions").iterdir()) == sorted(Path(k).name for k in kept)
    assert len(read_midi(results / kept[0]).notes) == len(PIECE.notes)
    transcriber.heard.clear()
    transcriber.answers = [PIECE]
    evaluate(config(tmp_path, midi=["bwv846"]))
    assert [path.name for path in (results / "transcriptions").iterdir()] == ["bwv846.mid"]


def test_names_of_transcriptions_are_safe_and_apart():
    assert file_names(["test_01", "piece.mid"]) == ["test_01.mid", "piece.mid"]
    ids = [
        "../../etc/passwd",
        "a/b.mid",
        "a_b",
        "Piece.mid",
        "piece",
        ".hidden",
        "x" * 300,
        "Für Elise.mid on a.sf2",
        "",
    ]
    names = file_names(ids)
    assert names == file_names(ids)
    assert len({name.casefold() for name in names}) == len(ids)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,110}\.mid", name)


def test_the_report_tells_truths_apart(tmp_path, transcriber):
    softer = Performance(tuple(replace(note, velocity=20) for note in PIECE.notes))
    names = [midi_file(tmp_path / name, music) for name, music in {"a": PIECE, "b": PIECE, "c": softer}.items()]
    transcriber.answers = [PIECE] * 3
    truths = [row["truth"] for row in evaluate(config(tmp_path, midi=names)).report()["samples"]]
    assert truths[0] == truths[1] != truths[2]
    held = Performance(PIECE.notes, (PedalEvent(0.5, 127), PedalEvent(1.0, 0)))
    assert digest(held) != digest(PIECE)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda folder: {}, "holds no test split to evaluate.*s2s generate.*--midi.*--audio"),
        (lambda folder: {"midi": [str(folder / "none.mid")]}, "none.mid: there is no such MIDI file"),
        (
            lambda folder: {"midi": ["bwv846"], "audio": [str(folder / "none.wav")]},
            "none.wav: there is no such audio file",
        ),
    ],
)
def test_nothing_to_evaluate_is_said_before_the_model_is_loaded(prepare, sentence, tmp_path, transcriber):
    with pytest.raises(InputError, match=sentence):
        evaluate(config(tmp_path, **prepare(tmp_path)))
    assert transcriber.loaded == []
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("transcriber")
def test_a_midi_file_longer_than_the_recording_is_refused(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    with pytest.raises(InputError, match=r"short.wav: is 1.0 s long, but .*notes until 3.5 s"):
        evaluate(config(tmp_path, audio=[str(tmp_path / "short.wav")], midi=[midi_file(tmp_path / "long.mid")]))


@pytest.mark.usefixtures("transcriber")
def test_a_dataset_without_audio_is_refused(tmp_path):
    settings = config(tmp_path)
    dataset = settings.dataset.model_copy(update={"synthesize_audio": False})
    silent = settings.model_copy(update={"dataset": dataset})
    generate(silent)
    with pytest.raises(InputError, match="made without audio"):
        evaluate(silent)


def test_a_missing_model_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="model"):
        evaluate(config(tmp_path, midi=[midi_file(tmp_path / "piece.mid")]))


def test_probabilities_are_kept_up_to_a_length(tmp_path, transcriber, monkeypatch):
    seen = []

    def transcribe(self, audio, sample_rate, evaluation, grids, name):
        seen.append(grids)
        if grids is not None:
            grids.append("grid")
        return PIECE

    monkeypatch.setattr(transcriber, "transcribe", transcribe)
    monkeypatch.setattr(transcriber, "probabilities", lambda _, grids, *__: grids, raising=False)
    monkeypatch.setattr(evaluate_module, "KEPT_S", PIECE.end_s + 1)
    names = [midi_file(tmp_path / f"{letter}.mid") for letter in "abc"]
    samples = evaluate(config(tmp_path, midi=names)).samples
    assert [sample.probabilities for sample in samples] == seen
    assert seen[0] == ["grid"]
    assert seen[-1] is None


def test_warnings_name_the_piece(tmp_path, caplog):
    """With a real model that is not sure of anything, and recordings one of which is clipped."""
    build_model(small_config(tmp_path)).save_pretrained(tmp_path / "model")
    takes = {"soft.wav": 0.1, "loud.wav": 9.0}
    for name, level in takes.items():
        noise = np.random.default_rng(0).normal(0, level, 5 * 16000)
        soundfile.write(tmp_path / name, noise, 16000)  # what is beyond full scale is clipped
    midi = [midi_file(tmp_path / "piece.mid")] * 2
    audio = [str(tmp_path / name) for name in takes]
    evaluate(config(tmp_path, audio=audio, midi=midi, model_path=str(tmp_path / "model"), onset_threshold=1.0))
    beginnings = ("soft.wav: no notes are heard", "loud.wav: is clipped", "loud.wav: no notes are heard")
    assert len(caplog.messages) == len(beginnings)
    assert all(map(str.startswith, caplog.messages, beginnings))


def test_report_tells_mistakes_by_kind(tmp_path, transcriber):
    transcriber.answers = [with_known_errors(PIECE)]
    evaluate(config(tmp_path, midi=[midi_file(tmp_path / "a.mid")]))
    report = json.loads((tmp_path / "run" / "results" / "evaluation_report.json").read_text(encoding="utf-8"))
    counts = report["samples"][0]["mistakes"]
    assert sum(n for kind, n in counts.items() if kind.startswith("missed")) == 2
    assert sum(n for kind, n in counts.items() if kind.startswith("invented")) == 2
