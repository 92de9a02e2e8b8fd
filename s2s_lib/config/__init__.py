"""The one schema: every parameter, its default, its limits, and its command-line flag.

A config is resolved as command line > YAML file > defaults given here. Unknown keys, wrong types and impossible
values are refused by name before anything runs.
"""

from s2s_lib.config.audio import AudioConfig
from s2s_lib.config.augmentation import AugmentationConfig
from s2s_lib.config.benchmark import BenchmarkConfig, PeerName
from s2s_lib.config.comparison import ComparisonConfig, MetricName
from s2s_lib.config.dataset import EMBEDDED_SOUNDFONT, MAJOR_KEYS, MINOR_KEYS, SYSTEM_SOUNDFONTS, DatasetConfig
from s2s_lib.config.evaluation import TOLERANCES, EvaluationConfig
from s2s_lib.config.layers import merge, read_yaml
from s2s_lib.config.model import RELEASED, RELEASED_FOLDER, SCRATCH, SCRATCH_WINDOW_S, ModelConfig
from s2s_lib.config.output import OutputConfig
from s2s_lib.config.piano import PRESET_PROGRAMS, PianoConfig
from s2s_lib.config.schema import Config
from s2s_lib.config.sweep import VARIED, SweepConfig, SweepRange, values_of
from s2s_lib.config.training import TrainingConfig
from s2s_lib.config.transcription import TranscriptionConfig
from s2s_lib.config.variation import VariationConfig

__all__ = [
    "EMBEDDED_SOUNDFONT", "MAJOR_KEYS", "MINOR_KEYS", "PRESET_PROGRAMS", "RELEASED", "RELEASED_FOLDER", "SCRATCH",
    "SCRATCH_WINDOW_S", "SYSTEM_SOUNDFONTS", "TOLERANCES", "VARIED", "AudioConfig", "AugmentationConfig",
    "BenchmarkConfig", "ComparisonConfig", "Config", "DatasetConfig", "EvaluationConfig", "MetricName", "ModelConfig",
    "OutputConfig", "PeerName", "PianoConfig", "SweepConfig", "SweepRange", "TrainingConfig", "TranscriptionConfig",
    "VariationConfig", "merge", "read_yaml", "values_of",
]  # fmt: skip
