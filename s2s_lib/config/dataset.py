"""What music is composed, on what pianos it is played and how it is split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from s2s_lib.config.base import Probability, Section, key
from s2s_lib.config.piano import PianoConfig
from s2s_lib.config.variation import VariationConfig

Complexity = Literal["simple", "medium", "complex"]
MAJOR_KEYS = ("C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F")
MINOR_KEYS = ("Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "Bbm", "Fm", "Cm", "Gm", "Dm")
KeySignature = Literal[
    "C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F",
    "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "Bbm", "Fm", "Cm", "Gm", "Dm",
]  # fmt: skip
TimeSignature = Literal["2/4", "3/4", "4/4", "6/8"]
EMBEDDED_SOUNDFONT = "embedded"  # the TimGM6mb.sf2 inside pretty_midi
SYSTEM_SOUNDFONTS = "system"  # all that are installed on this machine
MOST_NOTES_PER_SECOND = 40  # beyond this even a tremolo of ten fingers is noise


class DatasetConfig(Section):
    """What music is composed and how it is played and split."""

    samples: int = key(1000, "pieces in the dataset, all splits together", "--samples", ge=1)
    stream: bool = key(
        False, "train on pieces made afresh while training; samples then counts the pieces of an epoch", "--stream"
    )
    complexity: Complexity = key("medium", "how hard the composed music is", "--complexity")
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
    midi_dir: str | None = key(None, "folder of MIDI files whose music is used beside the composed", "--midi-dir")
    midi_share: Probability = key(0.5, "share of the pieces taken from midi_dir", "--midi-share")
    reference_midi: str | None = key(
        None, "folder of MIDI files beside whose music the report sets this dataset's", "--reference-midi"
    )
    variation: VariationConfig = Field(default_factory=VariationConfig)
    train_split: Probability = key(0.8, "share of the pieces to train on")
    val_split: Probability = key(0.1, "share of the pieces to validate on; the rest is the test split")
    synthesize_audio: bool = key(True, "render the pieces to audio; without it only MIDI is written")
    soundfonts: list[str] = key(
        [EMBEDDED_SOUNDFONT],
        "soundfont files, folders of them, 'embedded' (comes with the package) or 'system' (all that are installed)",
        "--soundfont",
        min_length=1,
    )
    test_soundfonts: list[str] = key(
        [], "pianos that training never hears, for the test split alone; none means the same as training",
        "--test-soundfont",
    )  # fmt: skip
    piano: PianoConfig = Field(default_factory=PianoConfig)
    seed: int = key(42, "seed of all random choices", "--seed", ge=0, lt=2**32)
    num_workers: int = key(0, "processes that compose and render; 0 takes every core", "--num-workers", ge=0, le=256)
    backend: Literal["local", "dask"] = key("local", "where pieces are made: this machine or a Dask cluster")
    scheduler: str | None = key(None, "address of the Dask cluster's scheduler, such as tcp://host:8786")

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
        if (self.backend == "dask") != (self.scheduler is not None):
            raise ValueError("backend 'dask' and scheduler belong together; give both or neither")
        return self

    def shares(self) -> dict[str, float]:
        """The share of all pieces that each split gets."""
        test = 1 - self.train_split - self.val_split
        return {"train": self.train_split, "val": self.val_split, "test": test if test > 1e-9 else 0.0}

    def split_sizes(self) -> dict[str, int]:
        """Pieces per split; a split with a share of its own gets at least one piece when there are three or more."""
        shares = self.shares()
        sizes = {name: int(share * self.samples + 0.5) for name, share in shares.items() if name != "train"}
        if self.samples >= 3:
            sizes = {name: max(size, int(shares[name] > 0)) for name, size in sizes.items()}
        return {"train": max(0, self.samples - sum(sizes.values())), **sizes}
