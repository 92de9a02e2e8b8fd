"""Key releases by forest: what it looks at, how it grows, answers and is kept, and when it is not asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small import TUNE, small_config

from s2s_lib import report
from s2s_lib.config import EvaluationConfig
from s2s_lib.data import generate, load_manifests, training_pieces
from s2s_lib.errors import InputError
from s2s_lib.notes import Note, Performance
from s2s_lib.offset_learning import OffsetLearning, grow, learn_offsets
from s2s_lib.offsets import CLASSES, FEATURES, LAGS_S, OffsetForest, Trace, classes, load_offsets, surroundings
from s2s_lib.pretrained import build_model
from s2s_lib.targets import Thresholds, decode, encode
from s2s_lib.transcribe import Probabilities, Transcriber
from s2s_lib.transcription.recording import load_transcriber
from s2s_lib.weights import OFFSETS

FRAME_S = 0.02
CHORD = Performance(
    (Note(0.5, 0.7, 60, 64), Note(0.51, 0.9, 64, 70), Note(1.0, 1.2, 62, 50), Note(1.5, 1.6, 62, 50)),
    extended=(Note(0.5, 1.4, 60, 64), Note(0.51, 1.4, 64, 70), Note(1.0, 1.4, 62, 50), Note(1.5, 1.6, 62, 50)),
)
SILENCE = Trace(np.zeros((100, 2, 88), np.uint8), np.zeros(100, np.uint8))


def always(seconds: float) -> OffsetForest:
    """A forest of one leaf, sure of one key-down time."""
    leaves = np.zeros((1, CLASSES), np.float32)
    leaves[0, classes(np.array([seconds]))[0]] = 1
    nothing = np.zeros(0, np.int32)
    return OffsetForest(np.array([-1], np.int32), nothing, nothing.astype(np.float32), nothing.reshape(0, 2), leaves)


def test_what_is_known_of_a_note() -> None:
    keys, pedal = SILENCE.keys.copy(), SILENCE.pedal.copy()
    keys[26:, 0, 60 - 21] = 200  # held a frame after its onset, and on
    keys[:, 1, 60 - 21] = 100
    pedal[25] = 255
    known = surroundings(CHORD, Trace(keys, pedal), FRAME_S)
    assert known.shape == (4, FEATURES)
    first = known[0]
    assert first[:4] == pytest.approx([60, 64, 0.2, 0.9])
    assert (first[4 : 4 + len(LAGS_S)] == 200).all()
    assert (first[4 + len(LAGS_S) : 4 + 2 * len(LAGS_S)] == 100).all()
    assert first[4 + 2 * len(LAGS_S)] == 255
    assert (first[5 + 2 * len(LAGS_S) : 5 + 3 * len(LAGS_S)] == 0).all()
    around = first[5 + 3 * len(LAGS_S) :]
    assert around[:3].tolist() == [1, 1, 0]  # one key with it, above
    assert around[3:7] == pytest.approx([0.5, 1.0, 9, 2])  # the next two notes, none before, two semitones up
    assert around[7:11] == pytest.approx([9, 9, 9, 99])  # its own key is not struck again
    assert known[3, -36:-32] == pytest.approx([9, 9, 0.99, 99])  # other keys than its own
    assert known[3, -32:-28] == pytest.approx([9, 9, 0.5, 99])


def test_surroundings_do_not_depend_on_how_many_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    played = decode(encode(TUNE, 0.0, 150, FRAME_S), 0.0, FRAME_S, Thresholds(0.4, 0.5, 0.5))
    trace = Trace.of(encode(TUNE, 0.0, 150, FRAME_S))
    whole = surroundings(played, trace, FRAME_S)
    monkeypatch.setattr("s2s_lib.offsets.CHUNK", 2)
    assert np.array_equal(surroundings(played, trace, FRAME_S), whole)


def test_a_forest_learns_and_answers_as_scikit_learns_own() -> None:
    """Key-down times that follow one feature are found again, as far as classes are fine."""
    rng = np.random.default_rng(0)
    features = rng.random((3000, FEATURES)).astype(np.float32)
    durations = np.where(features[:, 7] > 0.5, 0.1, 1.0)
    forest = grow(features, durations, seed=1)
    answers = forest.distribution(features)
    assert answers.sum(1) == pytest.approx(np.ones(3000), abs=2e-3)
    assert np.mean(np.argmax(answers, axis=1) == classes(durations)) > 0.99
    assert np.array_equal(grow(features, durations, seed=1).leaves, forest.leaves)
    assert not np.array_equal(grow(features, durations, seed=2).leaves, forest.leaves)


@pytest.mark.parametrize(("seconds", "expected"), [(0.1, 0.1), (0.4, 0.4), (2.0, 0.9)])
def test_keys_are_let_go_before_their_notes_end(seconds: float, expected: float) -> None:
    refined = always(seconds).refined(CHORD, SILENCE, FRAME_S)
    lasted = refined.notes[0].offset_s - refined.notes[0].onset_s
    assert lasted == pytest.approx(expected, rel=0.2)
    assert refined.extended == CHORD.extended
    assert all(note.offset_s <= end.offset_s for note, end in zip(refined.notes, refined.extended, strict=True))
    assert always(0.1).refined(Performance(()), SILENCE, FRAME_S) == Performance(())


def test_the_threshold_is_asked_where_it_is_given(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    generate(config)
    build_model(config).save_pretrained(config.output.model)
    sample = load_manifests(config.output.data)["val"].samples[0]
    audio = sample.waveform(), sample.sample_rate
    plain = Transcriber.load(config.output.model, "cpu")
    plain.model.config.thresholds = {"onset": 0.0, "held": 0.0, "sounding": 0.0}
    forested = Transcriber(plain.model, plain.device, always(0.05))
    own, given = EvaluationConfig(), EvaluationConfig(frame_threshold=0.0)
    assert forested.transcribe(*audio, own).notes != plain.transcribe(*audio, own).notes
    assert forested.transcribe(*audio, given).notes == plain.transcribe(*audio, given).notes
    kept = forested.hear(*audio, own)
    assert kept.notes() == forested.transcribe(*audio, own)
    assert forested.hear(*audio, given).notes() == plain.transcribe(*audio, given)


def test_a_forest_is_kept_with_its_model_only_if_it_is_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a model that hears all keys held for a second, whatever was played."""
    config = small_config(tmp_path, dataset={"samples": 24}, training={"offset_pieces": 20})
    generate(config)
    build_model(config).save_pretrained(config.output.model)

    def hears(self: Transcriber, audio: np.ndarray, rate: int, evaluation: EvaluationConfig) -> Probabilities:
        seconds = len(audio) / rate
        truth = next(one for one in pieces if len(one.waveform()) == len(audio) and np.allclose(one.waveform(), audio))
        grid = encode(truth.performance(), 0.0, round(seconds / FRAME_S), FRAME_S)
        held = np.maximum(grid.held, sure)
        return Probabilities(replace(grid, held=held, sounding=np.ones_like(held)), FRAME_S, Thresholds(), seconds)

    pieces = [sample for split in ("train", "val") for sample in load_manifests(config.output.data)[split].samples]
    monkeypatch.setattr(Transcriber, "hear", hears)
    monkeypatch.setattr("s2s_lib.offset_learning.FEWEST_NOTES", 1)
    sure = 0.5
    learnt = learn_offsets(config)
    assert learnt.kept
    assert learnt.by_forest > learnt.by_threshold
    assert learnt.notes > 100
    assert load_offsets(config.output.model) is not None
    sure = 0.0  # the threshold is right now
    assert not learn_offsets(config).kept
    assert load_offsets(config.output.model) is None


