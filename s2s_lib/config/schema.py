"""All sections together."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from s2s_lib.config.audio import AudioConfig
from s2s_lib.config.base import Section
from s2s_lib.config.benchmark import BenchmarkConfig
from s2s_lib.config.comparison import ComparisonConfig
from s2s_lib.config.dataset import DatasetConfig
from s2s_lib.config.evaluation import EvaluationConfig
from s2s_lib.config.layers import merge, read_yaml, sentence
from s2s_lib.config.model import SCRATCH, SCRATCH_WINDOW_S, ModelConfig
from s2s_lib.config.output import OutputConfig
from s2s_lib.config.sweep import SweepConfig
from s2s_lib.config.training import TrainingConfig
from s2s_lib.config.transcription import TranscriptionConfig
from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write


class Config(Section):
    """Everything a run needs."""

    dataset: DatasetConfig = Field(default_factory=DatasetConfig)
    audio: AudioConfig = Field(default_factory=AudioConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    benchmark: BenchmarkConfig = Field(default_factory=BenchmarkConfig)
    transcription: TranscriptionConfig = Field(default_factory=TranscriptionConfig)
    comparison: ComparisonConfig = Field(default_factory=ComparisonConfig)
    sweep: SweepConfig = Field(default_factory=SweepConfig)
    output: OutputConfig = Field(default_factory=OutputConfig)

    @model_validator(mode="after")
    def _patches(self) -> Config:
        model, audio = self.model, self.audio
        if model.encoder_name == SCRATCH:
            frames = (model.window_seconds or SCRATCH_WINDOW_S) * audio.sample_rate / audio.hop_length
            if frames < model.patch_size:
                raise ValueError(f"model.window_seconds gives {frames:.0f} frames, fewer than model.patch_size")
        return self

    @model_validator(mode="after")
    def _swept_keys(self) -> Config:
        self.sweep.fit(type(self))
        return self

    @classmethod
    def resolve(cls, *layers: dict[str, Any], source: str = "config") -> Config:
        """Validates nested dicts, later ones over earlier ones, against the schema.

        Raises InputError (usage) that names `source`, the key and what is wrong with it.
        """
        merged: dict[str, Any] = {}
        for layer in layers:
            merged = merge(merged, layer)
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            raise InputError(f"{source}: {sentence(error, cls)}", usage=True) from None

    @classmethod
    def load(cls, path: str | Path, *overrides: dict[str, Any]) -> Config:
        """Reads a YAML file and lays `overrides` over it. Raises InputError as `resolve` does."""
        return cls.resolve(read_yaml(path), *overrides, source=str(path))

    def save(self, path: str | Path) -> None:
        """Writes the resolved config as YAML."""
        atomic_write(path, self.to_yaml())

    def to_yaml(self) -> str:
        """The resolved config as YAML text."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def fingerprint(self, *sections: str, without: tuple[str, ...] = ()) -> str:
        """Twelve hex digits that change when a key of `sections` changes; `without` lists 'section.key' to ignore."""
        chosen = self.model_dump(mode="json", include=set(sections))
        for name in without:
            section, key_name = name.split(".")
            chosen.get(section, {}).pop(key_name, None)
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]
