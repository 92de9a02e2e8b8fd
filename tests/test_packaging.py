"""What is installed and how: the wheel, the conda environment, the top level of the repository, the task file."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

TOP_LEVEL = {
    "notebooks", "s2s_lib", "parameters", "runs", "tests",
    "environment.yml", "README.md", "pyproject.toml", "LICENSE", "tasks.py",
}  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def name_of(requirement: str) -> str:
    """'pygame-ce' for "pygame-ce>=2.5; sys_platform != 'win32'"."""
    for sign in "[;<>=!~ ":
        requirement = requirement.partition(sign)[0]
    return requirement.lower().replace("_", "-")


def conda_packages() -> list[str]:
    return [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]


def test_conda_installs_this_project_through_pip() -> None:
    (pip,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-e .[test]"]  # so every other requirement is written once, in pyproject.toml
    assert "pip" in conda_packages()


def test_conda_brings_python_in_the_same_range_and_fluidsynth() -> None:
    (python,) = [entry for entry in conda_packages() if name_of(entry) == "python"]
    assert python == f"python{PROJECT['requires-python']}"
    assert "fluidsynth" in [name_of(entry) for entry in conda_packages()]
    assert ENVIRONMENT["channels"][0] == "conda-forge"


def test_no_package_is_listed_twice() -> None:
    extras = [entry for group in PROJECT["optional-dependencies"].values() for entry in group]
    names = [name_of(entry) for entry in (*PROJECT["dependencies"], *extras, *conda_packages())]
    assert len(names) == len(set(names))


def test_every_imported_package_is_required() -> None:
    import ast

    known_as = {
        "yaml": "pyyaml",
        "sklearn": "scikit-learn",
        "fluidsynth": "pyfluidsynth",
        "pygame": "pygame-ce",
        "ipython": "ipykernel",
        "upath": "universal-pathlib",
    }
    brought_along = {
        "fsspec": "universal-pathlib",
        "nbclient": "papermill",
        "pil": "matplotlib",
        "nbformat": "nbconvert",
        "jinja2": "nbconvert",
        "pygments": "nbconvert",
        "jupyter_client": "ipykernel",
    }  # parts of what is required
    required = {name_of(entry) for entry in PROJECT["dependencies"]}
    for path in (ROOT / "s2s_lib").rglob("*.py"):
        if path.parent.name == "runners":
            continue  # the benchmark's, which run in the environments of other tools
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in (name.partition(".")[0].lower() for name in names):
                if name in sys.stdlib_module_names or name in ("s2s_lib", "wandb", "distributed", "weasyprint"):
                    continue
                name = brought_along.get(name, known_as.get(name, name)).replace("_", "-")
                assert name in required, f"{path.name} imports {name}"


def test_pip_alone_brings_fluidsynth() -> None:
    names = [name_of(entry) for entry in PROJECT["dependencies"]]
    assert {"pyfluidsynth", "pygame-ce"} <= set(names)
    assert "fluidsynth" not in names  # another project's name on the package index


def test_wheel_carries_notebooks_parameters_and_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    sources = {f"{folder}/{p.name}" for folder in ("notebooks", "parameters") for p in (ROOT / folder).glob("*.*")}
    sources |= {f"released/{path.name}" for path in (ROOT / "s2s_lib" / "released").glob("*")}
    sources |= {f"pipeline/export/{path.name}" for path in (ROOT / "s2s_lib" / "pipeline" / "export").glob("*.*")}
    assert {f"s2s_lib/{name}" for name in sources} <= names
    assert not [name for name in names if name.startswith(("tests", "runs", "notebooks"))]
    inside = subprocess.run(
        [sys.executable, "-m", "s2s_lib", "config", "--config", "production"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert yaml.safe_load(inside.stdout)["dataset"]["samples"] == 20000, inside.stderr


def test_top_level_holds_nothing_else() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    top = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL


def test_task_file_needs_only_the_standard_library() -> None:
    help_text = subprocess.run([sys.executable, "-I", "-S", ROOT / "tasks.py"], capture_output=True, text=True)
    assert help_text.returncode == 1
    for task in ("demo", "test", "lint"):
        assert f"tasks.py {task} " in help_text.stderr


def test_task_file_names_the_missing_venv_package(tmp_path: Path) -> None:
    """As on a fresh Debian, whose python3 comes without ensurepip."""
    (tmp_path / "tasks.py").write_text((ROOT / "tasks.py").read_text())
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "ensurepip.py").write_text("raise ImportError('left out')")
    done = subprocess.run([sys.executable, "tasks.py", "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".venv").exists()
