"""Low-bit-rate codecs: the sound encoded and decoded in memory, the codec's delay taken out."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from scipy.signal import correlate

from s2s_lib.augment.colour import log_uniform
from s2s_lib.config import AugmentationConfig
from s2s_lib.config.augmentation import CodecFormat

RATES = {  # sample rates that the codecs know
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "opus": (8000, 12000, 16000, 24000, 48000),
}
FILES = {"mp3": ("MP3", "MPEG_LAYER_III", "MP3"), "opus": ("OGG", "OPUS", "Opus")}  # container, coding, name
OPUS_KBPS = (6, 256)  # libsndfile's worst and best quality
MP3_KBPS = ((32000, 32, 320), (16000, 8, 160), (0, 8, 64))  # from this sample rate on: its lowest and highest
STEP_KBPS = 4  # bit rates are rounded to this, so that few delays have to be measured
WORST = 0.99  # of libsndfile's compression level; it refuses 1
PROBE_S = 0.5


@dataclass(frozen=True)
class Codec:
    """MP3 at a constant or Opus at a mean bit rate in kbit/s, as near as the codec has it."""

    format: CodecFormat
    kbps: int

    def apply(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """See chain.Effect."""
        rates = RATES[self.format]
        rate = min((known for known in rates if known >= sample_rate), default=rates[-1])
        coded = waveform if rate == sample_rate else soxr.resample(waveform, sample_rate, rate)
        decoded = coded_and_decoded(coded, rate, self.format, self.kbps)[delay(rate, self.format, self.kbps) :]
        decoded = decoded if rate == sample_rate else soxr.resample(decoded, rate, sample_rate)
        return np.pad(decoded, (0, max(0, len(waveform) - len(decoded))))[: len(waveform)]

    def __str__(self) -> str:
        return f"{FILES[self.format][2]} at {self.kbps} kbit/s"


def draw_codec(rng: np.random.Generator, settings: AugmentationConfig) -> Codec:
    """A format by its weight, a bit rate from codec_kbps."""
    weights = np.array(list(settings.codec_formats.values()))
    chosen = list(settings.codec_formats)[rng.choice(len(weights), p=weights / weights.sum())]
    return Codec(chosen, STEP_KBPS * round(log_uniform(rng, *settings.codec_kbps) / STEP_KBPS))


def coded_and_decoded(waveform: np.ndarray, sample_rate: int, codec: CodecFormat, kbps: int) -> np.ndarray:
    """The sound as it comes back from the codec, its delay included where the file does not state it."""
    file_format, subtype, _ = FILES[codec]
    lowest, highest = OPUS_KBPS
    if codec == "mp3":
        lowest, highest = next(ends for first, *ends in MP3_KBPS if sample_rate >= first)
    level = min(max((highest - kbps) / (highest - lowest), 0.0), WORST)
    mode = "CONSTANT" if codec == "mp3" else None  # Opus knows variable bit rates only
    buffer = io.BytesIO()
    soundfile.write(
        buffer, waveform, sample_rate, format=file_format, subtype=subtype, compression_level=level, bitrate_mode=mode
    )
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0]


@functools.lru_cache(maxsize=256)
def delay(sample_rate: int, codec: CodecFormat, kbps: int) -> int:
    """Samples by which the codec delays, measured by the correlation of a burst of noise with what comes back.

    libsndfile takes the delay out by itself for most bit rates, not for MP3's lowest (no room for the tag that
    states it), and versions differ, so it is measured rather than known.
    """
    probe = 0.2 * np.random.default_rng(0).standard_normal(round(PROBE_S * sample_rate)).astype(np.float32)
    heard = coded_and_decoded(probe, sample_rate, codec, kbps)
    return max(0, int(np.argmax(correlate(heard, probe, method="fft"))) - len(probe) + 1)
