"""Where the package's own notebooks and parameters lie, and paths of a config made absolute."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.config import Config

BUILT_IN_MIDI = ("bwv846",)


def bundled(name: str) -> Path:
    """Path of a file or folder that comes with the package, such as 'notebooks' or 'parameters/quick.yaml'.

    A wheel carries them inside the package folder, a checkout beside it.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / name
    return inside if inside.exists() else package.parent / name


def absolute_paths(config: Config, base: Path) -> Config:
    """The same config with every relative path taken from the folder `base`, so that it holds in any folder.

    A name that is no path (a soundfont 'embedded', the MIDI 'bwv846', a Hugging Face id) stays as it is.
    """
    config = config.model_copy(deep=True)
    dataset, evaluation, output, training = config.dataset, config.evaluation, config.output, config.training
    dataset.soundfonts = [_existing(name, base) for name in dataset.soundfonts]
    dataset.test_soundfonts = [_existing(name, base) for name in dataset.test_soundfonts]
    config.model.encoder_name = _existing(config.model.encoder_name, base)
    training.resume = _absolute(training.resume, base)
    evaluation.model_path = _absolute(evaluation.model_path, base)
    evaluation.midi = [name if name in BUILT_IN_MIDI else str(_join(base, name)) for name in evaluation.midi]
    evaluation.audio = [str(_join(base, name)) for name in evaluation.audio]
    output.output_dir = str(_join(base, output.output_dir))
    output.checkpoint_dir = _absolute(output.checkpoint_dir, base)
    output.log_dir = _absolute(output.log_dir, base)
    return config


def _join(base: Path, name: str) -> Path:
    return (base / Path(name).expanduser()).absolute()


def _absolute(name: str | None, base: Path) -> str | None:
    return None if name is None else str(_join(base, name))


def _existing(name: str, base: Path) -> str:
    path = _join(base, name)
    return str(path) if path.exists() else name
