"""The one schema: every parameter, its default, its limits, and its command-line flag.

A config is resolved as command line > YAML file > defaults given here. Unknown keys, wrong types and impossible
values are refused by name before anything runs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from s2s_lib.errors import InputError
from s2s_lib.files import atomic_write

Complexity = Literal["simple", "medium", "complex"]
MAJOR_KEYS = ("C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F")
MINOR_KEYS = ("Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "Bbm", "Fm", "Cm", "Gm", "Dm")
KeySignature = Literal[
    "C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F",
    "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "Bbm", "Fm", "Cm", "Gm", "Dm",
]  # fmt: skip
TimeSignature = Literal["2/4", "3/4", "4/4", "6/8"]
PlotType = Literal["dashboard", "confusion_matrix", "metrics_over_time"]
Probability = Annotated[float, Field(ge=0, le=1)]
EMBEDDED_SOUNDFONT = "embedded"  # the TimGM6mb.sf2 inside pretty_midi
SCRATCH = "scratch"  # an encoder of random weights
SCRATCH_WINDOW_S = 2.56  # what a scratch encoder sees at once unless told otherwise
MOST_NOTES_PER_SECOND = 40  # beyond this even a tremolo of ten fingers is noise


def key(default: Any, description: str, flag: str | None = None, **limits: Any) -> Any:
    """A config key: its default, one line of help, its own command-line flag if it has one, and its limits."""
    extra = {"flag": flag} if flag else None
    if isinstance(default, list):
        return Field(default_factory=lambda: list(default), description=description, json_schema_extra=extra, **limits)
    return Field(default, description=description, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """A part of the config; refuses unknown keys and lossy conversions, but takes '1e-4' as the number it is."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=())


class DatasetConfig(Section):
    """What music is composed and how it is played and split."""

    samples: int = key(1000, "pieces in the dataset, all splits together", "--samples", ge=1)
    complexity: Complexity = key("medium", "how hard the music is", "--complexity")
    min_notes: int = key(10, "fewest notes in a piece", "--min-notes", ge=1)
    max_notes: int = key(50, "most notes in a piece", "--max-notes", ge=1)
    min_duration: float = key(5.0, "shortest piece in seconds", "--min-duration", ge=1.0)
    max_duration: float = key(30.0, "longest piece in seconds", "--max-duration", le=3600.0)
    min_tempo: float = key(40.0, "slowest tempo in quarter notes per minute", ge=20.0)
    max_tempo: float = key(200.0, "fastest tempo in quarter notes per minute", le=400.0)
    key_signatures: list[KeySignature] = key(
        [*MAJOR_KEYS, *MINOR_KEYS], "keys to compose in", "--key-signatures", min_length=1
    )
    time_signatures: list[TimeSignature] = key(["2/4", "3/4", "4/4", "6/8"], "metres to compose in", min_length=1)
    train_split: Probability = key(0.8, "share of the pieces to train on")
    val_split: Probability = key(0.1, "share of the pieces to validate on; the rest is the test split")
    synthesize_audio: bool = key(True, "render the pieces to audio; without it only MIDI is written")
    soundfonts: list[str] = key(
        [EMBEDDED_SOUNDFONT], "soundfont files, drawn at random; 'embedded' comes with the package", "--soundfont",
        min_length=1,
    )  # fmt: skip
    test_soundfonts: list[str] = key([], "soundfonts for the test split alone; none means the same as training")
    reverb_probability: Probability = key(0.7, "share of the pieces rendered with reverb")
    tuning_cents: float = key(10.0, "master tuning is drawn from plus or minus this many cents", ge=0, le=100)
    seed: int = key(42, "seed of all random choices", "--seed", ge=0, lt=2**32)
    num_workers: int = key(0, "processes that compose and render; 0 takes every core", "--num-workers", ge=0, le=256)

    @model_validator(mode="after")
    def _ranges(self) -> DatasetConfig:
        for low, high in (("min_notes", "max_notes"), ("min_duration", "max_duration"), ("min_tempo", "max_tempo")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} is greater than {high} {getattr(self, high)}")
        if self.min_notes > MOST_NOTES_PER_SECOND * self.max_duration:
            raise ValueError(
                f"min_notes {self.min_notes} do not fit into max_duration {self.max_duration} s "
                f"at {MOST_NOTES_PER_SECOND} notes per second"
            )
        if self.train_split + self.val_split > 1 + 1e-9:
            raise ValueError(f"train_split {self.train_split} and val_split {self.val_split} add up to more than 1")
        return self

    def split_sizes(self) -> dict[str, int]:
        """Pieces per split; a split with a share of its own gets at least one piece when there are three or more."""
        shares = {"train": self.train_split, "val": self.val_split, "test": 1 - self.train_split - self.val_split}
        sizes = {name: int(share * self.samples + 0.5) for name, share in shares.items() if name != "train"}
        if self.samples >= 3:
            sizes = {name: max(size, int(shares[name] > 1e-9)) for name, size in sizes.items()}
        return {"train": max(0, self.samples - sum(sizes.values())), **sizes}


