"""Statistics of music have their textbook values, distances say how alike two sets are, and composed music is alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import small_config

from s2s_lib.compose import bwv846, compose
from s2s_lib.config import DatasetConfig
from s2s_lib.data import load_manifests
from s2s_lib.metrics.music import MEASURES, distance, floor, pooled, rhythm_entropy
from s2s_lib.notes import Note, PedalEvent, Performance, write_midi
from s2s_lib.report.realism import realism, realism_figure, realism_table

BY_NAME = {measure.name: measure for measure in MEASURES}
# A chord of three over a held bass, then one key twice, the pedal down from 1 s to 2.5 s.
TUNE = Performance(
    (
        Note(0.0, 3.0, 40, 60),
        Note(0.01, 0.4, 60, 40),
        Note(0.02, 0.4, 64, 50),
        Note(1.0, 1.2, 67, 70),
        Note(1.5, 1.6, 67, 80),
        Note(3.5, 4.0, 67, 80),
    ),
    (PedalEvent(1.0, 127), PedalEvent(2.5, 0)),
)
VALUES = {
    "note rate": [2.5, 0.5],
    "polyphony": [1, 2, 3, 2, 2, 1],
    "polyphony, pedal-extended": [1, 2, 3, 2, 2, 1],  # the repeated key is one string
    "pitch": [40, 60, 64, 67, 67, 67],
    "inter-onset interval": [0.98, 0.5, 2.0],
    "rhythmic variety": [np.log2(3)],
    "duration": [3.0, 0.39, 0.38, 0.2, 0.1, 0.5],
    "velocity": [60, 40, 50, 70, 80, 80],
    "velocity spread": [np.std([60, 40, 50, 70, 80, 80])],
    "pedal share": [1.5 / 4],
    "chord size": [3, 1, 1, 1],
    "repeated notes": [1 / 6],  # struck again after 0.5 s, and after 2 s
}


def composed(level: str, count: int = 8) -> list[Performance]:
    dataset = DatasetConfig(complexity=level, min_duration=15, max_duration=15, max_notes=1000)
    return [compose(np.random.default_rng([3, i]), dataset).performance for i in range(count)]


def louder(performance: Performance, by: int) -> Performance:
    return replace(performance, notes=tuple(replace(n, velocity=n.velocity + by) for n in performance.notes))


@pytest.mark.parametrize("name", BY_NAME)
def test_measures_have_their_values(name: str) -> None:
    assert BY_NAME[name].values(TUNE) == pytest.approx(VALUES[name])


def test_the_pedal_holds_strings() -> None:
    long = replace(TUNE, pedal=(PedalEvent(0.2, 127),))
    assert BY_NAME["polyphony, pedal-extended"].values(long).tolist() == [1, 2, 3, 4, 4, 4]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.name)
@pytest.mark.parametrize("notes", [(), TUNE.notes[:1]], ids=["silence", "one note"])
def test_next_to_nothing_can_be_measured(measure, notes) -> None:
    values = measure.values(Performance(notes))
    assert np.isfinite(values).all()
    assert len(values) <= 1


def test_a_shift_costs_its_way_in_standard_deviations() -> None:
    velocity, ioi = BY_NAME["velocity"], BY_NAME["inter-onset interval"]
    ref = pooled(velocity, [TUNE])
    assert distance(velocity, ref, ref) == 0
    assert distance(velocity, ref + 10, ref) == pytest.approx(10 / np.std(ref))
    gaps = pooled(ioi, [TUNE])
    assert distance(ioi, 2 * gaps, gaps) == pytest.approx(1 / np.std(np.log2(gaps)))  # an octave, at any tempo
    assert distance(velocity, np.zeros(0), ref) is None
    assert distance(velocity, ref, np.full(5, 64.0)) is None  # a reference of one velocity has no spread


def test_the_floor_shrinks_with_the_reference_and_lies_below_other_music() -> None:
    velocity = BY_NAME["velocity"]
    many = composed("medium", 40)
    assert 0 < floor(velocity, many) < floor(velocity, many[:6])
    apart = distance(velocity, pooled(velocity, [louder(p, 15) for p in many]), pooled(velocity, many))
    assert floor(velocity, many) < 0.5 * apart
    assert floor(velocity, []) is None


def test_rhythm_of_the_prelude_is_plain_and_of_composed_music_varied() -> None:
    assert rhythm_entropy(bwv846().performance)[0] < 2  # semiquavers with rubato
    varied = np.mean([rhythm_entropy(performance)[0] for performance in composed("complex")])
    assert varied > 3  # bits; human performances have 2.8 to 4.1


def test_medium_and_complex_have_human_dynamics_and_rhythm() -> None:
    """The middle and the width of what the 12 human excerpts have; the bounds are wide as the pieces are few."""
    for level in ("medium", "complex"):
        performances = composed(level, 30)
        spread = pooled(BY_NAME["velocity spread"], performances)
        assert 12 < np.median(spread) < 19
        low, high = np.percentile(pooled(BY_NAME["velocity"], performances), (5, 95))
        assert low < 35
        assert high > 75
        share = pooled(BY_NAME["pedal share"], performances)
        assert np.std(share) > 0.15  # from dry to drenched
        short, long = np.percentile(pooled(BY_NAME["duration"], performances), (5, 95))
        assert short < 0.06
        assert long > 0.6


def test_table_and_figure_show_every_measure() -> None:
    reference, sets = composed("complex", 4), {"simple": composed("simple", 4), "same": composed("complex", 4)}
    table = realism_table(sets, reference)
    assert [row[0] for row in table.rows] == list(BY_NAME)
    column = list(table.columns).index
    for row in table.rows:
        assert row[column("same: distance")] == 0
        assert row[column("simple: distance")] > 0
        assert row[column("floor")] > 0
    assert "reference 4" in table.caption
    figure = realism_figure(sets, reference)
    assert [ax.get_title(loc="left").lower() for ax in figure.axes] == list(BY_NAME)
    for ax, row in zip(figure.axes, table.rows, strict=True):
        assert [text.get_text() for text in ax.texts] == [f"simple {row[4]:.3f}", "same 0.000"]
    assert figure.png()[:4] == b"\x89PNG"


def test_an_empty_folder_is_shown_as_nothing() -> None:
    assert {row[4] for row in realism_table({"composed": [TUNE]}, []).rows} == {None}
    assert realism_figure({"composed": []}, []).png()
    assert realism_figure({"composed": [TUNE]}, []).png()


def test_a_dataset_is_set_beside_the_folder_that_the_config_names(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests = load_manifests(small_data)
    for number, sample in enumerate(manifests["train"].samples):
        write_midi(tmp_path / "human" / f"{number}.mid", sample.performance())
    (tmp_path / "human" / "empty.mid").write_bytes(b"")
    realism(manifests, small_config(tmp_path, dataset={"reference_midi": str(tmp_path / "human")}))
    shown = capsys.readouterr().out
    pieces = sum(len(manifest.samples) for manifest in manifests.values())
    assert f"pieces: simple {pieces}; reference {len(manifests['train'].samples)}" in shown
    assert "Markdown" in shown  # the empty file is said to be left out


def test_no_folder_is_told_and_a_missing_one_refused(
    refused: Callable[..., str], small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    realism(load_manifests(small_data), small_config(tmp_path))
    assert "Table" not in capsys.readouterr().out
    sentence = refused("generate", "--reference-midi", "nowhere")
    assert "nowhere: there is no such folder; dataset.reference_midi names one of MIDI files" in sentence
