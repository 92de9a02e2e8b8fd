"""What an evaluation is given to transcribe, and what was really played in it.

Three sources of truth: the run's own test split, MIDI files rendered here, and recordings with their MIDI files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from s2s_lib.compose import bwv846
from s2s_lib.config import Config
from s2s_lib.data import check_dataset, load_manifests, read_audio
from s2s_lib.errors import InputError
from s2s_lib.notes import Performance, read_midi
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import Soundfont, find_soundfonts

TEST_SPLIT, MIDI, RECORDING = "test split", "midi", "recording"
BUILT_IN = {"bwv846": lambda: bwv846().performance}


@dataclass(frozen=True, eq=False)
class Source:
    """One piece of audio and the notes that were played in it; the audio is read when asked for.

    `piano` is the soundfont's file name, empty for a recording, and `piano_sha256` tells it from others.
    """

    id: str
    kind: str  # "test split", "midi" or "recording"
    ref: Performance
    sample_rate: int
    waveform: Callable[[], np.ndarray] = field(repr=False)
    piano: str = ""
    piano_sha256: str = ""


def find_sources(config: Config) -> list[Source]:
    """Everything the config asks to evaluate, named by file name where that tells them apart, else by path.

    Raises InputError if there is nothing, or if a file can't be read.
    """
    sources = _test_split(config)
    if config.evaluation.audio:
        pairs = zip(config.evaluation.audio, config.evaluation.midi, strict=True)
        sources += [_recording(audio, midi, config) for audio, midi in pairs]
    elif config.evaluation.midi:
        fonts = find_soundfonts(config.dataset.test_soundfonts, "dataset.test_soundfonts")
        fonts = fonts or find_soundfonts(config.dataset.soundfonts, "dataset.soundfonts")[:1]
        sources += [_rendered(name, font, config, len(fonts) > 1) for name in config.evaluation.midi for font in fonts]
    if not sources:
        raise InputError(
            f"{config.output.data}: holds no test split to evaluate; generate a dataset first (s2s generate), or name "
            "MIDI files with --midi FILE ('bwv846' is built in), or recordings with --audio FILE --midi FILE."
        )
    names = Counter(Path(source.id).name for source in sources)
    return [replace(s, id=Path(s.id).name) if names[Path(s.id).name] == 1 else s for s in sources]


def _test_split(config: Config) -> list[Source]:
    """The test split of the run's dataset; nothing if there is no dataset."""
    if not (config.output.data / "test_manifest.json").is_file():
        return []
    manifests = load_manifests(config.output.data)
    check_dataset(manifests, config)
    samples = manifests["test"].samples
    silent = [sample.id for sample in samples if sample.audio is None]
    if silent:
        raise InputError(
            f"{config.output.data}: the dataset was made without audio (dataset.synthesize_audio false), so there is "
            "nothing to transcribe; generate it with audio under another --name."
        )
    return [
        Source(s.id, TEST_SPLIT, s.performance(), s.sample_rate, s.waveform, s.soundfont, s.soundfont_sha256)
        for s in samples
    ]


def _rendered(name: str, font: Soundfont, config: Config, tell_piano: bool) -> Source:
    """A MIDI file, or a piece that is built in, played on a soundfont's piano as it is, without effects."""
    ref, rate = BUILT_IN[name]() if name in BUILT_IN else read_midi(name), config.audio.sample_rate
    piano = Piano.plain(font)
    id_ = f"{name} on {font.name}" if tell_piano else name
    return Source(id_, MIDI, ref, rate, lambda: render(ref, piano, rate), font.name, font.sha256)


def _recording(audio: str, midi: str, config: Config) -> Source:
    """A recording and the MIDI file of what was played in it, both starting at the same moment."""
    ref = BUILT_IN[midi]() if midi in BUILT_IN else read_midi(midi)
    rate = config.audio.sample_rate
    seconds, last = len(read_audio(audio, rate)) / rate, ref.notes[-1].onset_s
    if last > seconds:
        raise InputError(
            f"{audio}: is {seconds:.1f} s long, but {midi} has notes until {last:.1f} s; name the MIDI file that "
            "belongs to this recording."
        )
    return Source(audio, RECORDING, ref, rate, lambda: read_audio(audio, rate))


def digest(performance: Performance) -> str:
    """Sixteen hex digits that tell what was played from anything else, to a tenth of a millisecond."""
    notes = [(round(n.onset_s, 4), round(n.offset_s, 4), n.pitch, n.velocity) for n in performance.notes]
    pedal = [(round(event.time_s, 4), event.value) for event in performance.pedal]
    return hashlib.sha256(repr((notes, pedal)).encode()).hexdigest()[:16]
