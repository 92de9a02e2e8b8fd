"""The whole benchmark on a tiny model: its files, its report, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome
from small import TUNE, small_config

from s2s_lib.benchmark import COLUMNS, check_benchmark
from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.notes import write_midi
from s2s_lib.pretrained import build_model


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """A model folder with random weights."""
    build_model(small_config(tmp_path)).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_bench_writes_table_results_and_report(s2s: Callable[..., Outcome], tiny_model: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for name in ("a.mid", "b.mid"):
        write_midi(music / name, TUNE)
    settings = {
        "seconds": "2.0", "resamples": "100", "peers": "[transkun]", "peers_dir": "peers", "robustness_pieces": "1",
        "noise_snr_db": "[10.0]", "reverb_seconds": "[0.3]", "detune_cents": "[20.0]", "gain_db": "[-12.0]",
    }  # fmt: skip
    flags = [word for key, value in settings.items() for word in ("--set", f"benchmark.{key}={value}")]
    outcome = s2s(
        "bench", "--name", "b", "--benchmark-model", str(tiny_model), "--benchmark-midi", "music",
        "--benchmark-soundfont", "embedded", "--device", "cpu", *flags,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    results = tmp_path / "runs" / "b" / "results"
    table = (results / "peers.md").read_text()
    assert table in outcome.out
    assert [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")] == list(COLUMNS)
    report = json.loads((results / "benchmark.json").read_text())
    assert [(piece["id"], piece["notes"]) for piece in report["pieces"]] == [("a.mid", 5), ("b.mid", 5)]
    ours = report["tools"]["sound2sheet"]
    assert ours["cpu_s_per_s"] > 0
    assert ours["cpu_s_per_s_with_start"] > ours["cpu_s_per_s"]
    assert ours["megabytes"] == (tiny_model / "model.safetensors").stat().st_size / 1e6
    assert ours["ours_minus_this"]["onset"]["mean"] == 0
    assert ours["f1"]["onset"]["mean"] == ours["summary"]["mean"]["onset.f1"]
    assert sum(row["ref"] for row in ours["bands"]["velocity"]) == 10
    assert "transkun" not in report["tools"]
    assert any(sentence.startswith("transkun 2.0.1 is left out") for sentence in report["sentences"])
    assert set(report["robustness"]) == {"noise_snr_db", "reverb_seconds", "detune_cents", "gain_db"}
    rows = list(csv.DictReader((results / "benchmark.csv").open()))
    assert [(row["tool"], row["piece"]) for row in rows] == [("sound2sheet", "a.mid"), ("sound2sheet", "b.mid")]
    assert float(rows[0]["onset.f1"]) <= 1
    page = (tmp_path / "runs" / "b" / "benchmark.html").read_text()
    assert "is left out" in page
    assert not list((tmp_path / "runs" / "b").glob("*-new*"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--set", "benchmark.peers=[madmom]"], "benchmark.peers.0"),
        (["--benchmark-midi", "nowhere"], "there is no such folder; benchmark.midi_dir"),
        (["--benchmark-midi", "."], "holds no MIDI files"),
        (["--benchmark-soundfont", "none.sf2"], "benchmark.soundfont: none.sf2: there is no such soundfont"),
        (
            ["--benchmark-model", "nowhere"],
            "holds no model (config.json and model.safetensors); train one, or name another with --benchmark-model",
        ),
        (["--set", "benchmark.seconds=1"], "benchmark.seconds"),
        (["--model-path", "runs/demo/model"], "--model-path: is not for a benchmark; name the model to measure by"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_input_is_refused(refused: Callable[..., str], fake_model: Path, flags: list[str], said: str) -> None:
    model = [] if "--benchmark-model" in flags else ["--benchmark-model", str(fake_model)]
    assert said in refused("bench", *model, *flags)


def test_a_damaged_model_is_refused_before_anything_is_rendered(fake_model: Path) -> None:
    """Also where a notebook is run on its own, and not by `s2s bench`."""
    weights = fake_model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"model\.safetensors is truncated or damaged"):
        check_benchmark(Config.resolve({"benchmark": {"model_path": str(fake_model)}}))


def test_program_that_is_missing_is_refused(
    refused: Callable[..., str], fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert "fluidsynth program" in refused(
        "bench", "--benchmark-model", str(fake_model), "--set", "benchmark.renderer=program"
    )


def test_installation_that_fails_says_so(
    s2s: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    outcome = s2s("bench", "--install-peers", "--set", "benchmark.peers_dir=p", "--set", "benchmark.peers=[transkun]")
    assert outcome.code == 1
    assert (
        outcome.err.strip().splitlines()[-1].startswith("s2s: error: transkun: can't be installed: '/bin/false -m venv")
    )
