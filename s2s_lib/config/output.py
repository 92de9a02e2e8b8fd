"""Where a run lives."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.config.base import Section, key
from s2s_lib.files import as_path


class OutputConfig(Section):
    """Where a run lives: `<output_dir>/<name>/`."""

    name: str = key("default", "name of the run", "--name", pattern=r"^[\w][\w.\- ]*$", max_length=100)
    output_dir: str = key("runs", "folder of all runs", "--output-dir", min_length=1)
    data_dir: str | None = key(
        None, "dataset; null means <run>/data; may be a URL such as s3://bucket/data", "--data-dir", min_length=1
    )
    checkpoint_dir: str | None = key(None, "checkpoints; null means <run>/checkpoints", "--checkpoint-dir")
    log_dir: str | None = key(None, "logs; null means <run>/logs", "--log-dir")
    html: bool = key(True, "export each executed notebook to self-contained HTML")

    @property
    def run_dir(self) -> Path:
        """Folder of this run."""
        return Path(self.output_dir) / self.name

    @property
    def checkpoints(self) -> Path:
        """Folder of the training checkpoints."""
        return Path(self.checkpoint_dir) if self.checkpoint_dir else self.run_dir / "checkpoints"

    @property
    def logs(self) -> Path:
        """Folder of the log files and TensorBoard events."""
        return Path(self.log_dir) if self.log_dir else self.run_dir / "logs"

    @property
    def model(self) -> Path:
        """Folder of the best model, made by save_pretrained."""
        return self.run_dir / "model"

    @property
    def data(self) -> Path:
        """Folder of the dataset and its manifests; a UPath if it is given by URL. Raises InputError as `as_path`."""
        return as_path(self.data_dir) if self.data_dir else self.run_dir / "data"

    @property
    def results(self) -> Path:
        """Folder of the evaluation's reports and plots."""
        return self.run_dir / "results"