class AugmentationConfig(Section):
    """Random changes to the audio a model trains on; each is drawn per training window."""

    enabled: bool = key(True, "augment the training audio", "--no-augmentation")
    noise_probability: Probability = key(0.3, "chance of added noise")
    noise_snr_db: tuple[float, float] = key((15.0, 45.0), "signal-to-noise ratio in dB: lowest, highest")
    eq_probability: Probability = key(0.5, "chance of a random seven-band equaliser")
    eq_gain_db: float = key(8.0, "most that the equaliser lifts or lowers a band, in dB", ge=0, le=24)
    gain_probability: Probability = key(0.5, "chance of a changed level")
    gain_db: tuple[float, float] = key((-15.0, 6.0), "change of level in dB: lowest, highest")
    reverb_probability: Probability = key(0.2, "chance of a synthetic room's reverberation")
    reverb_seconds: tuple[float, float] = key((0.1, 0.8), "time to decay by 60 dB in seconds: shortest, longest")

    @model_validator(mode="after")
    def _ranges(self) -> AugmentationConfig:
        for name in ("noise_snr_db", "gain_db", "reverb_seconds"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} starts at {low}, above its end {high}")
        if self.reverb_seconds[0] <= 0:
            raise ValueError(f"reverb_seconds starts at {self.reverb_seconds[0]}, it must be above 0")
        return self


class AudioConfig(Section):
    """Audio and its features. A pretrained encoder brings its own feature settings, and they win."""

    sample_rate: int = key(
        16000, "samples per second of rendered audio and features", "--sample-rate", ge=8000, le=48000
    )
    n_mels: int = key(224, "mel bands", "--n-mels", ge=16, le=512)
    n_fft: int = key(2048, "samples per Fourier transform", ge=256, le=16384)
    hop_length: int = key(160, "samples from one spectrogram frame to the next", ge=32, le=4096)
    f_min: float = key(27.5, "lowest mel band's lower edge in Hz", ge=0)
    f_max: float = key(8000.0, "highest mel band's upper edge in Hz", gt=0)
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig)

    @model_validator(mode="after")
    def _ranges(self) -> AudioConfig:
        if self.f_min >= self.f_max:
            raise ValueError(f"f_min {self.f_min} is not below f_max {self.f_max}")
        if self.f_max > self.sample_rate / 2:
            raise ValueError(f"f_max {self.f_max} is above half of sample_rate {self.sample_rate}; lower audio.f_max")
        if self.hop_length > self.n_fft:
            raise ValueError(
                f"hop_length {self.hop_length} is longer than n_fft {self.n_fft}: samples would be skipped"
            )
        return self


class ModelConfig(Section):
    """The network: an Audio Spectrogram Transformer encoder and a Transformer decoder."""

    encoder_name: str = key(
        SCRATCH, "'scratch', a Hugging Face id of an AST, or a folder made by save_pretrained", "--encoder",
        min_length=1,
    )  # fmt: skip
    freeze_encoder: bool = key(False, "train the decoder alone", "--freeze-encoder")
    hidden_size: int = key(768, "width of the decoder", "--hidden-size", ge=32, le=4096)
    num_decoder_layers: int = key(6, "layers of the decoder", "--num-decoder-layers", ge=1, le=48)
    num_decoder_heads: int = key(8, "attention heads per decoder layer", ge=1, le=64)
    dropout: float = key(0.1, "dropout in the decoder and in a scratch encoder", ge=0, lt=1)
    window_seconds: float | None = key(
        None, "seconds of audio seen at once; null means the encoder's own", gt=0.2, le=60
    )
    encoder_hidden_size: int = key(256, "width of a scratch encoder", ge=32, le=4096)
    num_encoder_layers: int = key(4, "layers of a scratch encoder", ge=1, le=48)
    num_encoder_heads: int = key(4, "attention heads per layer of a scratch encoder", ge=1, le=64)
    patch_size: int = key(16, "frames and mel bands per patch of a scratch encoder", ge=2, le=128)
    frequency_stride: int = key(16, "mel bands from one patch of a scratch encoder to the next", ge=1, le=128)
    time_stride: int = key(8, "frames from one patch of a scratch encoder to the next", ge=1, le=128)
    frame_seconds: float = key(
        0.02, "seconds per frame that the decoder predicts, rounded to fit the strides", ge=0.005, le=0.1
    )
    device: str = key(
        "auto", "'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'", "--device", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$"
    )

    @model_validator(mode="after")
    def _shapes(self) -> ModelConfig:
        for size, heads in (("hidden_size", "num_decoder_heads"), ("encoder_hidden_size", "num_encoder_heads")):
            if getattr(self, size) % getattr(self, heads):
                raise ValueError(f"{size} {getattr(self, size)} is no multiple of {heads} {getattr(self, heads)}")
        if self.encoder_name == SCRATCH and self.freeze_encoder:
            raise ValueError(
                "freeze_encoder true with encoder_name 'scratch' would freeze random weights; "
                "set freeze_encoder false or name a pretrained encoder"
            )
        return self


