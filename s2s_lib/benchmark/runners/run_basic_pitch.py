"""basic-pitch (Bittner et al., ICASSP 2022) as a process that the benchmark starts, in an environment of its own."""

from __future__ import annotations

from typing import Any

from protocol import Transcribe, serve


def load(job: dict[str, Any]) -> tuple[Transcribe, dict[str, Any]]:  # noqa: ARG001  all loaders are called alike
    """The ONNX model inside basic-pitch's wheel, with its default thresholds; notes are written as MIDI."""
    from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
    from basic_pitch.inference import Model, predict

    weights = build_icassp_2022_model_path(FilenameSuffix.onnx)
    model = Model(weights)

    def transcribe(audio: str, target: str) -> None:
        _, midi, _ = predict(audio, model)
        midi.write(target)

    # the file does not tell weights from constants, so they are not counted
    return transcribe, {"parameters": None, "bytes": weights.stat().st_size, "device": "cpu"}


if __name__ == "__main__":
    serve(load)
