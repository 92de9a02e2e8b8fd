"""Runs as their folders hold them, written without composing, training or transcribing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from small import TUNE

from s2s_lib.config import Config
from s2s_lib.files import write_json
from s2s_lib.notes import read_midi, write_midi
from s2s_lib.runs import STAGES
from s2s_lib.sources import digest

DONE = dict.fromkeys(STAGES, "done")


def write_run(
    folder: Path,
    f1: dict[str, float] | None = None,
    stages: dict[str, str] | None = None,
    epochs: int = 3,
    **sections: dict[str, Any],
) -> Path:
    """A run in `folder` that was judged by the pieces in `f1` with these onset F1; `sections` are its parameters.

    Other scores are half of it. `stages` are the statuses in state.json.
    """
    output = {"output_dir": str(folder.parent), "name": folder.name}
    Config.resolve({"output": output}, sections).save(folder / "parameters.yaml")
    statuses = DONE if stages is None else stages
    write_json(folder / "state.json", {stage: {"status": status, "inputs": {}} for stage, status in statuses.items()})
    if epochs:
        write_json(folder / "training_history.json", {"epochs": [epoch(number) for number in range(1, epochs + 1)]})
    if f1 is not None:
        write_report(folder, [row(name, value) for name, value in f1.items()])
    return folder


def write_report(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_json(folder / "results" / "evaluation_report.json", {"samples": list(rows)})


def row(name: str, f1: float, truth: str | None = "0123", source: str = "test split", **more: Any) -> dict[str, Any]:
    """A piece's row of the report."""
    scores = {
        "onset": {"f1": f1, "ref": 5, "est": 5},
        "onset_offset_key": {"f1": f1 / 2},
        "frame": {"ref": 70, "f1": 0.5},
    }
    return {"id": name, "source": source, "piano": "grand.sf2", "truth": truth, **scores, **more}


def epoch(number: int) -> dict[str, float]:
    return {"epoch": number, "steps": 10 * number, "seconds": 30.0, "train_loss": 1 / number, "val_loss": 1.2 / number}


def judged_by_music(folder: Path, midi: Path, lost: dict[str, int], **about: Any) -> Path:
    """A run judged by MIDI files in folder `midi`, of each of which it lost so many notes.

    The truth and the sound can be had again, as those of a real run. `about` are its `epochs` and its parameters.
    """
    rows = []
    for name, missing in lost.items():
        write_midi(midi / name, TUNE)
        est = replace(TUNE, notes=TUNE.notes[: len(TUNE.notes) - missing])
        write_midi(folder / "results" / "transcriptions" / name, est)
        found, played = len(est.notes), len(TUNE.notes)
        kept = {"transcription": f"transcriptions/{name}", "piano": "TimGM6mb.sf2"}
        rows.append(row(name, 2 * found / (found + played), digest(read_midi(midi / name)), "midi", **kept))
        rows[-1]["onset"]["est"] = found
    write_run(folder, evaluation={"midi": [str(midi / name) for name in lost]}, **about)
    write_report(folder, rows)
    return folder


def three_runs(folder: Path) -> list[str]:
    """Names of three runs there that learnt for longer and longer, and lost fewer and fewer notes of two tunes."""
    lost = {"bad": (2, 3), "fair": (1, 2), "good": (0, 1)}
    for epochs, (name, missing) in enumerate(lost.items(), 2):
        pieces = dict(zip(("first.mid", "second.mid"), missing, strict=True))
        judged_by_music(folder / name, folder, pieces, epochs=epochs, training={"num_epochs": epochs})
    return list(lost)
