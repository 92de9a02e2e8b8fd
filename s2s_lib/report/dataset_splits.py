"""How much music each split of a dataset holds, and which pianos play it: are the test pianos held out?"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.patches import Patch

from s2s_lib.config import Config
from s2s_lib.pianos import preset_shares
from s2s_lib.report.style import BLUE, GREY, ORANGE, SKY, Picture, nothing, plain
from s2s_lib.soundfonts import split_soundfonts
from s2s_lib.strings import MODELLED
from s2s_lib.wording import counted, listed, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.data import Manifest, Sample

MOST_ROWS = 24  # above that a soundfont's presets are one row, and the soundfonts with least music are put together
WIDTH_IN, ROW_IN = 5.2, 0.22  # as wide as a phone can show; a row's height
LONGEST_LABEL, MOST_NAMED = 27, 3
TICKS = (1, 2, 5, 10, 20, 50, 100)  # percent; the largest share is at least 100 over the number of rows
SILENT, RECORDED, STRINGS = "MIDI alone, no sound", "as recorded", "modelled pianos"
HEARD, HELD_OUT, OTHER = range(3)
LOOKS = {
    HEARD: {"facecolor": BLUE},
    HELD_OUT: {"facecolor": ORANGE, "hatch": "////"},
    OTHER: {"facecolor": GREY},
}
EXPECTED = {"facecolor": SKY, "hatch": "...."}


@dataclass(frozen=True)
class Played:
    """One piano: whether training hears it, its soundfont's file name, and its preset's name ("" for no preset)."""

    group: int
    soundfont: str
    preset: str = ""


@dataclass
class Split:
    """Pieces and seconds of each piano in one split; `expected` where training makes them afresh in every epoch."""

    name: str
    expected: bool = False
    pieces: Counter[Played] = field(default_factory=Counter)
    seconds: Counter[Played] = field(default_factory=Counter)

    def merged(self, names: dict[Played, Played]) -> Split:
        """The same with pianos put together under the names given."""
        merged = Split(self.name, self.expected)
        for piano, number in self.pieces.items():
            merged.pieces[names[piano]] += number
            merged.seconds[names[piano]] += self.seconds[piano]
        return merged

    @property
    def amount(self) -> str:
        """All its music in words."""
        about = "about " if self.expected else ""
        pieces, seconds = self.pieces.total(), self.seconds.total()
        return about + (f"{_length(seconds)}, " if seconds else "") + counted(round(pieces), "piece")


def splits_figure(manifests: dict[str, Manifest], config: Config) -> Picture:
    """A column for each split, a row for each piano: minutes and pieces, and their share of the split's music.

    The pianos that only the test split hears stand last, under a heading of their own. Music that training makes
    afresh is not on disk: for it stands what an epoch is expected to hold, pieces being as long as those of the other
    splits.
    """
    splits = _splits(manifests, config)
    rows = _rows(splits)
    splits = [split.merged(rows) for split in splits]
    pianos = list(dict.fromkeys(rows.values()))
    lines = _lines(pianos)
    verdict = _verdict(pianos, splits)
    amounts = "; ".join(f"{split.name}: {split.amount}" for split in splits)
    height = 2.1 + ROW_IN * max(len(lines), 2)
    picture = Picture(WIDTH_IN, height, f"{verdict} Music by split: {amounts or 'none'}")
    picture.suptitle(textwrap.fill(verdict, 52), fontsize=9, x=0.01, ha="left", weight="bold")
    if not pianos:
        nothing(picture.add_subplot(frame_on=False, xticks=[], yticks=[]))
        return picture
    axes = picture.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for ax, split in zip(axes, splits, strict=True):
        _column(ax, split, lines)
    _labels(axes[0], lines)
    look = {"loc": "outside lower center", "ncols": 2, "fontsize": 8, "frameon": False}
    picture.legend(handles=_handles(splits, pianos), title="beside each bar: length · pieces", title_fontsize=8, **look)
    return picture


def _splits(manifests: dict[str, Manifest], config: Config) -> list[Split]:
    heard = set(manifests["train"].soundfonts)
    splits = [_on_disk(name, manifest.samples, heard) for name, manifest in manifests.items()]
    if config.dataset.stream:
        splits[0] = _streamed(config, splits[1:])
    return [split for split in splits if split.pieces.total()]


def _on_disk(name: str, samples: Iterable[Sample], heard: set[str]) -> Split:
    split = Split(name)
    for sample in samples:
        piano = _piano(sample, heard)
        split.pieces[piano] += 1
        split.seconds[piano] += sample.duration_s
    return split


def _piano(sample: Sample, heard: set[str]) -> Played:
    if sample.piano is None:
        return Played(OTHER, SILENT if sample.audio is None else RECORDED)
    first = sample.piano["layers"][0]
    if first["soundfont"].startswith(MODELLED):
        return Played(HEARD, STRINGS)
    group = HEARD if first["sha256"] in heard else HELD_OUT
    return Played(group, first["soundfont"], first["preset"])


def _streamed(config: Config, others: Iterable[Split]) -> Split:
    """What an epoch is expected to hear, by the chances with which pianos are drawn."""
    dataset, split = config.dataset, Split("train", expected=True)
    pieces = dataset.split_sizes()["train"]
    known = [(other.seconds.total(), other.pieces.total()) for other in others]
    mean_s = sum(s for s, _ in known) / max(sum(n for _, n in known), 1)
    modelled = dataset.piano.modelled_probability if dataset.piano.modelled_pianos else 0.0
    heard, _ = split_soundfonts(dataset.soundfonts, dataset.test_soundfonts)
    shares = {Played(HEARD, STRINGS): modelled} if modelled else {}
    for font, preset, share in preset_shares(heard, dataset.piano):
        piano = Played(HEARD, font.name, preset.name)
        shares[piano] = shares.get(piano, 0.0) + (1 - modelled) * share
    split.pieces = Counter({piano: pieces * share for piano, share in shares.items()})
    split.seconds = Counter({piano: number * mean_s for piano, number in split.pieces.items()})
    return split


def _rows(splits: list[Split]) -> dict[Played, Played]:
    """The row of each piano, from top to bottom: its own, or if they are too many its soundfont's, or the rest's."""
    pianos = _ordered(splits)
    fonts = list(dict.fromkeys(Played(piano.group, piano.soundfont) for piano in pianos))
    if len(pianos) + len(fonts) <= MOST_ROWS:
        return {piano: piano for piano in pianos}
    kept = {font for group in LOOKS for font in [f for f in fonts if f.group == group][: MOST_ROWS // 2 - 1]}
    rest = Counter(font.group for font in fonts if font not in kept)
    names = {}
    for piano in pianos:
        font = Played(piano.group, piano.soundfont)
        names[piano] = font if font in kept else Played(piano.group, counted(rest[piano.group], "more soundfont"))
    return names


def _ordered(splits: list[Split]) -> list[Played]:
    """All pianos: those that training hears, those held out; soundfonts and their presets by how much they play."""
    fonts: Counter[tuple[int, str]] = Counter()
    presets: Counter[Played] = Counter()
    for split in splits:
        for piano, number in split.pieces.items():
            presets[piano] += number / split.pieces.total()
            fonts[piano.group, piano.soundfont] += number / split.pieces.total()

    def rank(piano: Played) -> tuple[int, float, str, float, str]:
        most = -fonts[piano.group, piano.soundfont]
        return piano.group, most, piano.soundfont, -presets[piano], piano.preset

    return sorted(presets, key=rank)


def _lines(pianos: list[Played]) -> list[tuple[str, Played | None]]:
    """Labels from top to bottom: a heading for each soundfont, which has no piano of its own, and its presets."""
    lines: list[tuple[str, Played | None]] = []
    font = None
    for piano in pianos:
        if piano.preset and font != (piano.group, piano.soundfont):
            lines.append((piano.soundfont, None))
        font = piano.group, piano.soundfont
        lines.append((piano.preset or piano.soundfont, piano))
    return lines


def _column(ax: Axes, split: Split, lines: list[tuple[str, Played | None]]) -> None:
    """A split's bars, as long as the pianos' shares of its minutes, or of its pieces where lengths are not known."""
    amounts, unit = (split.seconds, "minutes") if split.seconds.total() else (split.pieces, "pieces")
    percent = {piano: 100 * amount / amounts.total() for piano, amount in amounts.items()}
    plain(ax, "\n".join([split.name, *split.amount.split(", ")]), f"% of {unit}")
    most = max(percent.values())
    for row, (_, piano) in enumerate(lines):
        if piano in percent:
            look = EXPECTED if split.expected else LOOKS[piano.group]
            ax.barh(row, percent[piano], 0.7, edgecolor="white", linewidth=0, **look)
            ax.text(percent[piano] + 0.04 * most, row, _amount(split, piano), fontsize=7.5, va="center")
        elif piano is not None:
            ax.text(0.04 * most, row, "–", color=GREY, fontsize=7.5, va="center")
    ax.set_xlim(0, 2.5 * most)  # room for what is written behind the bars
    ax.set_xticks([0, max(tick for tick in TICKS if tick <= most)])
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(lines) - 0.4, -0.6)


def _labels(ax: Axes, lines: list[tuple[str, Played | None]]) -> None:
    ax.set_yticks(range(len(lines)), [shortened(label, LONGEST_LABEL) for label, _ in lines], fontsize=7.5)
    for text, (_, piano) in zip(ax.get_yticklabels(), lines, strict=True):
        if piano is None or not piano.preset:
            text.set_weight("bold")


def _amount(split: Split, piano: Played) -> str:
    pieces, seconds = split.pieces[piano], split.seconds[piano]
    number = f"{pieces:,.0f}" if pieces >= 0.5 else "<1"
    return f"{_length(seconds)} · {number}" if seconds else number


def _length(seconds: float) -> str:
    """'0.4 min', '84 min', '12.5 h'."""
    minutes = seconds / 60
    if minutes >= 600:
        return f"{minutes / 60:,.1f} h"
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"


def _handles(splits: list[Split], pianos: list[Played]) -> list[Patch]:
    groups = {piano.group for split in splits if not split.expected for piano in split.pieces}
    labels = {HEARD: "heard in training", HELD_OUT: "held out: training never hears it", OTHER: "piano not known"}
    if any(piano.soundfont == SILENT for piano in pianos):
        labels[OTHER] = "no sound"
    handles = [Patch(label=labels[group], **LOOKS[group]) for group in sorted(groups)]
    if any(split.expected for split in splits):
        handles.append(Patch(label="made afresh in each epoch: expected", **EXPECTED))
    return handles


def _verdict(pianos: list[Played], splits: list[Split]) -> str:
    """What the picture shows, in a sentence."""
    test = [piano for split in splits if split.name == "test" for piano in split.pieces]
    if not pianos:
        return "The dataset holds no music."
    if all(piano.group == OTHER for piano in pianos):
        told = {SILENT: "The dataset is MIDI alone: no piano plays it.", RECORDED: "Recordings: played on real pianos."}
        return told[pianos[0].soundfont]
    if not test:
        return "No piece is kept for the test."
    if any(piano.group == OTHER for piano in test):
        return "The test is recordings, played on pianos of which nothing is known."
    unheard = sorted({piano.soundfont for piano in test if piano.group == HELD_OUT})
    if unheard:
        which = "The" if all(piano.group == HELD_OUT for piano in test) else "Some of the"
        fonts = listed(unheard) if len(unheard) <= MOST_NAMED else counted(len(unheard), "soundfont")
        return f"{which} test pianos are held out: training never hears {fonts}."
    return "The test is played on the pianos of training: none is held out."
