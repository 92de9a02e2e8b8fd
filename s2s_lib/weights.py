"""A model's folder, looked into without torch: a description and weights, both whole."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from s2s_lib.config import RELEASED_FOLDER
from s2s_lib.errors import InputError

MODEL_TYPE = "sound2sheet"  # what config.json of a model folder says
DESCRIPTION, WEIGHTS, OFFSETS = "config.json", "model.safetensors", "offsets.safetensors"


def check_model(folder: Path, flag: str = "--model-path") -> None:
    """Raises InputError unless the folder holds a model of ours whose weights file is whole; `flag` names another."""
    description, weights = folder / DESCRIPTION, folder / WEIGHTS
    if not description.is_file() or not weights.is_file():
        instead = way_out(folder) if folder == RELEASED_FOLDER else f"train one, or name another with {flag}"
        raise InputError(f"{folder}: holds no model ({DESCRIPTION} and {WEIGHTS}); {instead}.")
    if model_type(folder) != MODEL_TYPE:
        raise InputError(f"{folder}: is not a Sound2Sheet model; name the model folder of a run.")
    try:
        with safe_open(weights, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise InputError(f"{folder}: {WEIGHTS} is truncated or damaged ({error}); {way_out(folder)}.") from None


def model_type(folder: Path) -> str | None:
    """What kind of model the folder's description names, ours or one of transformers'; None if it names none."""
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("model_type") if isinstance(content, dict) else None


def way_out(folder: Path) -> str:
    """What to do about a model that is of no use."""
    return "install Sound2Sheet again" if folder == RELEASED_FOLDER else "train it again"
