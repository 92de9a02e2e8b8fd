"""How far a recording is from its MIDI file, and whether it is of the same notes.

The offset comes from onsets: the recording's spectral flux (Dixon, Onset detection revisited, DAFx 2006), half an
octave to a band, is correlated with what the MIDI file's onsets would give in the same bands. That the notes are the
same is then told from the pitch classes that sound: other music in the same tempo has the rhythm but not the harmony.
At most three stretches are read, however long the files are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import gaussian_filter1d

from s2s_lib.smf import Music

RATE = 16000
HOP = 80  # 5 ms
WINDOW = 1024  # 64 ms; semitones of the middle octaves are not told apart, half octaves are
STRETCH_S = 15.0
REACH_S = 20.0  # offsets are looked for up to here
BANDS_HZ = 55 * 2 ** (np.arange(15) / 2)  # edges, 55 Hz to 7 kHz
PARTIALS = (1.0, 0.6, 0.4, 0.3, 0.2)  # a string's partials, how much each adds to its band
BLUR_S = 0.01
PEAK_SHARE = 0.8  # of the highest correlation; as high are the places that are looked at
MATCH_SHARE = 0.9  # of the best place's clarity times likeness; what has less is no match


LONG_WINDOW = 4096  # 0.26 s, which tells semitones apart from 100 Hz up
LONG_HOP = 800  # 50 ms
SILENT_SHARE = 0.03  # of the loudest frame's level; what is softer is not compared
RINGING_S = 0.3  # a string is heard so long after its key is up
UNCLEAR, UNLIKE = 0.15, 0.35  # clarity or likeness below these means that the recording is of something else


@dataclass(frozen=True)
class Offset:
    """By how much the audio comes after its MIDI in a stretch of the MIDI file: seconds, negative for before.

    `clarity` is the correlation of onsets there, `likeness` that of pitch classes. Performances and scores rendered on
    three soundfonts, moved by 0, 0.35 and -0.5 s, gave offsets within 12 ms of the truth, clarities from 0.18 and
    likenesses from 0.48; other music gave 0.19 and 0.7 at most, and never both above the limits.
    """

    at_s: float
    offset_s: float
    clarity: float
    likeness: float

    @property
    def match(self) -> float:
        """How well the place fits, to compare it with others."""
        return max(0.0, self.clarity) * max(0.0, self.likeness)

    @property
    def sure(self) -> bool:
        """Whether the recording is of these notes."""
        return self.clarity >= UNCLEAR and self.likeness >= UNLIKE


def offsets(music: Music, read: Callable[[float, float], np.ndarray]) -> list[Offset]:
    """The offset at the start, in the middle and at the end of a pair, as far as they are apart.

    `read(start_s, seconds)` gives the recording, mono at 16 kHz, with zeros where it has none.
    """
    return [_offset(music, start_s, read) for start_s in _stretches(music)]


def _stretches(music: Music) -> list[float]:
    """Where to look: starts of up to three stretches."""
    first, last = float(music.onset_s[0]), float(music.onset_s[-1])
    room = last - STRETCH_S + 0.1 - first
    if room <= STRETCH_S / 2:
        return [first]
    middle = float(music.onset_s[len(music) // 2])
    starts = {first, first + room} if room < 2 * STRETCH_S else {first, min(middle, first + room), first + room}
    return sorted(starts)


def _offset(music: Music, start_s: float, read: Callable[[float, float], np.ndarray]) -> Offset:
    chosen = (music.onset_s >= start_s) & (music.onset_s < start_s + STRETCH_S)
    waveform = read(start_s - REACH_S, STRETCH_S + 2 * REACH_S)
    flux = _flux(waveform)  # (bands, frames); frame k is the rise from the window centred at hop k to that at k + 2
    template = _template(music, chosen, start_s)
    lags = flux.shape[1] - template.shape[1] + 1
    size = next_fast_len(flux.shape[1])
    products = rfft(flux, size) * rfft(template, size).conj()
    score = irfft(products.sum(axis=0), size)[:lags]
    energy = np.concatenate(([0.0], np.cumsum((flux**2).sum(axis=0))))
    heard = energy[template.shape[1] :][:lags] - energy[: -template.shape[1]][:lags]  # of the flux under the template
    score /= np.linalg.norm(template) * np.sqrt(heard + 1e-3 * heard.max() + 1e-9)
    heard, told = _heard(waveform), _told(music, start_s)
    found = []
    for peak in _peaks(score):
        place_s = ((peak + _vertex(score[peak - 1 : peak + 2])) * HOP + WINDOW / 2 + HOP) / RATE  # in the waveform
        likeness = _likeness(heard[:, round(place_s * RATE / LONG_HOP) :][:, : told.shape[1]], told)
        found.append(Offset(start_s, float(place_s) - REACH_S, float(score[peak]), likeness))
    # music that repeats itself matches at more places than one; the nearest of them is meant
    enough = MATCH_SHARE * max(offset.match for offset in found)
    return min((offset for offset in found if offset.match >= enough), key=lambda offset: abs(offset.offset_s))


def _peaks(score: np.ndarray) -> np.ndarray:
    """Lags of the highest local maxima."""
    middle = score[1:-1]
    tops = (middle >= score[:-2]) & (middle > score[2:]) & (middle >= PEAK_SHARE * middle.max())
    return 1 + np.flatnonzero(tops) if tops.any() else np.array([1 + int(np.argmax(middle))])


def _flux(waveform: np.ndarray) -> np.ndarray:
    """Rise of the level over two hops in each band, (bands, frames), each band with mean 0 and deviation 1."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]
    edges = np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / RATE), BANDS_HZ)
    window = np.hanning(WINDOW).astype(np.float32)
    power = np.concatenate(
        [
            np.add.reduceat(np.abs(rfft(frames[at : at + 1000] * window, axis=1)) ** 2, edges[:-1], axis=1)
            for at in range(0, len(frames), 1000)
        ]
    )
    level = np.log(power + 1e-6 * power.max() + 1e-12)
    flux = np.maximum(level[2:] - level[:-2], 0).T
    flux -= flux.mean(axis=1, keepdims=True)
    return flux / (flux.std(axis=1, keepdims=True) + 1e-9)


