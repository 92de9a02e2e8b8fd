"""How one piece of a dataset comes to be: its music, its piano, its sound; from a seed alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from platformdirs import user_cache_path

from s2s_lib.compose import compose
from s2s_lib.config import Config, DatasetConfig
from s2s_lib.data.audio import level_gain
from s2s_lib.data.library import Library, MidiFile
from s2s_lib.notes import Performance, Piece
from s2s_lib.pianos import Piano, draw_piano
from s2s_lib.progress import Progress
from s2s_lib.render import TAIL_S, fluidsynth_version, render
from s2s_lib.soundfonts import Soundfont, read_soundfont, split_soundfonts
from s2s_lib.strings import modelled_piano
from s2s_lib.variation import vary

VERSION = 6  # raise when composing or rendering changes, so that old files are not taken for new ones
TRAIN = "train"
# generators of their own: one choice must not change another, so the same music can be heard on another piano
MUSIC, PIANO, VARIATION, SOURCE = range(4)


@dataclass(frozen=True)
class Take:
    """A piece, the piano that plays it (None where nothing is rendered) and the length of the recording."""

    piece: Piece
    piano: Piano | None
    duration_s: float

    def waveform(self, performance: Performance, sample_rate: int) -> np.ndarray:
        """`performance`, which is the piece's own as a file tells it, on this take's piano: float32 (samples,).

        Its peak is at the level to which recordings are brought before they are transcribed.
        """
        assert self.piano is not None, "a take without a piano has no sound"
        sound = render(performance, self.piano, sample_rate, self.duration_s)
        return sound * level_gain(float(np.abs(sound).max(initial=0)))


@dataclass(frozen=True)
class Recipe:
    """All that makes one sample; the same recipe gives the same take."""

    seed: tuple[int, ...]
    training: bool
    dataset: DatasetConfig
    fonts: tuple[Soundfont, ...]
    midi: MidiFile | None

    def take(self) -> Take:
        """Composes the piece or cuts it from its MIDI file, varies it if it is to train on, and draws its piano."""
        dataset, limits = self.dataset, (self.dataset.min_duration, self.dataset.max_duration)
        if self.midi is None:
            piece = compose(self._rng(MUSIC), dataset)
        else:
            piece = self.midi.excerpt(self._rng(MUSIC), dataset)
        if self.training:
            piece = vary(self._rng(VARIATION), piece, dataset.variation, limits)
        altered = self.training and dataset.piano.randomize
        piano = draw_piano(self._rng(PIANO), self.fonts, dataset.piano, altered) if self.fonts else None
        return Take(piece, piano, round(min(piece.performance.end_s + TAIL_S, dataset.max_duration), 4))

    def digest(self, sample_rate: int) -> str:
        """Eight hex digits that change with anything that would change the sample."""
        shas = [font.sha256 for font in self.fonts]
        made_of = [VERSION, self.seed, self.training, sample_rate, shas, self.midi and self.midi.sha256]
        made_of += [self.dataset.model_dump_json(exclude=NO_INFLUENCE), fluidsynth_version() if shas else ""]
        return hashlib.sha256(repr(made_of).encode()).hexdigest()[:8]

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng((*self.seed, purpose))


# keys that say which samples there are or where they are made, not what one of them is like
NO_INFLUENCE = {
    "samples", "stream", "train_split", "val_split", "soundfonts", "test_soundfonts", "midi_dir", "midi_share",
    "reference_midi", "num_workers", "backend", "scheduler",
}  # fmt: skip


class Studio:
    """Where the recipes of a dataset are written: the pianos of each split and the library of MIDI files.

    Raises InputError for a soundfont or a MIDI folder that is of no use.
    """

    def __init__(self, config: Config):
        dataset = self.dataset = config.dataset
        self._fonts: tuple[Soundfont, ...] = ()
        self._test_fonts: tuple[Soundfont, ...] = ()
        if dataset.synthesize_audio:
            self._fonts, held_out = split_soundfonts(dataset.soundfonts, dataset.test_soundfonts)
            self._test_fonts = held_out or self._fonts
        self._modelled = self._model_pianos()
        self.library = None
        if dataset.midi_dir is not None:
            self.library = Library.scan(dataset)

    @property
    def heard(self) -> tuple[Soundfont, ...]:
        """All soundfonts that training pieces are played on."""
        return (*self._fonts, *self._modelled)

    def recipe(self, split: str, seed: tuple[int, ...]) -> Recipe:
        """The recipe of a split's sample with this seed."""
        rng = np.random.default_rng((*seed, SOURCE))
        midi = None
        if self.library is not None and rng.random() < self.dataset.midi_share:
            midi = self.library.draw(rng, split)
        fonts = self._test_fonts if split == "test" else self._fonts
        if split == TRAIN and self._modelled and rng.random() < self.dataset.piano.modelled_probability:
            fonts = self._modelled
        return Recipe(seed, split == TRAIN, self.dataset, fonts, midi)

    def _model_pianos(self) -> tuple[Soundfont, ...]:
        """The string model's pianos, made on first use and kept in the user's cache folder, 17 MB each."""
        count = self.dataset.piano.modelled_pianos if self._fonts else 0
        if not count:
            return ()
        folder, pianos = user_cache_path("sound2sheet") / "pianos", []
        with Progress(count, "modelling pianos", "piano") as progress:
            for number in range(count):
                pianos.append(read_soundfont(modelled_piano(self.dataset.seed + number, folder)))
                progress.advance()
        return tuple(pianos)