class TrainingConfig(Section):
    """The training loop."""

    batch_size: int = key(16, "windows per step and process", "--batch-size", ge=1)
    num_epochs: int = key(50, "passes over the training split", "--epochs", ge=1)
    learning_rate: float = key(1e-4, "peak learning rate of AdamW", "--lr", gt=0, le=1)
    warmup_steps: int = key(200, "steps from a learning rate of 0 to the peak", "--warmup-steps", ge=0)
    weight_decay: float = key(0.01, "AdamW's weight decay", ge=0, lt=1)
    gradient_accumulation_steps: int = key(1, "batches per optimizer step", "--gradient-accumulation-steps", ge=1)
    max_grad_norm: float = key(1.0, "gradients are clipped to this norm", gt=0)
    use_mixed_precision: bool = key(True, "bf16 autocast", "--no-mixed-precision")
    early_stopping_patience: int = key(10, "epochs without a better validation loss before stopping", ge=1)
    keep_checkpoints: int = key(2, "newest checkpoints to keep", ge=1)
    num_processes: int = key(1, "training processes, one per GPU or CPU share", ge=1, le=64)
    num_workers: int = key(0, "loader processes; 0 loads in the training process", "--num-workers", ge=0, le=256)
    seed: int = key(42, "seed of weights, data order, windows, augmentation and dropout", "--seed", ge=0, lt=2**32)
    resume: str | None = key(None, "checkpoint folder to continue from", "--resume")
    trackers: list[Literal["tensorboard", "wandb"]] = key(["tensorboard"], "where curves are logged besides the files")


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
    onset_threshold: Probability = key(0.25, "onset probability from which a note is written")
    frame_threshold: Probability = key(0.4, "probability below which a sounding note has ended")
    batch_size: int = key(16, "windows transcribed at once", ge=1)
    model_path: str | None = key(None, "model folder to evaluate; null means the run's own", "--model-path")
    midi: list[str] = key([], "MIDI files to render and score; 'bwv846' is built in", "--midi")
    audio: list[str] = key([], "recordings to score, one for each file under midi", "--audio")
    visualizations: VisualizationsConfig = Field(default_factory=VisualizationsConfig)

    @model_validator(mode="after")
    def _pairs(self) -> EvaluationConfig:
        if self.audio and len(self.audio) != len(self.midi):
            raise ValueError(
                f"audio names {len(self.audio)} recordings and midi {len(self.midi)} files; give one MIDI file "
                "with the true notes for each recording"
            )
        return self


class OutputConfig(Section):
    """Where a run lives: `<output_dir>/<name>/`."""

    name: str = key("default", "name of the run", "--name", pattern=r"^[\w][\w.\- ]*$", max_length=100)
    output_dir: str = key("runs", "folder of all runs", "--output-dir", min_length=1)
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
        """Folder of the dataset and its manifests."""
        return self.run_dir / "data"

    @property
    def results(self) -> Path:
        """Folder of the evaluation's reports and plots."""
        return self.run_dir / "results"


class Config(Section):
    """Everything a run needs."""

    dataset: DatasetConfig = Field(default_factory=DatasetConfig)
    audio: AudioConfig = Field(default_factory=AudioConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    output: OutputConfig = Field(default_factory=OutputConfig)

    @model_validator(mode="after")
    def _patches(self) -> Config:
        model, audio = self.model, self.audio
        if model.encoder_name == SCRATCH:
            if audio.n_mels < model.patch_size:
                raise ValueError(f"audio.n_mels {audio.n_mels} is less than model.patch_size {model.patch_size}")
            frames = (model.window_seconds or SCRATCH_WINDOW_S) * audio.sample_rate / audio.hop_length
            if frames < model.patch_size:
                raise ValueError(f"model.window_seconds gives {frames:.0f} frames, fewer than model.patch_size")
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
            raise InputError(f"{source}: {_sentence(error)}", usage=True) from None

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


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a YAML mapping. Raises InputError (usage) if the file is missing, no YAML, or no mapping."""
    path = Path(path)
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such config file.", usage=True) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).", usage=True) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise InputError(f"{path}: not valid YAML{line}.", usage=True) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: holds a {type(loaded).__name__}, not sections like 'dataset:'.", usage=True)
    return loaded


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, mapping by mapping; lists and values are replaced whole."""
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def _sentence(error: ValidationError) -> str:
    """All problems of a validation as one sentence."""
    return "; ".join(_problem(detail) for detail in error.errors()) + "."


def _problem(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{place}'{_nearest(detail['loc'])}"
    if detail["type"] == "value_error":  # raised by the validators above, which name the keys themselves
        return f"{place}: {detail['ctx']['error']}" if place else str(detail["ctx"]["error"])
    return f"{place} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _nearest(location: tuple[Any, ...]) -> str:
    """A hint with the known key that looks most like an unknown one."""
    import difflib

    section: type[BaseModel] = Config
    for part in location[:-1]:
        annotation = section.model_fields[part].annotation
        section = annotation if isinstance(annotation, type) else get_args(annotation)[0]
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f" (known: {', '.join(section.model_fields)})"
