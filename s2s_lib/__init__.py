"""Sound2Sheet: a piano-transcription lab. Compose, render, train, transcribe, evaluate, report."""

from s2s_lib.config import Config
from s2s_lib.errors import InputError
from s2s_lib.pipeline import RunResult, StageError, run_pipeline

__all__ = ["Config", "InputError", "RunResult", "StageError", "run_pipeline"]
