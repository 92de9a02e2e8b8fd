"""How transcriptions are made and judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from s2s_lib.config.base import Probability, Section, key
from s2s_lib.wording import counted

# the keys that make scores what they are
TOLERANCES = ("onset_tolerance", "offset_ratio", "offset_min_tolerance", "velocity_tolerance")
PlotType = Literal["dashboard", "confusion_matrix", "metrics_over_time"]


class VisualizationsConfig(Section):
    """Pictures of the evaluation."""

    enabled: bool = key(True, "draw the plots", "--no-viz")
    plot_types: list[PlotType] = key(["dashboard", "confusion_matrix", "metrics_over_time"], "which plots to draw")


class EvaluationConfig(Section):
    """How transcriptions are made and judged."""

    enabled: bool = key(True, "evaluate after training", "--no-eval")
    onset_tolerance: float = key(0.05, "seconds an onset may be off and still match", gt=0, le=1)
    offset_ratio: float = key(0.2, "share of a note's duration its offset may be off", gt=0, le=1)
    offset_min_tolerance: float = key(0.05, "seconds an offset may always be off", gt=0, le=1)
    velocity_tolerance: float = key(0.1, "how far a rescaled velocity may be off (mir_eval's tolerance)", gt=0, le=1)
    onset_threshold: Probability | None = key(
        None, "onset probability from which a note is written; null means the model's own, tuned in validation"
    )
    frame_threshold: Probability | None = key(
        None, "probability below which a note has ended; null means the model's own, and its forest for key releases"
    )
    batch_size: int = key(16, "windows transcribed at once", ge=1)
    model_path: str | None = key(
        None, "model folder to evaluate; null means the run's own or, where an evaluation alone finds none, 'released'",
        "--model-path",
    )  # fmt: skip
    midi: list[str] = key([], "MIDI files to render and score; 'bwv846' is built in", "--midi")
    audio: list[str] = key([], "recordings to score, one for each file under midi", "--audio")
    visualizations: VisualizationsConfig = Field(default_factory=VisualizationsConfig)

    @model_validator(mode="after")
    def _pairs(self) -> EvaluationConfig:
        if self.audio and len(self.audio) != len(self.midi):
            raise ValueError(
                f"audio names {counted(len(self.audio), 'recording')} and midi {counted(len(self.midi), 'file')}; "
                "give one MIDI file with the true notes for each recording"
            )
        return self
