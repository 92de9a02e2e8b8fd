"""The chain's bookkeeping, on toy notebooks: what is done, skipped, done again, and told when it fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import Outcome
from tiny_soundfont import write_soundfont

from s2s_lib import Config, InputError, StageError, run_pipeline
from s2s_lib.notes import Note, Performance, write_midi
from s2s_lib.runs import NOTEBOOKS

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
        for stage, name in NOTEBOOKS.items():
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
        run_pipeline(Config.resolve({**sections, "output": output}), stages or tuple(NOTEBOOKS))
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
