"""The chain: one real run on tiny parameters, and its bookkeeping tried out on toy notebooks."""

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
from tiny_soundfont import write_soundfont

from s2s_lib import Config, InputError, RunResult, StageError, run_pipeline
from s2s_lib.config import EvaluationConfig
from s2s_lib.data import check_dataset, load_manifests
from s2s_lib.evaluate import evaluate
from s2s_lib.metrics import score, summarize
from s2s_lib.notes import Note, Performance, write_midi
from s2s_lib.pipeline import scores_summary
from s2s_lib.pipeline.paths import absolute_paths
from s2s_lib.train import History

STAGES = {"generate": "01_generate", "train": "02_train", "evaluate": "03_evaluate"}


# --- the real chain -------------------------------------------------------------------------------------------------


def test_chain_leaves_what_it_should(chain: RunResult) -> None:
    run = chain.run_dir
    expected = [f"{name}.{ending}" for name in STAGES.values() for ending in ("ipynb", "html")]
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
    assert list(chain.reports) == list(STAGES)
    assert all(path.is_file() for path in chain.reports.values())
    assert set(chain.scores["summary"]) == {"test split", "midi"}
    table = scores_summary(chain.scores)
    assert "test split" in table
    assert "onset + offset (pedal-extended)" in table


@pytest.mark.parametrize("stage", STAGES)
def test_executed_notebook_is_whole(chain: RunResult, stage: str) -> None:
    notebook = nbformat.read(chain.run_dir / f"{STAGES[stage]}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stderr") == ""
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize(
    ("stage", "done"),
    [("generate", ["composing and rendering"]), ("train", ["training", "tuning"]), ("evaluate", ["transcribing"])],
)
def test_every_progress_leaves_one_tidy_line(chain: RunResult, stage: str, done: list[str]) -> None:
    notebook = nbformat.read(chain.run_dir / f"{STAGES[stage]}.ipynb", as_version=4)
    texts = [o.data.get("text/plain", "") for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    lines = [text for text in texts if re.search(r"\d+ (pieces|batches) in [\d.]+ ", text)]
    assert [line.partition(":")[0] for line in lines] == done
    assert not any("left)" in text for text in texts)


def test_rerun_skips_what_is_done(chain: RunResult, s2s: Callable[..., Outcome]) -> None:
    files = [path for path in chain.run_dir.rglob("*") if path.is_file() and path.name != "parameters.yaml"]
    before = [(path, path.stat().st_mtime_ns) for path in files]
    outcome = s2s("run", "--config", str(TINY), "--output-dir", str(chain.run_dir.parent), "--num-workers", "2")
    assert outcome.code == 0
    for stage in STAGES:
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


# --- its bookkeeping, on toy notebooks ------------------------------------------------------------------------------

TOY = """\
from pathlib import Path
run = Path(output["output_dir"]) / output["name"]
product = run / "{product}"
if (run.parent / "fail-{stage}").exists():
    raise {error}
product.parent.mkdir(parents=True, exist_ok=True)
product.write_bytes({content!r})
(product.parent / "config.json").write_text('{{"model_type": "sound2sheet"}}')
"""
CONTENT = (2).to_bytes(8, "little") + b"{}"  # a safetensors file without tensors
PRODUCTS = {
    "generate": "data/train_manifest.json",
    "train": "model/model.safetensors",
    "evaluate": "results/evaluation_report.json",
}


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Three toy notebooks instead of the real ones; stage X fails with `error` while a file 'fail-X' exists."""

    def write(error: str) -> None:
        for stage, name in STAGES.items():
            content = CONTENT if stage == "train" else b"{}"
            code = TOY.format(product=PRODUCTS[stage], stage=stage, error=error, content=content)
            parameters = nbformat.v4.new_code_cell("output = {}", metadata={"tags": ["parameters"]})
            cells = [parameters, nbformat.v4.new_code_cell("print('before')"), nbformat.v4.new_code_cell(code)]
            metadata = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / f"{name}.ipynb")

    monkeypatch.setattr("s2s_lib.pipeline.run.bundled", lambda name: tmp_path / Path(name).name)
    write("ValueError('no more\\nink')")
    return write


@pytest.fixture
def toy_run(
    toys: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Runs the toy chain; returns the stages that were executed."""

    def run(*stages: str, **sections: dict[str, Any]) -> list[str]:
        output = {"output_dir": str(tmp_path / "runs"), "name": "toy", "html": False}
        capsys.readouterr()
        run_pipeline(Config.resolve({**sections, "output": output}), stages or tuple(STAGES))
        return re.findall(r"^(\w+): done in", capsys.readouterr().err, flags=re.MULTILINE)

    return run


def test_toy_chain_runs_once(toy_run: Callable[..., list[str]]) -> None:
    assert toy_run() == ["generate", "train", "evaluate"]
    assert toy_run() == []


def test_failed_stage_is_told_kept_and_taken_up_again(toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "fail-train").touch()
    with pytest.raises(StageError) as caught:
        toy_run()
    half = tmp_path / "runs" / "toy" / "02_train.ipynb"
    assert str(caught.value) == f"stage train failed in cell [4] of {half}: ValueError: no more ink"
    assert not caught.value.usage
    text = half.read_text()
    assert "before" in text
    assert "no more" in text
    assert not (tmp_path / "runs" / "toy" / "03_evaluate.ipynb").exists()
    state = json.loads((tmp_path / "runs" / "toy" / "state.json").read_text())
    assert {stage: entry["status"] for stage, entry in state.items()} == {"generate": "done", "train": "failed"}
    (tmp_path / "runs" / "fail-train").unlink()
    assert toy_run() == ["train", "evaluate"]


def test_input_error_in_a_cell_keeps_its_exit_code(
    toys: Callable[[str], None], toy_run: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "fail-generate").touch()
    for usage in (True, False):
        toys(f"__import__('s2s_lib').InputError('no.wav: is silent.', usage={usage})")
        with pytest.raises(StageError) as caught:
            toy_run()
        assert str(caught.value).endswith("01_generate.ipynb: no.wav: is silent.")
        assert caught.value.usage is usage


def test_killed_stage_is_told(toys: Callable[[str], None], toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "fail-generate").touch()
    toys("SystemError(__import__('os')._exit(9))")
    with pytest.raises(StageError, match="stage generate failed: its process died"):
        toy_run()


def test_kernel_knows_that_nobody_sits_in_front(
    toys: Callable[[str], None], toy_run: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "fail-generate").touch()
    toys("ValueError('batch ' + __import__('os').environ.get('S2S_BATCH', '0'))")
    with pytest.raises(StageError, match=r"ValueError: batch 1$"):
        toy_run("generate")


def test_changed_dataset_is_made_again_until_a_model_is_trained(toy_run: Callable[..., list[str]]) -> None:
    assert toy_run("generate", dataset={"samples": 5}) == ["generate"]
    assert toy_run("generate", dataset={"samples": 6}) == ["generate"]
    with pytest.raises(InputError, match=r"generated with dataset\.samples 6, now 5"):
        toy_run("train", dataset={"samples": 5})
    assert toy_run("train", dataset={"samples": 6}) == ["train"]
    with pytest.raises(InputError, match=r"trained with dataset\.samples 6, now 5; choose another --name"):
        toy_run("generate", dataset={"samples": 5})


def test_only_what_depends_on_a_change_is_redone(toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    toy_run()
    assert toy_run(dataset={"num_workers": 2}, training={"num_workers": 1}, model={"device": "cpu"}) == []
    assert toy_run(evaluation={"onset_tolerance": 0.03}) == ["evaluate"]
    (tmp_path / "runs" / "toy" / "data" / "train_manifest.json").unlink()
    assert toy_run() == ["generate", "train", "evaluate"]


def test_training_again_makes_the_evaluation_outdated(toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    toy_run()
    (tmp_path / "runs" / "toy" / "model" / "model.safetensors").unlink()
    assert toy_run("train") == ["train"]
    assert toy_run("evaluate") == ["evaluate"]


def test_resumed_training_may_differ(toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    toy_run(training={"num_epochs": 5})
    with pytest.raises(InputError, match=r"num_epochs 5, now 10; choose another --name, or --resume"):
        toy_run(training={"num_epochs": 10})
    (tmp_path / "trainer_state.json").write_text(json.dumps({"epochs": [{}] * 5}))
    resume = {"num_epochs": 10, "resume": str(tmp_path)}
    assert toy_run("train", "evaluate", training=resume) == ["train", "evaluate"]
    assert toy_run(training={"num_epochs": 10}) == []


def test_another_model_and_other_pieces_are_looked_at_once(
    toy_run: Callable[..., list[str]], tmp_path: Path, fake_model: Path
) -> None:
    """An evaluation alone leaves the run's own model and pieces in its parameters, so the next one is its own."""
    toy_run(evaluation={"midi": ["bwv846"]})
    write_midi(tmp_path / "one.mid", Performance((Note(0.0, 1.0, 60, 80),)))
    own = {"evaluation": {"midi": ["bwv846"]}}
    other = {"evaluation": {"model_path": str(fake_model), "midi": [str(tmp_path / "one.mid")]}}
    assert toy_run("evaluate", **other) == ["evaluate"]
    saved = Config.load(tmp_path / "runs" / "toy" / "parameters.yaml").evaluation
    assert (saved.model_path, saved.midi, saved.audio) == (None, ["bwv846"], [])
    assert toy_run("evaluate", **own) == ["evaluate"]
    assert toy_run("evaluate", **own) == []


def test_plain_evaluation_after_one_of_another_model_is_the_runs_own(
    toys: Callable[[str], None], s2s: Callable[..., Outcome], fake_model: Path
) -> None:
    common = ["--name", "toy", "--set", "output.html=false"]
    for command in ("generate", "train"):
        assert s2s(command, *common).code == 0
    assert s2s("evaluate", *common, "--model-path", str(fake_model), "--midi", "bwv846").code == 0
    outcome = s2s("evaluate", *common)
    assert outcome.code == 0, outcome.err
    assert "evaluate: done in" in outcome.err


def test_evaluation_can_be_left_out(toy_run: Callable[..., list[str]]) -> None:
    assert toy_run(evaluation={"enabled": False}) == ["generate", "train"]
    with pytest.raises(InputError, match="nothing to do"):
        toy_run("evaluate", evaluation={"enabled": False})


def test_changed_content_of_a_soundfont_counts(toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    for name in ("one", "two"):
        font = write_soundfont(tmp_path / "pianos" / "piano.sf2", [(0, 0, name)])
        assert toy_run("generate", dataset={"soundfonts": [str(font)]}) == ["generate"]
        assert toy_run("generate", dataset={"soundfonts": [str(font)]}) == []
    write_soundfont(tmp_path / "pianos" / "second.sf2", [(0, 0, "three")])
    assert toy_run("generate", dataset={"soundfonts": [str(font.parent)]}) == ["generate"]


def test_model_of_unknown_origin_is_not_overwritten(toy_run: Callable[..., list[str]], tmp_path: Path) -> None:
    model = tmp_path / "runs" / "toy" / "model"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_text("precious")
    with pytest.raises(InputError, match="no record of its training"):
        toy_run()
    assert (model / "model.safetensors").read_text() == "precious"


def test_later_stage_takes_the_parameters_of_its_run(
    toys: Callable[[str], None], s2s: Callable[..., Outcome], tmp_path: Path
) -> None:
    common = ["--name", "toy", "--set", "output.html=false"]
    assert s2s("generate", *common, "--samples", "7", "--seed", "3").code == 0
    outcome = s2s("train", *common, "--epochs", "2")
    assert outcome.code == 0, outcome.err
    assert "taking the parameters of" in outcome.err
    saved = Config.load(tmp_path / "runs" / "toy" / "parameters.yaml")
    assert (saved.dataset.samples, saved.dataset.seed, saved.training.num_epochs) == (7, 3, 2)
