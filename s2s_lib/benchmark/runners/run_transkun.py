"""transkun (Yan and Duan, ISMIR 2024) as a process that the benchmark starts, in an environment of its own.

Does what its own command does, but loads the model once for all files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from protocol import Transcribe, serve


def load(job: dict[str, Any]) -> tuple[Transcribe, dict[str, Any]]:
    """The pretrained model inside transkun's wheel, on the CPU; notes are written as MIDI."""
    if not job["has_torchaudio"]:
        import torchaudio_stub

        sys.modules["torchaudio"] = torchaudio_stub
    import moduleconf
    import soxr
    import torch
    import transkun
    from transkun.Data import writeMidi
    from transkun.transcribe import readAudio

    folder = Path(transkun.__file__).parent / "pretrained"
    weights = folder / "2.0.pt"
    described = moduleconf.parseFromFile(str(folder / "2.0.conf"))["Model"]
    torch.set_grad_enabled(False)
    torch.set_num_threads(job["num_threads"])
    model = described.module.TransKun(conf=described.config)
    checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint.get("best_state_dict") or checkpoint["state_dict"], strict=False)
    model.eval()

    def transcribe(audio: str, target: str) -> None:
        rate, samples = readAudio(audio)
        if rate != model.fs:
            samples = soxr.resample(samples, rate, model.fs)
        notes = model.transcribe(torch.from_numpy(samples), discardSecondHalf=False)
        writeMidi(notes).write(target)

    return transcribe, {
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "bytes": weights.stat().st_size,
        "device": "cpu",
    }


if __name__ == "__main__":
    serve(load)
