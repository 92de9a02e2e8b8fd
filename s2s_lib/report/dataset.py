"""What a dataset holds: a table of its splits and the distributions of its music."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_lib.config import MAJOR_KEYS, MINOR_KEYS
from s2s_lib.metrics.music import CHORD_S, inter_onsets, keys_held
from s2s_lib.notes import HIGHEST_PITCH, LOWEST_PITCH
from s2s_lib.report.style import BLUE, ORANGE, Picture, Table, histogram, nothing, pitch_axis, plain
from s2s_lib.variation import transposed_key
from s2s_lib.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from s2s_lib.data import Manifest, Sample

MOST_SOUNDFONTS_NAMED = 4
MOST_PIECES_READ = 300  # enough for the distributions; reading every MIDI file of a large dataset takes minutes


def dataset_table(manifests: dict[str, Manifest]) -> Table:
    """Pieces, length, notes, tempo and instruments of each split."""
    rows = [_row(name, manifest.samples) for name, manifest in manifests.items() if manifest.samples]
    columns = ("split", "pieces", "minutes", "notes", "notes/s", "tempo (bpm)", "keys", "metres", "soundfonts")
    caption = "The dataset by split; tempo: lowest–highest; keys, metres: how many different ones; –: not stated."
    return Table(columns, rows, caption)


def dataset_figure(manifests: dict[str, Manifest]) -> Picture:
    """Eight distributions over the pieces of all splits; note-wise ones over at most 300 pieces, evenly spread."""
    samples = [sample for manifest in manifests.values() for sample in manifest.samples]
    step = -(-len(samples) // MOST_PIECES_READ) or 1
    played = [sample.performance() for sample in samples[::step]]
    notes = [note for performance in played for note in performance.notes]
    amount = f"{counted(len(samples), 'piece')}, {counted(sum(s.notes for s in samples), 'note')}"
    picture = Picture(12, 5.6, f"Eight histograms of the dataset: {amount}")
    axes = picture.subplots(2, 4).ravel()
    of_notes = "notes" if step == 1 else f"notes (of {len(played)} pieces)"
    plain(axes[0], "Density", "notes per second", "pieces")
    histogram(axes[0], [s.notes / s.duration_s for s in samples], 20)
    plain(axes[1], "Length", "seconds", "pieces")
    histogram(axes[1], [s.duration_s for s in samples], 20)
    tempi, keys = _stated(samples, "tempo_bpm"), _stated(samples, "key")
    plain(axes[2], "Tempo", "quarter notes per minute" + _without(len(samples) - len(tempi), " ({})"), "pieces")
    histogram(axes[2], tempi, 20)
    _keys(plain(axes[3], "Key", _without(len(samples) - len(keys), "{}"), "pieces"), keys)
    plain(axes[4], "Pitch", "key", of_notes)
    histogram(axes[4], [n.pitch for n in notes], np.arange(LOWEST_PITCH, HIGHEST_PITCH + 2) - 0.5)
    pitch_axis(axes[4], LOWEST_PITCH, HIGHEST_PITCH, vertical=False)
    plain(axes[5], "Loudness", "MIDI velocity", of_notes)
    histogram(axes[5], [n.velocity for n in notes], np.arange(0, 129, 4))
    plain(axes[6], "Polyphony", "keys held at an onset", of_notes)
    held = np.concatenate([np.zeros(0), *map(keys_held, played)])
    histogram(axes[6], held, np.arange(0.5, max(held.max(initial=1), 1) + 1))
    axes[6].xaxis.get_major_locator().set_params(integer=True)
    plain(axes[7], "Rhythm, chords taken as one", "time between onsets (s)", of_notes)
    histogram(axes[7], np.concatenate([np.zeros(0), *map(inter_onsets, played)]), np.geomspace(CHORD_S, 4, 30))
    axes[7].set_xscale("log")
    axes[7].set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
    axes[7].minorticks_off()
    return picture


def filled_split(manifests: dict[str, Manifest], *names: str) -> Manifest:
    """The first of the named splits that has samples; if none has, the first one."""
    return next((manifests[name] for name in names if manifests[name].samples), manifests[names[0]])


def _row(name: str, samples: tuple[Sample, ...]) -> tuple[object, ...]:
    seconds, notes = sum(s.duration_s for s in samples), sum(s.notes for s in samples)
    tempi = _stated(samples, "tempo_bpm")
    fonts = sorted({s.soundfont for s in samples if s.soundfont})
    more = f" and {len(fonts) - MOST_SOUNDFONTS_NAMED} more" if len(fonts) > MOST_SOUNDFONTS_NAMED else ""
    return (
        name,
        len(samples),
        f"{seconds / 60:.1f}",
        notes,
        f"{notes / seconds:.1f}",
        "–".join(dict.fromkeys(f"{end(tempi):.0f}" for end in (min, max))) if tempi else None,
        len(set(map(_spelling, _stated(samples, "key")))) or None,
        len(set(_stated(samples, "time_signature"))) or None,
        ", ".join(fonts[:MOST_SOUNDFONTS_NAMED]) + more or None,
    )


def _stated(samples: Sequence[Sample], name: str) -> list[Any]:
    """The values of a field; MIDI files and recordings don't state all that composed music does."""
    return [value for value in (getattr(sample, name) for sample in samples) if value is not None]


def _without(pieces: int, text: str) -> str:
    """How many pieces don't state something, within `text`; nothing if all do."""
    return text.format(f"{pieces} piece{'s state' if pieces > 1 else ' states'} none") if pieces else ""


def _spelling(key: str) -> str:
    """The key as MAJOR_KEYS or MINOR_KEYS spell it: F# for Gb."""
    return transposed_key(key, 0)


def _keys(ax: Axes, keys: Sequence[str]) -> None:
    """Bars of the keys: major ones, then minor ones hatched."""
    if not keys:
        nothing(ax)
        return
    counts = Counter(map(_spelling, keys))
    majors, minors = ([key for key in names if counts[key]] for names in (MAJOR_KEYS, MINOR_KEYS))
    for names, look in ((majors, {"color": BLUE, "label": "major"}), (minors, {"color": ORANGE, "hatch": "///"})):
        ax.bar(names, [counts[key] for key in names], edgecolor="white", **{"label": "minor", **look})
    ax.set_xticks(range(len(majors) + len(minors)), [*majors, *minors], rotation=90, fontsize=6)
    ax.grid(False, axis="x")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.margins(y=0.25)
    ax.legend(fontsize=8, frameon=False)
