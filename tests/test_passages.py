"""Of long pieces only the beginning is heard to tune and to learn by, and nothing is held against it that was cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import TUNE, small_config

from s2s_lib import offset_learning
from s2s_lib.config import Config, EvaluationConfig
from s2s_lib.data import Passage, generate, load_manifests, training_pieces, validation_pieces, whole
from s2s_lib.offset_learning import learn_offsets
from s2s_lib.pretrained import build_model
from s2s_lib.targets import Thresholds, encode
from s2s_lib.transcribe import Probabilities, Transcriber
from s2s_lib.tuning import Heard, best_thresholds

FRAME_S = 0.02
RATE = 16000


def test_composed_pieces_are_heard_whole(small_data: Path) -> None:
    config = Config.resolve({"output": {"data_dir": str(small_data)}})
    found = {"train": training_pieces(config, 120, RATE), "val": validation_pieces(config, 40)}
    for split, pieces in found.items():
        for sample, piece in zip(load_manifests(small_data)[split].samples, pieces, strict=True):
            passage = piece()
            assert passage.end_s == np.inf
            assert np.array_equal(passage.audio, sample.waveform())
            assert passage.truth == sample.performance()


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_piece_is_heard_up_to_a_pause(tmp_path: Path, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(tmp_path, dataset={"stream": stream})
    generate(config)
    all_of_it = [piece() for piece in training_pieces(config, 2, RATE)]
    for name, seconds in (("EACH_S", 1.5), ("BEYOND_S", 0.25), ("SEARCHED_S", 1.0)):
        monkeypatch.setattr(whole, name, seconds)
    for piece, entire in zip(training_pieces(config, 2, RATE), all_of_it, strict=True):
        passage = piece()
        assert 0.5 < passage.end_s < 1.5
        assert np.array_equal(passage.audio, entire.audio[: round((passage.end_s + 0.25) * RATE)])
        assert passage.truth == entire.truth
        near = min(abs(note.onset_s - passage.end_s) for note in passage.truth.notes)
        inside = [0.5, *(n.onset_s for n in passage.truth.notes if 0.5 < n.onset_s < 1.5), 1.5]
        assert near >= np.diff(inside).max() / 2 - 1e-9
    assert all(piece().end_s == np.inf for piece in training_pieces(config, 8, RATE)), "two share what eight may"


def test_what_is_cut_off_is_not_held_against_a_passage() -> None:
    """TUNE heard up to 1.4 s and judged up to 1.0 s: two notes ring on, one begins after it, one is never heard."""
    heard = encode(TUNE, 0.0, 70, FRAME_S)
    settings = EvaluationConfig()
    assert [max(c) for c in best_thresholds([Heard(TUNE, heard, 1.0)], FRAME_S, settings).curves.values()] == [1.0] * 3
    assert max(best_thresholds([Heard(TUNE, heard)], FRAME_S, settings).curves["onset"]) < 1.0


def test_nothing_is_learnt_from_notes_that_were_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each note before the end it is known just what would be known of it in the whole piece."""
    config = small_config(tmp_path, dataset={"samples": 6, "min_duration": 11.0, "max_duration": 12.0, "max_notes": 60})
    generate(config)
    build_model(config).save_pretrained(config.output.model)
    learnt: list[tuple[np.ndarray, np.ndarray]] = []

    def perfect(self: Transcriber, audio: np.ndarray, rate: int, evaluation: EvaluationConfig) -> Probabilities:
        truth = next(p.truth for p in passages if np.array_equal(p.audio, audio))
        frames = round(len(audio) / rate / FRAME_S)
        return Probabilities(encode(truth, 0.0, frames, FRAME_S), FRAME_S, Thresholds(), len(audio) / rate)

    def grow(features: np.ndarray, durations: np.ndarray, seed: int) -> Any:
        learnt.append((features, durations))
        raise StopIteration

    monkeypatch.setattr(Transcriber, "hear", perfect)
    monkeypatch.setattr(offset_learning, "grow", grow)
    monkeypatch.setattr(offset_learning, "FEWEST_NOTES", 1)
    ends_s = []
    for each_s in (whole.EACH_S, 5.0):
        monkeypatch.setattr(whole, "EACH_S", each_s)
        passages: list[Passage] = [piece() for piece in training_pieces(config, 2, RATE)]
        ends_s.append([passage.end_s for passage in passages])
        config.training.offset_pieces = 2
        with pytest.raises(StopIteration):
            learn_offsets(config)
    (features, durations), (some, shorter) = learnt
    onsets = [[note.onset_s for note in passage.truth.notes] for passage in passages]
    kept = np.concatenate([np.array(onset) < end_s for onset, end_s in zip(onsets, ends_s[1], strict=True)])
    assert len(durations) == len(kept), "a perfect hearing finds every note"
    assert 0 < len(shorter) == kept.sum() < len(durations)
    assert np.array_equal(shorter, durations[kept])
    assert np.array_equal(some[:, 4:], features[kept, 4:])
