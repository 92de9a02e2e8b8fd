"""Where the package's own notebooks and parameters lie, and paths of a config made absolute."""

from __future__ import annotations

from pathlib import Path

from s2s_lib.config import EMBEDDED_SOUNDFONT, RELEASED, RELEASED_FOLDER, SCRATCH, SYSTEM_SOUNDFONTS, Config
from s2s_lib.files import is_url

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

    Reserved names (the soundfonts 'embedded' and 'system', the model 'released', the encoder 'scratch', the MIDI
    'bwv846') stay as they are, whatever lies in the folder; a Hugging Face id does unless a folder of that name is
    there.
    """
    config = config.model_copy(deep=True)
    dataset, evaluation, output, training = config.dataset, config.evaluation, config.output, config.training
    reserved = (EMBEDDED_SOUNDFONT, SYSTEM_SOUNDFONTS)
    dataset.soundfonts = [_existing(name, base, *reserved) for name in dataset.soundfonts]
    dataset.test_soundfonts = [_existing(name, base, *reserved) for name in dataset.test_soundfonts]
    dataset.midi_dir = _absolute(dataset.midi_dir, base)
    dataset.reference_midi = _absolute(dataset.reference_midi, base)
    effects = config.audio.augmentation
    effects.noise_dir, effects.reverb_dir = _absolute(effects.noise_dir, base), _absolute(effects.reverb_dir, base)
    config.model.encoder_name = _existing(config.model.encoder_name, base, RELEASED, RELEASED_FOLDER, SCRATCH)
    training.resume = _absolute(training.resume, base)
    if evaluation.model_path == RELEASED:
        evaluation.model_path = str(RELEASED_FOLDER)
    evaluation.model_path = _absolute(evaluation.model_path, base)
    evaluation.midi = [name if name in BUILT_IN_MIDI else str(_join(base, name)) for name in evaluation.midi]
    evaluation.audio = [str(_join(base, name)) for name in evaluation.audio]
    bench = config.benchmark
    bench.model_path, bench.midi_dir = _absolute(bench.model_path, base), _absolute(bench.midi_dir, base)
    bench.soundfont = bench.soundfont and _existing(bench.soundfont, base, *reserved)
    bench.peers_dir = str(_join(base, bench.peers_dir))
    compared = config.comparison
    compared.runs = [_of_run(name, base) for name in compared.runs]
    compared.reference = compared.reference and _of_run(compared.reference, base)
    heard = config.transcription
    heard.audio = _absolute(heard.audio, base)
    if heard.model_path != RELEASED:
        heard.model_path = _absolute(heard.model_path, base)
    output.output_dir = str(_join(base, output.output_dir))
    if output.data_dir is not None and not is_url(output.data_dir):
        output.data_dir = _absolute(output.data_dir, base)
    output.checkpoint_dir = _absolute(output.checkpoint_dir, base)
    output.log_dir = _absolute(output.log_dir, base)
    return config


def _join(base: Path, name: str) -> Path:
    return (base / Path(name).expanduser()).absolute()


def _absolute(name: str | None, base: Path) -> str | None:
    return None if name is None else str(_join(base, name))


def _of_run(name: str, base: Path) -> str:
    """A run's folder; a bare name stays, being that of a run under output_dir."""
    return name if Path(name).name == name and name not in ("..", "~") else str(_join(base, name))


def _existing(name: str, base: Path, *reserved: str) -> str:
    path = _join(base, name)
    return str(path) if name not in reserved and path.exists() else name
