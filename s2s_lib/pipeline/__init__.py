"""The stages as notebooks: generate, train, evaluate, chained through papermill into one run folder."""

from s2s_lib.pipeline.bench import install_peers, run_benchmark
from s2s_lib.pipeline.compare import run_comparison
from s2s_lib.pipeline.execute import StageError
from s2s_lib.pipeline.paths import absolute_paths, bundled
from s2s_lib.pipeline.recordings import import_dataset
from s2s_lib.pipeline.run import RunResult, run_pipeline
from s2s_lib.pipeline.share import ReportJob, Shared, share_run
from s2s_lib.pipeline.stages import STAGES
from s2s_lib.pipeline.summary import scores_summary
from s2s_lib.pipeline.sweep import SweepResult, failures, run_sweep, sweep_table
from s2s_lib.pipeline.transcribe import TranscriptionJob, transcribe_files

__all__ = [
    "STAGES",
    "ReportJob",
    "RunResult",
    "Shared",
    "StageError",
    "SweepResult",
    "TranscriptionJob",
    "absolute_paths",
    "bundled",
    "failures",
    "import_dataset",
    "install_peers",
    "run_benchmark",
    "run_comparison",
    "run_pipeline",
    "run_sweep",
    "scores_summary",
    "share_run",
    "sweep_table",
    "transcribe_files",
]
