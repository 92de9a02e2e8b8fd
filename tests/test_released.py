"""The weights that come with the package: whole, small, described, and good on music they were not made for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Outcome

from s2s_lib import Config
from s2s_lib.config import RELEASED_FOLDER, read_yaml
from s2s_lib.pretrained import build_model, load_model
from s2s_lib.targets import Thresholds


def test_they_are_small_and_described() -> None:
    assert sum(file.stat().st_size for file in RELEASED_FOLDER.iterdir()) < 30e6
    model = load_model(RELEASED_FOLDER)
    assert len(model.config.soundfonts) >= 3
    assert not any("MuseScore" in name for name in model.config.soundfonts.values()), "the piano of the benchmark"
    assert vars(Thresholds(**model.config.thresholds)) == model.config.thresholds
    card = (RELEASED_FOLDER / "README.md").read_text(encoding="utf-8")
    for font in model.config.soundfonts.values():
        assert font in card
    assert "parameters/released.yaml" in card


def test_the_recipe_makes_a_model_of_their_shape() -> None:
    recipe = Config.resolve(read_yaml(ROOT / "parameters" / "released.yaml"))
    ours = load_model(RELEASED_FOLDER).config
    theirs = build_model(recipe).config
    assert theirs.encoder == ours.encoder
    assert theirs.features == ours.features
    assert theirs.hidden_size == ours.hidden_size


def test_training_starts_from_them_unless_told_otherwise() -> None:
    released, default = load_model(RELEASED_FOLDER), build_model(Config.resolve({}))
    assert all(torch.equal(a, b) for a, b in zip(released.parameters(), default.parameters(), strict=True))


@pytest.mark.parametrize("named", [[], ["--model-path", "released"]])
def test_an_evaluation_without_a_model_uses_them(s2s: Callable[..., Outcome], tmp_path: Path, named: list[str]) -> None:
    done = s2s("evaluate", *named, "--midi", "bwv846", "--name", "prelude", "--no-viz")
    assert done.code == 0, done.err
    assert ("holds no model of its own" in done.err) == (not named)
    report = json.loads((tmp_path / "runs/prelude/results/evaluation_report.json").read_text())
    assert report["model"] == str(RELEASED_FOLDER)
    assert report["summary"]["midi"]["mean"]["onset.f1"] > 0.95


def test_missing_weights_are_told_before_anything_runs(
    s2s: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s2s_lib.pipeline.checks.RELEASED_FOLDER", tmp_path / "gone")
    monkeypatch.setattr("s2s_lib.weights.RELEASED_FOLDER", tmp_path / "gone")
    done = s2s("run", "--name", "early")
    assert done.code == 2
    assert "holds no model" in done.err
    assert "install Sound2Sheet again" in done.err
    assert not (tmp_path / "runs" / "early").exists()
