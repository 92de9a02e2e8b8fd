"""How runs are set beside each other."""

from __future__ import annotations

from typing import Literal

from s2s_lib.config.base import Section, key

MetricName = Literal["onset", "onset_offset_key", "onset_offset_pedal", "onset_offset_velocity", "frame"]


class ComparisonConfig(Section):
    """Which runs are compared, by which scores, and how sure the difference has to be."""

    runs: list[str] = key(
        [], "folders of runs, or their names under output.output_dir; none means all finished ones there"
    )
    reference: str | None = key(
        None, "run, as named above, that the others are set against; null means the best by the first metric"
    )
    metrics: list[MetricName] = key(
        ["onset", "onset_offset_key", "onset_offset_pedal"],
        "F1 scores to compare; the first ranks the runs and picks the pieces to look at",
        min_length=1,
    )
    remarks: list[str] = key([], "sentences that the summary begins with, such as what a sweep found")
    resamples: int = key(2000, "bootstrap resamples behind each confidence interval", ge=100, le=100000)
    confidence: float = key(0.95, "level of the confidence intervals", gt=0.5, lt=1)
    seed: int = key(42, "seed of the resamples", ge=0, lt=2**32)
    pieces_shown: int = key(2, "pieces won, and as many lost, that are shown and played; 0 for none", ge=0, le=100)
