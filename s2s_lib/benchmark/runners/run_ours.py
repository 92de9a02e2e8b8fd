"""Our transcriber as a process that the benchmark starts; run by path, in this package's own environment."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from protocol import Transcribe, serve


def load(job: dict[str, Any]) -> tuple[Transcribe, dict[str, Any]]:
    """The model folder `job["model"]` on `job["device"]`; notes are written as the JSON of a Performance."""
    import torch

    from s2s_lib.config import EvaluationConfig
    from s2s_lib.transcribe import Transcriber

    torch.set_num_threads(job["num_threads"])
    evaluation = EvaluationConfig(**job["evaluation"])
    transcriber = Transcriber.load(job["model"], job["device"])

    def transcribe(audio: str, target: str) -> None:
        performance = transcriber.transcribe(audio, None, evaluation)
        Path(target).write_text(json.dumps(dataclasses.asdict(performance)))

    return transcribe, {
        "parameters": sum(weights.numel() for weights in transcriber.model.parameters()),
        "bytes": sum(file.stat().st_size for file in Path(job["model"]).glob("*.safetensors")),
        "device": str(transcriber.device),
    }


if __name__ == "__main__":
    serve(load)