def test_what_counts_as_right_is_what_an_evaluation_takes_for_right(python: Callable[..., Any]) -> None:
    """Where the schema's default tolerance grows, a forest answers a sure time's distribution otherwise."""
    answers = []
    for ratio in (0.2, 0.9):
        done = python(
            f"from s2s_lib.config import EvaluationConfig as E; E.model_fields['offset_ratio'].default = {ratio}; "
            "E.model_rebuild(force=True); from s2s_lib.offsets import CLASSES, likeliest_s; import numpy as np; "
            "print(likeliest_s(np.eye(CLASSES)[20:21])[0])"
        )
        answers.append(float(done.stdout))
    assert answers[0] != answers[1]


def test_pieces_from_disk_keep_their_own_rate(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    generate(config)
    first = load_manifests(config.output.data)["train"].samples[0]
    passage = training_pieces(config, 1, first.sample_rate // 2)[0]()
    assert passage.sample_rate == first.sample_rate
    assert len(passage.audio) == len(first.waveform())


def test_a_forest_that_comes_after_its_model_is_asked(tmp_path: Path) -> None:
    build_model(small_config(tmp_path)).save_pretrained(tmp_path / "model")
    assert load_transcriber(str(tmp_path / "model"), "cpu").offsets is None
    always(0.1).save(tmp_path / "model")
    assert load_transcriber(str(tmp_path / "model"), "cpu").offsets is not None


def test_too_few_notes_teach_nothing(tmp_path: Path) -> None:
    config = small_config(tmp_path, training={"offset_pieces": 0})
    generate(config)
    build_model(config).save_pretrained(config.output.model)
    always(0.1).save(config.output.model)
    assert learn_offsets(config) == OffsetLearning(0, 0, 0.0, 0.0)
    assert not (config.output.model / OFFSETS).exists()  # one of an earlier training is not left behind


def test_a_damaged_forest_is_refused_in_one_sentence(tmp_path: Path) -> None:
    always(0.1).save(tmp_path)
    assert load_offsets(tmp_path) is not None
    file = tmp_path / OFFSETS
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    with pytest.raises(InputError, match=r"offsets.safetensors is truncated or damaged .*; train it again"):
        load_offsets(tmp_path)
    file.write_bytes(whole)
    save_file(load_file(file) | {"roots": np.array([-9], np.int32)}, file)
    with pytest.raises(InputError, match="made by another version"):
        load_offsets(tmp_path)


@pytest.mark.parametrize(
    ("learning", "said"),
    [
        (
            OffsetLearning(18, 25310, 0.541, 0.602),
            "F1 0.541 by the threshold, 0.602 by a .* is kept with the model",
        ),
        (OffsetLearning(1, 500, 0.7, 0.6), "on 1 validation piece: .* no better and dropped"),
        (OffsetLearning(0, 12, 0.0, 0.0), "left to the threshold: too few notes to learn from .12.\\."),
    ],
)
def test_what_came_of_it_is_said_in_a_sentence(learning: OffsetLearning, said: str) -> None:
    assert re.search(said, report.offsets_outcome(learning))
