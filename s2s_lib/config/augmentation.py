"""Random changes to rendered audio."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from s2s_lib.config.base import Probability, Range, Section, key
from s2s_lib.config.limits import within

NoiseKind = Literal["white", "pink", "hum", "hiss"]
CodecFormat = Literal["mp3", "opus"]
Weight = Annotated[float, Field(ge=0)]


def _drawable(weights: dict[Any, float]) -> dict[Any, float]:
    if not sum(weights.values()):
        raise ValueError("needs at least one weight above 0")
    return weights


NoiseKinds = Annotated[dict[NoiseKind, Weight], AfterValidator(_drawable)]
CodecFormats = Annotated[dict[CodecFormat, Weight], AfterValidator(_drawable)]


class AugmentationConfig(Section):
    """Random changes to the audio a model trains on; each is drawn per training window."""

    enabled: bool = key(True, "augment the training audio", "--no-augmentation")
    clean_probability: Probability = key(0.2, "share of the windows left as they are; the others draw every effect")

    eq_probability: Probability = key(0.4, "chance of a random seven-band equaliser")
    eq_gain_db: float = key(8.0, "most that the equaliser lifts or lowers a band, in dB", ge=0, le=24)

    reverb_probability: Probability = key(0.3, "chance of a room's reverberation")
    reverb_seconds: Annotated[Range, within(0.1, 10.0)] = key(
        (0.15, 1.2), "time in which a synthetic room's sound decays by 60 dB, in seconds: shortest, longest"
    )
    reverb_direct_db: Annotated[Range, within(-3.0, 40.0)] = key(
        (0.0, 18.0), "direct sound over a synthetic room's reverberation in dB: farthest, nearest microphone"
    )
    reverb_dir: str | None = key(None, "folder of recorded impulse responses, used beside the synthetic rooms")
    reverb_dir_share: Probability = key(0.5, "share of the rooms taken from reverb_dir, if it is given")

    noise_probability: Probability = key(0.4, "chance of added noise")
    noise_snr_db: Annotated[Range, within(-5.0, 90.0)] = key(
        (12.0, 45.0), "signal-to-noise ratio in dB: lowest, highest"
    )
    noise_kinds: NoiseKinds = Field(
        default_factory=lambda: {"white": 1.0, "pink": 2.0, "hum": 1.0, "hiss": 1.0},
        description="kinds of synthetic noise and how often each is drawn",
    )
    noise_dir: str | None = key(None, "folder of recorded noise, used beside the synthetic kinds")
    noise_dir_share: Probability = key(0.5, "share of the noise taken from noise_dir, if it is given")

    microphone_probability: Probability = key(0.3, "chance of a microphone's colour")
    microphone_low_hz: Annotated[Range, within(5.0, 500.0)] = key(
        (20.0, 150.0), "frequency in Hz below which the microphone hears little: lowest, highest"
    )
    microphone_high_hz: Annotated[Range, within(1000.0, 24000.0)] = key(
        (4000.0, 16000.0), "frequency in Hz above which the microphone hears little: lowest, highest"
    )
    microphone_resonance_db: float = key(
        6.0, "most that a resonance or the proximity of the microphone lifts or lowers, in dB", ge=0, le=24
    )

    compression_probability: Probability = key(0.15, "chance of a compressed dynamic range")
    compression_ratio: Annotated[Range, within(1.0, 50.0)] = key(
        (1.5, 6.0), "dB of input for one dB of output above the threshold: gentlest, hardest"
    )
    compression_threshold_db: Annotated[Range, within(-60.0, 0.0)] = key(
        (-35.0, -12.0), "threshold of the compression in dB of the window's peak: lowest, highest"
    )
    compression_ms: Annotated[Range, within(1.0, 1000.0)] = key(
        (5.0, 100.0), "time in which the compression follows the level in milliseconds: fastest, slowest"
    )

    clipping_probability: Probability = key(0.04, "chance of overdriven, clipped audio, softly or hard")
    clipping_db: Annotated[Range, within(0.0, 30.0)] = key(
        (1.0, 9.0), "how far the peaks are driven over the limit in dB: least, most"
    )

    gain_probability: Probability = key(0.4, "chance of a changed level")
    gain_db: Annotated[Range, within(-60.0, 40.0)] = key(
        (-18.0, 6.0), "change of level in dB, up to full scale at most: lowest, highest"
    )

    phone_probability: Probability = key(0.04, "chance of a telephone's band limits")
    phone_low_hz: Annotated[Range, within(20.0, 1000.0)] = key(
        (200.0, 400.0), "lower limit of the telephone's band in Hz: lowest, highest"
    )
    phone_high_hz: Annotated[Range, within(1500.0, 24000.0)] = key(
        (2800.0, 3600.0), "upper limit of the telephone's band in Hz: lowest, highest"
    )

    codec_probability: Probability = key(0.06, "chance of a low-bit-rate codec")
    codec_kbps: Annotated[Range, within(8.0, 320.0)] = key(
        (12.0, 64.0), "bit rate of the codec in kbit/s: lowest, highest"
    )
    codec_formats: CodecFormats = Field(
        default_factory=lambda: {"mp3": 4.0, "opus": 1.0},
        description="codecs and how often each is drawn",
    )
