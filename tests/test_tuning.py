"""Thresholds: put where validation is transcribed best, kept with the model, and used unless others are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import TUNE, small_config

from s2s_lib.config import EvaluationConfig
from s2s_lib.data import generate, load_manifests
from s2s_lib.pretrained import build_model, load_model
from s2s_lib.targets import Grid, Thresholds, encode
from s2s_lib.transcribe import Transcriber
from s2s_lib.tuning import CANDIDATES, Heard, best_thresholds, tune

FRAME_S = 0.02


def doubtful(false_onset: float, true_onset: float, held_floor: float) -> Grid:
    """What was played, but sure of its onsets to `true_onset` only, with wrong ones beside and keys that ring on."""
    grid = encode(TUNE, 0.0, 150, FRAME_S)
    onset = grid.onset * true_onset
    onset[20::40, 5] = false_onset
    return replace(grid, onset=onset, held=np.maximum(grid.held, held_floor))


@pytest.mark.parametrize(("false_onset", "true_onset", "held_floor"), [(0.22, 0.6, 0.33), (0.47, 0.95, 0.63)])
def test_thresholds_lie_between_right_and_wrong(false_onset: float, true_onset: float, held_floor: float) -> None:
    heard = [Heard(TUNE, doubtful(false_onset, true_onset, held_floor))]
    tuning = best_thresholds(heard, FRAME_S, EvaluationConfig())
    assert false_onset < tuning.thresholds.onset < true_onset
    assert tuning.thresholds.held > held_floor
    assert max(tuning.curves["onset"]) == 1.0
    assert tuning.curves["onset"][0] < 1.0
    assert [len(curve) for curve in tuning.curves.values()] == [len(CANDIDATES)] * 3


def test_a_models_own_thresholds_are_used_unless_others_are_asked_for(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    generate(config)
    build_model(config).save_pretrained(config.output.model)
    found = tune(config).thresholds
    assert Thresholds(**load_model(config.output.model).config.thresholds) == found
    transcriber = Transcriber.load(config.output.model, "cpu")
    sample = load_manifests(config.output.data)["val"].samples[0]
    audio = sample.waveform(), sample.sample_rate
    same = EvaluationConfig(onset_threshold=found.onset)
    assert transcriber.transcribe(*audio).notes == transcriber.transcribe(*audio, same).notes
    transcriber.model.config.thresholds = {"onset": 0.0, "held": 0.0, "sounding": 0.0}
    assert len(transcriber.transcribe(*audio).notes) > len(transcriber.transcribe(*audio, same).notes)
