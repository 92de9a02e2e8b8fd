"""Imports go one way, from higher layers to lower ones, and torch stays out of what must start fast."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

PACKAGE = ROOT / "s2s_lib"
LAYERS = {
    0: {"config", "errors", "files", "keys", "metre", "notes", "progress", "provenance", "smf", "wording"},
    1: {
        "augment", "compose", "devices", "features", "metrics", "model", "offsets", "pianos", "pretrained", "render",
        "runs", "soundfonts", "strings", "targets", "variation", "weights",
    },
    2: {"data", "score", "sources", "transcribe"},
    3: {"benchmark", "comparison", "evaluate", "offset_learning", "train", "transcription", "tuning"},
    4: {"report"},
    5: {"cli", "notebook", "pipeline"},
}  # fmt: skip
# pairs inside one layer that build on each other; never in a circle
BESIDE = {
    ("notes", "errors"), ("notes", "files"), ("notes", "smf"), ("smf", "errors"), ("smf", "files"),
    ("config", "errors"), ("config", "files"), ("config", "wording"), ("progress", "files"), ("progress", "wording"),
    ("files", "errors"),
    ("pianos", "soundfonts"), ("render", "pianos"), ("render", "soundfonts"), ("soundfonts", "strings"),
    ("offsets", "targets"), ("offsets", "weights"), ("offset_learning", "tuning"),
    ("pretrained", "model"), ("pretrained", "weights"), ("model", "weights"), ("pretrained", "features"),
    ("model", "features"), ("transcribe", "data"), ("sources", "data"), ("cli", "pipeline"), ("notebook", "pipeline"),
}  # fmt: skip
LAYER = {module: layer for layer, modules in LAYERS.items() for module in modules}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__"))


def imported(path: Path) -> Iterator[str]:
    """Names of all modules that a file imports, also inside functions; type-checking blocks count too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "s2s_lib" else []
            yield from names or [node.module or ""]


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_its_layer() -> None:
    assert {module_of(path) for path in FILES} <= set(LAYER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    module = module_of(path)
    for name in imported(path):
        if not name.startswith("s2s_lib"):
            continue
        other = name.split(".")[1]
        allowed = other == module or LAYER[other] < LAYER[module]
        assert allowed or (module, other) in BESIDE, f"{path.name} imports {name}"


def test_pairs_beside_make_no_circle() -> None:
    assert not {(b, a) for a, b in BESIDE} & BESIDE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torchaudio_stays_out(path: Path) -> None:
    assert not [name for name in imported(path) if name.split(".")[0] == "torchaudio"]


def test_nothing_installed_needs_torchaudio() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert not [name for name in ("torchaudio", "torch-audiomentations", "transkun") if name in project]


@pytest.mark.parametrize("module", sorted(LAYERS[0] | {"compose", "render", "metrics", "runs", "pipeline", "cli"}))
def test_torch_stays_out(python: Callable[..., Any], module: str) -> None:
    done = python(
        f"import s2s_lib.{module}, sys; print(sorted({{'torch', 'transformers', 'torchaudio'}} & set(sys.modules)))"
    )
    assert done.stdout == "[]\n", done.stderr


def test_whole_package_comes_without_torchaudio(python: Callable[..., Any]) -> None:
    done = python("import s2s_lib.report, s2s_lib.train, s2s_lib.notebook, sys; print('torchaudio' in sys.modules)")
    assert done.stdout == "False\n", done.stderr
