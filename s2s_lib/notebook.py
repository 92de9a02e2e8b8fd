"""What every notebook begins with: its parameters checked, and where its results come from."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import yaml
from IPython.display import HTML, display

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline import absolute_paths, bundled
from s2s_lib.provenance import collect
from s2s_lib.render import fluidsynth_version
from s2s_lib.report.style import Table
from s2s_lib.soundfonts import find_soundfonts


def notebook_config(**sections: dict[str, Any]) -> Config:
    """The config from a notebook's parameters, one dict per section that it uses, shown with its provenance.

    Relative paths are taken from the working folder, or from the project's when that is its notebooks folder, as in
    JupyterLab. Raises InputError that names what is wrong.
    """
    folder = Path.cwd().resolve()
    base = folder.parent if folder == bundled("notebooks") else folder
    config = absolute_paths(Config.resolve(sections, source="notebook parameters"), base)
    display(_provenance(config), _parameters(config, set(sections)))
    return config


def _provenance(config: Config) -> Table:
    facts = collect() | {"FluidSynth": _fluidsynth(), "device asked for": config.model.device}
    for name in dict.fromkeys((*config.dataset.soundfonts, *config.dataset.test_soundfonts)):
        facts[f"soundfont {Path(name).name}"] = _soundfont(name)
    return Table(("made with", ""), list(facts.items()), "Where these results come from", text_columns=2)


def _fluidsynth() -> str:
    try:
        return fluidsynth_version()
    except InputError:
        return "not installed"  # training and scoring recordings do without


def _soundfont(name: str) -> str:
    try:
        return ", ".join(f"{font.name} SHA-256 {font.sha256[:16]}…" for font in find_soundfonts([name]))
    except InputError:
        return "not found"


def _parameters(config: Config, sections: set[str]) -> HTML:
    """All parameters of these sections as YAML, one block per section."""
    blocks = (
        yaml.safe_dump({section: values}, sort_keys=False, allow_unicode=True, default_flow_style=None)
        for section, values in config.model_dump(mode="json", include=sections).items()
    )
    style = "margin:0 0 1em;font-size:0.8em;white-space:pre-wrap;overflow-wrap:anywhere;break-inside:avoid"
    text = "".join(f'<pre style="{style}">{html.escape(block)}</pre>' for block in blocks)
    return HTML(f'<details><summary>All parameters</summary><div style="columns:3 16em">{text}</div></details>')
