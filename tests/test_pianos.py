"""Pianos are drawn as the config says, and told in full."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tiny_soundfont import write_soundfont

from s2s_lib.config import Config, PianoConfig
from s2s_lib.errors import InputError
from s2s_lib.pianos import Layer, Piano, draw_piano, preset_shares
from s2s_lib.soundfonts import Soundfont, find_soundfonts

ALWAYS = {name: 1.0 for name in PianoConfig.model_fields if name.endswith("_probability")}
NEVER = dict.fromkeys(ALWAYS, 0.0)
# what each probability decides: the field of a piano, or of its layers, that differs from the plain piano's
DECIDES = {
    "tuning": "tuning_cents", "detune": "detune_cents", "filter": "filter_octaves", "decay": "decay_factor",
    "release": "release_factor", "velocity": "velocity_gamma", "reverb": "reverb",
}  # fmt: skip
RANGES = {
    "filter_octaves": "filter_octaves", "decay_factor": "decay_factor", "release_factor": "release_factor",
    "velocity_gamma": "velocity_gamma",
}  # fmt: skip


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Soundfont, ...]:
    """One with all four pianos, one with a single one."""
    folder = tmp_path_factory.mktemp("fonts")
    write_soundfont(folder / "four.sf2", [(0, program, f"Piano {program}") for program in range(4)])
    write_soundfont(folder / "one.sf2", [(0, 1, "Bright")])
    return find_soundfonts([str(folder)])


def draw(fonts: tuple[Soundfont, ...], seed: int, altered: bool = True, **config: object) -> Piano:
    return draw_piano(np.random.default_rng(seed), fonts, PianoConfig(**config), altered)


def test_the_same_seed_draws_the_same_piano(fonts: tuple[Soundfont, ...]) -> None:
    pianos = [draw(fonts, seed) for seed in range(50)]
    assert pianos == [draw(fonts, seed) for seed in range(50)]
    assert len({json.dumps(piano.as_dict()) for piano in pianos}) == 50
    assert all(pickle.loads(pickle.dumps(piano)) == piano for piano in pianos)


def test_the_record_tells_all_that_was_drawn(fonts: tuple[Soundfont, ...]) -> None:
    piano = draw(fonts, 3, **ALWAYS)
    told = json.loads(json.dumps(piano.as_dict()))
    layers = told.pop("layers")
    plain = asdict(piano)
    plain.pop("layers")
    assert told == plain
    for layer, record in zip(piano.layers, layers, strict=True):
        assert record == {
            "soundfont": layer.soundfont.name, "sha256": layer.soundfont.sha256, "program": layer.preset.program,
            "preset": layer.preset.name, "displacements": list(layer.displacements), "level_db": layer.level_db,
        }  # fmt: skip


@pytest.mark.parametrize("options", [{"altered": False}, {"randomize": False}, {**NEVER, "reverb_probability": 0.7}])
def test_unaltered_pianos_differ_in_preset_and_reverb_alone(
    fonts: tuple[Soundfont, ...], options: dict[str, object]
) -> None:
    pianos = [draw(fonts, seed, **options) for seed in range(60)]
    assert {len(piano.layers) for piano in pianos} == {1}
    for piano in pianos:
        layer = piano.layers[0]
        plain = Piano((Layer(layer.soundfont, layer.preset),), piano.reverb, seed=piano.seed)
        assert piano == plain
        assert {pair for group in piano.strings() for pair in group} == {(0, 0)}
    assert 30 < sum(piano.reverb is not None for piano in pianos) < 54
    assert {piano.layers[0].preset.program for piano in pianos} == {0, 1, 2, 3}


@pytest.mark.parametrize("name", DECIDES)
def test_each_probability_decides_one_thing(fonts: tuple[Soundfont, ...], name: str) -> None:
    plain = asdict(Piano.plain(fonts[0]))
    for probability, changed in ((1.0, 30), (0.0, 0)):
        config = {**NEVER, f"{name}_probability": probability}
        pianos = [asdict(draw(fonts, seed, **config)) for seed in range(30)]
        differing = Counter(key for piano in pianos for key in plain if piano[key] != plain[key])
        assert differing[DECIDES[name]] == changed
        assert not set(differing) - {DECIDES[name], "layers", "seed"}


def test_all_values_keep_within_their_ranges(fonts: tuple[Soundfont, ...]) -> None:
    config = PianoConfig(**ALWAYS)
    pianos = [draw(fonts, seed, **ALWAYS) for seed in range(200)]
    for field, key in RANGES.items():
        low, high = getattr(config, key)
        values = [getattr(piano, field) for piano in pianos]
        assert low - 1e-3 <= min(values) < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < max(values) <= high + 1e-3
    assert 40 < max(abs(piano.tuning_cents) for piano in pianos) <= config.tuning_cents
    assert 3 < max(piano.detune_cents for piano in pianos) <= config.detune_cents
    assert {len(piano.layers) for piano in pianos} == {2}
    levels = [piano.layers[1].level_db for piano in pianos]
    assert config.layer_db[0] <= min(levels) < -15 < -3 < max(levels) <= config.layer_db[1]
    moves = {move for piano in pianos for layer in piano.layers for move in layer.displacements}
    assert moves == set(range(-config.displacement_semitones, config.displacement_semitones + 1))


@pytest.mark.parametrize("uneven", [0.0, 1.0])
def test_strings_from_elsewhere_lie_on_the_keyboard(fonts: tuple[Soundfont, ...], uneven: float) -> None:
    for seed in range(40):
        (groups,) = draw(
            fonts, seed, **{**NEVER, "displacement_probability": 1.0, "uneven_probability": uneven}
        ).strings()
        assert sorted(key for keys in groups.values() for key in keys) == list(range(88))
        assert all(0 <= key + move < 88 for (move, _), keys in groups.items() for key in keys)
        inner = {move for (move, _), keys in groups.items() if any(10 <= key < 78 for key in keys)}
        assert len(inner) == 1 if not uneven else 1 <= len(inner) <= 3


def test_presets_are_drawn_by_weight(fonts: tuple[Soundfont, ...]) -> None:
    four = tuple(font for font in fonts if font.name == "four.sf2")
    weights = {"acoustic_grand": 3.0, "honky_tonk": 1.0, "bright": 0.0}
    programs = Counter(draw(four, seed, presets=weights).layers[0].preset.program for seed in range(400))
    assert set(programs) == {0, 3}
    assert 0.68 < programs[0] / 400 < 0.82


def test_shares_of_presets_are_those_of_the_draws(fonts: tuple[Soundfont, ...]) -> None:
    config = PianoConfig(presets={"acoustic_grand": 3.0, "bright": 1.0})
    shares = {(font.name, preset.program): share for font, preset, share in preset_shares(fonts, config)}
    assert shares == {("four.sf2", 0): 0.375, ("four.sf2", 1): 0.125, ("one.sf2", 1): 0.5}
    layers = [draw(fonts, seed, presets=config.presets).layers[0] for seed in range(400)]
    drawn = Counter((layer.soundfont.name, layer.preset.program) for layer in layers)
    assert {key: count / 400 for key, count in drawn.items()} == pytest.approx(shares, abs=0.08)


def test_soundfonts_without_a_wanted_preset_are_passed_over(fonts: tuple[Soundfont, ...]) -> None:
    names = {draw(fonts, seed, presets={"electric_grand": 1.0}).soundfont.name for seed in range(20)}
    assert names == {"four.sf2"}
    one = tuple(font for font in fonts if font.name == "one.sf2")
    with pytest.raises(InputError, match=r"dataset\.piano\.presets: .*one\.sf2.* electric_grand"):
        draw(one, 0, presets={"electric_grand": 1.0})


@pytest.mark.parametrize("presets", [{}, {"bright": 0.0}, {"bright": -1.0, "honky_tonk": 2.0}])
def test_useless_weights_are_refused(presets: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"dataset\.piano\.presets: weights must not be negative"):
        Config.resolve({"dataset": {"piano": {"presets": presets}}})


def test_a_plain_piano_is_the_first_preset(fonts: tuple[Soundfont, ...]) -> None:
    for font in fonts:
        piano = Piano.plain(font)
        assert piano.soundfont is font
        assert piano.layers[0].preset is font.pianos[0]
        assert Path(piano.as_dict()["layers"][0]["soundfont"]).suffix == ".sf2"
