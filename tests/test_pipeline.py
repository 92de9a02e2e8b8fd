"""The chain: one real run on tiny parameters."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import TINY, Outcome

from s2s_lib import Config, InputError, RunResult, run_pipeline
from s2s_lib.config import EvaluationConfig
from s2s_lib.data import check_dataset, load_manifests
from s2s_lib.evaluate import evaluate
from s2s_lib.metrics import score, summarize
from s2s_lib.notes import Note, Performance, write_midi
from s2s_lib.pipeline import scores_summary
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.runs import NOTEBOOKS
from s2s_lib.train import History


def test_chain_leaves_what_it_should(chain: RunResult) -> None:
    run = chain.run_dir
    expected = [f"{name}.{ending}" for name in NOTEBOOKS.values() for ending in ("ipynb", "html")]
    expected += ["parameters.yaml", "state.json", "training_history.json", "logs/training.log"]
    expected += [f"data/{split}_manifest.json" for split in ("train", "val", "test")]
    expected += ["model/model.safetensors", "model/config.json"]
    expected += [f"results/evaluation_{name}" for name in ("report.json", "report.csv", "dashboard.png")]
    expected += ["results/confusion_matrix.png", "results/metrics_over_time.png"]
    assert [name for name in expected if not (run / name).is_file()] == []
    assert list((run / "checkpoints").glob("checkpoint_epoch_*"))
    assert list((run / "data" / "audio").glob("*.flac"))
    assert list((run / "data" / "midi").glob("*.mid"))
    assert {path.name[0] for path in run.iterdir()} & {"."} == set()  # no temporary file is left


def test_chain_writes_its_resolved_parameters(chain: RunResult) -> None:
    saved = Config.load(chain.run_dir / "parameters.yaml")
    given = Config.load(TINY, {"output": {"name": "tiny", "output_dir": str(chain.run_dir.parent)}})
    assert saved == absolute_paths(given, Path.cwd())


def test_chain_returns_reports_and_scores(chain: RunResult) -> None:
    assert list(chain.reports) == list(NOTEBOOKS)
    assert all(path.is_file() for path in chain.reports.values())
    assert set(chain.scores["summary"]) == {"test split", "midi"}
    table = scores_summary(chain.scores)
    assert "test split" in table
    assert "onset + offset (pedal-extended)" in table


@pytest.mark.parametrize("stage", NOTEBOOKS)
def test_executed_notebook_is_whole(chain: RunResult, stage: str) -> None:
    notebook = nbformat.read(chain.run_dir / f"{NOTEBOOKS[stage]}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stderr") == ""
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize(
    ("stage", "done"),
    [
        ("generate", ["composing and rendering"]),
        ("train", ["training", "tuning", "learning offsets"]),
        ("evaluate", ["transcribing"]),
    ],
)
def test_every_progress_leaves_one_tidy_line(chain: RunResult, stage: str, done: list[str]) -> None:
    notebook = nbformat.read(chain.run_dir / f"{NOTEBOOKS[stage]}.ipynb", as_version=4)
    texts = [o.data.get("text/plain", "") for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    lines = [text for text in texts if re.search(r"\d+ (pieces?|batch(es)?) in [\d.]+ ", text)]
    assert [line.partition(":")[0] for line in lines] == done
    assert not any("left)" in text for text in texts)


def test_rerun_skips_what_is_done(chain: RunResult, s2s: Callable[..., Outcome]) -> None:
    files = [path for path in chain.run_dir.rglob("*") if path.is_file() and path.name != "parameters.yaml"]
    before = [(path, path.stat().st_mtime_ns) for path in files]
    outcome = s2s("run", "--config", str(TINY), "--output-dir", str(chain.run_dir.parent), "--num-workers", "2")
    assert outcome.code == 0
    for stage in NOTEBOOKS:
        assert f"{stage}: done before with the same parameters, skipped" in outcome.err
    assert [(path, path.stat().st_mtime_ns) for path in files] == before
    assert "onset + offset (key release)" in outcome.out
    assert "03_evaluate.html" in outcome.out.splitlines()[-1]


def test_trained_model_is_not_overwritten_by_another(chain: RunResult, s2s: Callable[..., Outcome]) -> None:
    arguments = ["--config", str(TINY), "--output-dir", str(chain.run_dir.parent), "--epochs", "3", "--samples", "11"]
    for command in ("run", "generate", "train", "evaluate"):
        outcome = s2s(command, *arguments)
        assert outcome.code == 2
        assert "training.num_epochs 2, now 3" in outcome.err
        assert "dataset.samples 10, now 11" in outcome.err
        assert len(outcome.err.splitlines()) == 1


def test_resuming_a_finished_training_is_refused_and_harmless(chain: RunResult, s2s: Callable[..., Outcome]) -> None:
    checkpoint = sorted((chain.run_dir / "checkpoints").glob("checkpoint_epoch_*"))[-1]
    files = [chain.run_dir / name for name in ("model/model.safetensors", "state.json", "02_train.ipynb")]
    before = [path.read_bytes() for path in files]
    arguments = ["--config", str(TINY), "--output-dir", str(chain.run_dir.parent)]
    outcome = s2s("train", *arguments, "--resume", str(checkpoint))
    assert outcome.code == 2
    assert "finished" in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert [path.read_bytes() for path in files] == before


def test_same_seed_same_dataset_and_scores(chain: RunResult, tmp_path: Path) -> None:
    overrides = {"output": {"output_dir": str(tmp_path), "name": "again", "html": False}, "dataset": {"num_workers": 2}}
    again = run_pipeline(Config.load(TINY, overrides))
    for split in ("train", "val", "test"):
        name = f"data/{split}_manifest.json"
        assert (again.run_dir / name).read_bytes() == (chain.run_dir / name).read_bytes()
    losses = [[epoch["val_loss"] for epoch in History.load(run.run_dir).epochs] for run in (again, chain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)  # how a busy machine shares out its threads changes rounding
    for source, summary in chain.scores["summary"].items():
        other = again.scores["summary"][source]
        assert other["ref_notes"] == summary["ref_notes"]
        assert other["est_notes"] == pytest.approx(summary["est_notes"], rel=0.02, abs=1)
        assert other["mean"]["frame.f1"] == pytest.approx(summary["mean"]["frame.f1"], abs=0.01)


def test_evaluating_a_model_on_a_midi_file_needs_no_dataset(
    chain: RunResult, s2s: Callable[..., Outcome], tmp_path: Path
) -> None:
    notes = tuple(Note(0.5 * i, 0.5 * i + 0.4, 60 + i, 80) for i in range(6))
    write_midi(tmp_path / "mine.mid", Performance(notes))
    outcome = s2s("evaluate", "--model-path", str(chain.run_dir / "model"), "--midi", "mine.mid", "--name", "piece")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("midi: 1 file, 6 notes")
    report = json.loads((tmp_path / "runs" / "piece" / "results" / "evaluation_report.json").read_text())
    assert [sample["id"] for sample in report["samples"]] == ["mine.mid"]


def test_other_datasets_are_told_apart(chain: RunResult) -> None:
    """As a notebook run by papermill alone finds them under its name."""
    manifests = load_manifests(chain.run_dir / "data")
    same = {"dataset": {"num_workers": 2, "soundfonts": ["elsewhere/embedded"]}}
    check_dataset(manifests, Config.load(TINY, same))
    other = {"dataset": {"samples": 11, "soundfonts": ["other.sf2"]}, "audio": {"sample_rate": 22050}}
    named = r"generated with other dataset\.samples, dataset\.soundfonts, audio\.sample_rate; "
    with pytest.raises(InputError, match=named) as caught:
        check_dataset(manifests, Config.load(TINY, other))
    assert caught.value.usage


def test_evaluating_the_dataset_of_another_config_is_refused(chain: RunResult) -> None:
    output = {"name": chain.run_dir.name, "output_dir": str(chain.run_dir.parent)}
    report = chain.run_dir / "results" / "evaluation_report.json"
    before = report.read_bytes()
    with pytest.raises(InputError, match=r"generated with other dataset\.complexity"):
        evaluate(Config.load(TINY, {"output": output, "dataset": {"complexity": "medium"}}))
    assert report.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda content: [], "of another version"),
        (lambda content: {**content, "format": 99}, "of another version"),
        (lambda content: {**content, "samples": None}, "has no proper samples"),
        (lambda content: {k: v for k, v in content.items() if k != "dataset"}, "has no proper dataset"),
        (lambda content: {**content, "samples": [3]}, "lacks or has too much: all its entries"),
        (lambda content: {**content, "samples": [{**content["samples"][0], "hue": 1}]}, "lacks or has too much: hue"),
        (lambda content: {**content, "samples": [{"id": "x"}]}, "lacks or has too much: audio, .*tempo_bpm"),
        (lambda content: {**content, "samples": [{**content["samples"][0], "seed": 3}]}, "seed of another type"),
        (lambda content: {**content, "samples": [{**content["samples"][0], "midi": 3}]}, "seed of another type"),
    ],
)
def test_damaged_manifest_is_one_sentence(
    chain: RunResult, tmp_path: Path, damage: Callable[[dict[str, Any]], Any], named: str
) -> None:
    for split in ("train", "val", "test"):
        content = json.loads((chain.run_dir / "data" / f"{split}_manifest.json").read_text())
        content = damage(content) if split == "val" else content
        (tmp_path / f"{split}_manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"val_manifest\.json: .*{named}.*generate the dataset again\.$"):
        load_manifests(tmp_path)


def test_evaluation_shows_and_keeps_the_wanted_pictures_only(chain: RunResult, tmp_path: Path) -> None:
    """Evaluates the run again with one kind of picture: the others go from the report and from the folder."""
    run = tmp_path / "tiny"
    shutil.copytree(chain.run_dir, run)
    wanted = {"visualizations": {"plot_types": ["confusion_matrix"]}, "midi": []}
    config = Config.load(TINY, {"output": {"output_dir": str(tmp_path), "name": "tiny"}, "evaluation": wanted})
    run_pipeline(config, ("evaluate",))
    assert [path.name for path in (run / "results").glob("*.png")] == ["confusion_matrix.png"]
    page = (run / "03_evaluate.html").read_text()
    assert 'alt="Pitch confusion matrix' in page
    assert 'alt="Evaluation dashboard' not in page
    assert 'alt="Onset precision, recall and F1 over' not in page


def test_damaged_dataset_fails_in_its_cell(chain: RunResult, s2s: Callable[..., Outcome], tmp_path: Path) -> None:
    """Generate, spoil the recordings, run: the sentence names the file; mended, the run goes on from training."""
    arguments = ["--config", str(TINY), "--samples", "3", "--output-dir", "runs", "--set", "training.num_epochs=1"]
    assert s2s("generate", *arguments).code == 0
    recordings = list((tmp_path / "runs" / "tiny" / "data" / "audio").iterdir())
    contents = [path.read_bytes() for path in recordings]
    for path in recordings:
        path.write_bytes(b"no sound")
    outcome = s2s("run", *arguments)
    assert outcome.code == 1
    sentence = outcome.err.splitlines()[-1]
    assert re.match(r"s2s: error: stage train failed in cell \[\d+\] of .*02_train\.ipynb: .*\.flac", sentence)
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "runs" / "tiny" / "model").exists()
    for path, content in zip(recordings, contents, strict=True):
        path.write_bytes(content)
    outcome = s2s("run", *arguments)
    assert outcome.code == 0, outcome.err
    assert "generate: done before with the same parameters, skipped" in outcome.err


def test_summary_shows_per_cent() -> None:
    ref = Performance((Note(0.0, 1.0, 60, 80), Note(1.0, 2.0, 62, 80)))
    est = Performance((Note(0.0, 1.0, 60, 80),))
    table = scores_summary({"summary": {"midi": summarize([score(ref, est, EvaluationConfig())])}, "pianos": {}})
    assert table.splitlines()[0] == "midi: 1 file, 2 notes"
    assert re.search(r"^onset +100\.0 % +50\.0 % +66\.7 %$", table, flags=re.MULTILINE)