def _template(music: Music, chosen: np.ndarray, start_s: float) -> np.ndarray:
    """What the notes' onsets add to each band, (bands, frames) with mean 0; frame k is at `start_s` + k hops."""
    template = np.zeros((len(BANDS_HZ) - 1, round(STRETCH_S * RATE / HOP)))
    frame = np.round((music.onset_s[chosen] - start_s) * RATE / HOP).astype(int)
    pitch_hz = 440 * 2 ** ((music.pitch[chosen] - 69) / 12)
    loudness = np.sqrt(music.velocity[chosen] / 127)
    inside = frame < template.shape[1]
    for partial, weight in enumerate(PARTIALS, 1):
        band = np.searchsorted(BANDS_HZ, pitch_hz * partial) - 1
        heard = inside & (band >= 0) & (band < len(template))
        np.add.at(template, (band[heard], frame[heard]), weight * loudness[heard])
    template = gaussian_filter1d(np.minimum(template, 1.0), BLUR_S * RATE / HOP, axis=1, mode="constant")
    return template - template.mean(axis=1, keepdims=True)


def _vertex(heights: np.ndarray) -> float:
    """Where the parabola through three points one apart has its top, from the middle one."""
    left, middle, right = heights
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(0.5 * (left - right) / bend)


def _heard(waveform: np.ndarray) -> np.ndarray:
    """How much of each pitch class is heard: (12, frames); a frame that is nearly silent is 0."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, LONG_WINDOW)[::LONG_HOP]
    window = np.hanning(LONG_WINDOW).astype(np.float32)
    frequencies = np.fft.rfftfreq(LONG_WINDOW, 1 / RATE)
    pitched = (frequencies > 100) & (frequencies < 2000)
    classes = np.round(69 + 12 * np.log2(frequencies[pitched] / 440)).astype(int) % 12
    level = np.sqrt(
        np.concatenate(
            [np.abs(rfft(frames[at : at + 100] * window, axis=1))[:, pitched] for at in range(0, len(frames), 100)]
        )
    )
    chroma = np.stack([level[:, classes == number].mean(axis=1) for number in range(12)])
    return chroma * (chroma.sum(axis=0) > SILENT_SHARE * chroma.sum(axis=0).max())


def _told(music: Music, start_s: float) -> np.ndarray:
    """How much of each pitch class sounds by the notes of a stretch: (12, frames) at the same times as `_heard`."""
    times_s = start_s + (np.arange(0, STRETCH_S * RATE - LONG_WINDOW, LONG_HOP) + LONG_WINDOW / 2) / RATE
    near = (music.offset_s > start_s - RINGING_S) & (music.onset_s < start_s + STRETCH_S)
    sounding = (times_s > music.onset_s[near, None]) & (times_s < music.offset_s[near, None] + RINGING_S)
    told = np.zeros((12, len(times_s)))
    np.add.at(told, music.pitch[near] % 12, sounding * np.sqrt(music.velocity[near, None]))
    return told


def _likeness(heard: np.ndarray, told: np.ndarray) -> float:
    """Correlation of two chromagrams, each frame's shares of the pitch classes less their mean."""
    heard = np.pad(heard, ((0, 0), (0, told.shape[1] - heard.shape[1])))
    loud = heard.any(axis=0)
    heard, told = _relative(heard[:, loud]), _relative(told[:, loud])
    return float((heard * told).sum() / (np.linalg.norm(heard) * np.linalg.norm(told) + 1e-9))


def _relative(chroma: np.ndarray) -> np.ndarray:
    """Each frame's shares of the twelve classes, less their mean; a frame without any is 0."""
    total = chroma.sum(axis=0)
    return np.where(total > 0, chroma / (total + 1e-9) - 1 / 12, 0.0)
