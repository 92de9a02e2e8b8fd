"""The files of a run, also of an earlier version or broken: what is in them, or a sentence that says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from s2s_lib.config import Config, merge, read_yaml
from s2s_lib.errors import InputError
from s2s_lib.runs.run import PARAMETERS, REPORT, PieceScores
from s2s_lib.runs.state import read_state

HISTORY = "training_history.json"


class Reader:
    """Reads a folder's files one by one; `faults` collects a sentence for each that is at fault."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.faults: list[str] = []

    def parameters(self) -> tuple[Config | None, dict[str, Any]]:
        """The config, without keys that this version does not know, and parameters.yaml as {'section.key': value}."""
        path = self.folder / PARAMETERS
        if not path.is_file():
            return None, {}
        try:
            sections = read_yaml(path)
        except InputError as error:
            self.faults.append(str(error))
            return None, {}
        return self._config(path, sections), flat(sections)

    def _config(self, path: Path, sections: dict[str, Any]) -> Config | None:
        try:
            config = Config.model_validate(sections)
        except ValidationError as error:
            places = [tuple(detail["loc"]) for detail in error.errors()]
            names = ", ".join(".".join(map(str, place)) for place in places)
            try:
                config = Config.model_validate(_without(sections, places))
            except ValidationError:
                self.faults.append(f"{path}: does not hold together in this version ({names}).")
                return None
            self.faults.append(f"{path}: has what this version does not take ({names}); defaults stand in for it.")
        own = {"output_dir": str(self.folder.parent), "name": self.folder.name}
        moved = config.output.model_copy(update=own)  # the folder may have been moved or copied since
        return config.model_copy(update={"output": moved})

    def stages(self) -> dict[str, dict[str, Any]]:
        """What state.json says."""
        try:
            return read_state(self.folder)
        except InputError as error:
            self.faults.append(str(error).partition(";")[0] + ".")
            return {}

    def pieces(self) -> tuple[PieceScores, ...]:
        """The scores of each piece, each piece once."""
        content = self._json(REPORT)
        if content is None:
            return ()
        try:
            rows = [_piece(row, self.folder / REPORT) for row in content["samples"]]
        except (AttributeError, KeyError, TypeError, ValueError):
            self.faults.append(f"{self.folder / REPORT}: is no evaluation report that this version can read.")
            return ()
        return tuple({row.key: row for row in reversed(rows)}.values())[::-1]

    def history(self) -> tuple[tuple[dict[str, float], ...], bool]:
        """The epochs of the training history, and whether a person stopped the training."""
        content = self._json(HISTORY)
        if content is None:
            return (), False
        epochs = content.get("epochs") if isinstance(content, dict) else None
        if not isinstance(epochs, list) or not all(map(_is_epoch, epochs)):
            self.faults.append(f"{self.folder / HISTORY}: is no training history that this version can read.")
            return (), False
        return tuple(epochs), content.get("unfinished") is not None

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            self.faults.append(f"{self.folder / name}: is truncated or damaged.")
            return None


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as {'section.key': value}."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return leaves


def _without(sections: dict[str, Any], places: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The sections without the keys at `places`; a fault deep in a list takes the whole list with it."""
    kept = merge({}, sections)
    for place in places:
        inner, path = kept, list(place)
        while len(path) > 1 and isinstance(inner.get(path[0]), dict):
            inner[path[0]] = dict(inner[path[0]])
            inner = inner[path.pop(0)]
        if path:
            inner.pop(path[0], None)
    return kept


def _piece(row: dict[str, Any], report: Path) -> PieceScores:
    f1 = {name: float(value["f1"]) for name, value in row.items() if isinstance(value, dict) and "f1" in value}
    kept = row.get("transcription")
    return PieceScores(
        id=str(row["id"]),
        source=str(row.get("source", "")),
        piano=str(row.get("piano", "")),
        f1=f1,
        notes=int(row["onset"]["ref"]),
        frames=row.get("frame", {}).get("ref"),
        truth=row.get("truth"),
        transcription=None if kept is None else report.parent / str(kept),
        transcribed_notes=row["onset"].get("est"),
    )


def _is_epoch(epoch: Any) -> bool:
    return isinstance(epoch, dict) and isinstance(epoch.get("epoch"), int | float)
