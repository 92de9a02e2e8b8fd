"""The stages of a run and the record that its folder keeps of them, `state.json`."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from s2s_lib.errors import InputError

STAGES = ("generate", "train", "evaluate")
NOTEBOOKS = {"generate": "01_generate", "train": "02_train", "evaluate": "03_evaluate"}
PRODUCTS = {
    "generate": "train_manifest.json",  # in the dataset's folder, which may lie outside the run's
    "train": "model/model.safetensors",
    "evaluate": "results/evaluation_report.json",
}
STATE_FILE = "state.json"


def read_state(run_dir: Path) -> dict[str, dict[str, Any]]:
    """What `state.json` says of each stage: its status, inputs, and when it ended; nothing where there is no file.

    Raises InputError (usage) if the file is no such record.
    """
    path = run_dir / STATE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or not all(map(_is_entry, content.values())):
        raise InputError(f"{path}: is no record of a run's stages; choose another --name.", usage=True)
    return content


def this_process() -> dict[str, Any]:
    """What a stage that is running notes of the process that runs it."""
    return {"process": os.getpid(), "host": platform.node()}


def broken_off(entry: dict[str, Any]) -> bool:
    """Whether a stage that is noted as running is so no more: its process is gone from this very machine."""
    process = entry.get("process")
    if entry["status"] != "running" or not isinstance(process, int) or entry.get("host") != platform.node():
        return False
    if sys.platform == "win32":
        return False  # there, asking by signal would end the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's
    return False


def _is_entry(entry: Any) -> bool:
    """Whether this is what is noted of a stage."""
    return isinstance(entry, dict) and isinstance(entry.get("status"), str) and isinstance(entry.get("inputs"), dict)
