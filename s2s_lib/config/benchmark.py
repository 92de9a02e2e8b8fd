"""The benchmark against other tools."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from s2s_lib.config.base import Section, key

PeerName = Literal["transkun", "basic-pitch"]


class BenchmarkConfig(Section):
    """What the tools are given to transcribe, which tools run beside ours, and how their scores are told."""

    model_path: str | None = key(
        None, "model folder to measure; null means the weights that come with the package", "--benchmark-model"
    )
    midi_dir: str | None = key(
        None, "folder of MIDI files to render; null means piano music of music21's corpus", "--benchmark-midi"
    )
    pieces: int = key(16, "most pieces to take", ge=1, le=10000)
    seconds: float = key(30.0, "how much of the beginning of each piece is played", ge=2, le=3600)
    soundfont: str | None = key(
        None, "soundfont file or 'embedded'; null means an installed one that the model's training never heard",
        "--benchmark-soundfont",
    )  # fmt: skip
    renderer: Literal["library", "program"] = key(
        "library", "'library' plays through FluidSynth's library, 'program' runs the fluidsynth program"
    )
    peers: list[PeerName] = key(["transkun", "basic-pitch"], "tools to run beside ours, where they are installed")
    peers_dir: str = key(
        "~/.cache/sound2sheet/peers", "folder of their virtual environments, made by s2s bench --install-peers",
        min_length=1,
    )  # fmt: skip
    num_threads: int = key(1, "processor threads that each tool may use", ge=1, le=256)
    resamples: int = key(2000, "bootstrap resamples behind each confidence interval", ge=100, le=100000)
    confidence: float = key(0.95, "level of the confidence intervals", gt=0.5, lt=1)
    seed: int = key(42, "seed of interpretations, noise, rooms and resamples", ge=0, lt=2**32)
    robustness_pieces: int = key(4, "pieces that the robustness curves are made of; 0 for none", ge=0, le=10000)
    noise_snr_db: list[float] = key([40.0, 30.0, 20.0, 10.0, 0.0], "signal-to-noise ratios of added pink noise, in dB")
    reverb_seconds: list[Annotated[float, Field(ge=0.1, le=10)]] = key(
        [0.3, 0.8, 1.5, 3.0], "rooms by the time in which their sound decays by 60 dB, in seconds"
    )
    detune_cents: list[Annotated[float, Field(ge=-100, le=100)]] = key(
        [-50.0, -25.0, -10.0, 10.0, 25.0, 50.0], "how far the whole piano is tuned off, in cents"
    )
    gain_db: list[Annotated[float, Field(ge=-90, le=24)]] = key(
        [-48.0, -36.0, -24.0, -12.0, 6.0], "changes of loudness in dB; never beyond full scale"
    )
