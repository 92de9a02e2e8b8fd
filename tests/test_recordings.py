"""Recordings with their MIDI files become datasets: found in published layouts, checked, split, read on the fly."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from midi_files import melody
from small import small_config

from s2s_lib.data import Windows, WindowShape, generate, load_manifests, read_audio
from s2s_lib.data.audio import read_segment
from s2s_lib.data.imports import import_recordings
from s2s_lib.errors import InputError
from s2s_lib.notes import Performance, write_midi
from s2s_lib.pianos import Piano
from s2s_lib.render import render
from s2s_lib.soundfonts import find_soundfonts
from s2s_lib.targets import encode

RATE = 22050
PIECES = 6


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """Audio and MIDI of six pieces of 12 s, and of a second performance of the first, in stereo."""
    folder = tmp_path_factory.mktemp("takes")
    piano = Piano.plain(find_soundfonts(["embedded"])[0])
    made = []
    for number, seed in enumerate((*range(PIECES), 0)):
        performance = melody(seed, 12, step_s=0.4 if number == PIECES else 0.3, jitter_s=0.02)
        audio, midi = folder / f"{number}.wav", folder / f"{number}.mid"
        write_midi(midi, performance)
        waveform = render(performance, piano, RATE)
        soundfile.write(audio, np.stack((waveform, 0.5 * waveform), axis=1), RATE)
        made.append((audio, midi))
    return made


def lay(takes: list[tuple[Path, Path]], folder: Path, *names: tuple[str, str]) -> Path:
    """Copies one take after the other to these names of an audio and a MIDI file; returns the folder."""
    for (audio, midi), (audio_name, midi_name) in zip(takes, names, strict=False):
        for source, name in ((audio, audio_name), (midi, midi_name)):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix in (".wav", ".mid", ".midi"):
                shutil.copy(source, target)
            else:
                soundfile.write(target, *soundfile.read(source))
    return folder


def maestro(takes: list[tuple[Path, Path]], folder: Path) -> Path:
    splits = ("train", "train", "validation", "test")
    stem = "2018/MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--"
    names = [(f"{stem}{number}.wav", f"{stem}{number}.midi") for number in range(4)]
    rows = [
        {
            "canonical_composer": "Franz Schubert", "canonical_title": f"Sonata, No. {number}", "split": split,
            "year": "2018", "midi_filename": midi, "audio_filename": audio, "duration": "13.0",
        }
        for number, (split, (audio, midi)) in enumerate(zip(splits, names, strict=True))
    ]  # fmt: skip
    lay(takes, folder, *names)
    with (folder / "maestro-v3.0.0.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "LICENSE").write_text("CC BY-NC-SA 4.0")
    return folder


def maps(takes: list[tuple[Path, Path]], folder: Path) -> Path:
    music = [
        ("AkPnBcht", "alb_se3"), ("AkPnStgb", "bk_xmas4"), ("SptkBGCl", "mz_331_3"), ("ENSTDkAm", "bk_xmas1"),
        ("ENSTDkCl", "scn15_7"), ("StbgTGd2", "chpn-p7"), ("AkPnBsdf", "bk_xmas1"),
    ]  # fmt: skip
    stems = [f"{piano}/MUS/MAPS_MUS-{piece}_{piano}" for piano, piece in music]
    lay(takes, folder, *[(f"{stem}.wav", f"{stem}.mid") for stem in stems])
    for stem in stems:
        (folder / f"{stem}.txt").write_text("OnsetTime\tOffsetTime\tMidiPitch\n")
    isolated = "AkPnBcht/ISOL/NO/MAPS_ISOL_NO_F_S0_M21_AkPnBcht"
    return lay(takes, folder, (f"{isolated}.wav", f"{isolated}.mid"))


def smd(takes: list[tuple[Path, Path]], folder: Path) -> Path:
    stems = [
        "Bach_BWV849-01_001_20090916-SMD", "Bach_BWV849-02_001_20090916-SMD", "Bartok_SZ080-02_002_20110315-SMD",
        "Bach_BWV849-01_004_20100611-SMD",
    ]  # fmt: skip
    return lay([*takes[:3], takes[-1]], folder, *[(f"mp3/{stem}.mp3", f"midi/{stem}.mid") for stem in stems])


def pairs(takes: list[tuple[Path, Path]], folder: Path) -> Path:
    names = [(f"songs/{n}.wav", f"songs/{n}.mid") for n in range(3)]
    names += [(f"flac/{n}.flac", f"score/{n}.mid") for n in range(3, 7)]
    return lay(takes, folder, *names)


@pytest.mark.parametrize("copy", [False, True], ids=["named", "copied"])
@pytest.mark.parametrize("layout", [maestro, maps, smd, pairs], ids=lambda layout: layout.__name__)
def test_layouts_are_told_apart_and_become_manifests(
    takes: list[tuple[Path, Path]], tmp_path: Path, layout: Callable[..., Path], copy: bool
) -> None:
    folder, config = layout(takes, tmp_path / "source"), small_config(tmp_path / "runs")
    before = sorted(folder.rglob("*"))
    report = import_recordings(folder, "auto", config, skip_bad=False, copy=copy)
    assert f"recordings taken as {layout.__name__}" in report
    assert sorted(folder.rglob("*")) == before
    manifests = load_manifests(config.output.data)
    assert {manifest.imported for manifest in manifests.values()} == {layout.__name__}
    names = {split: {sample.source for sample in manifest.samples} for split, manifest in manifests.items()}
    assert all(names.values())
    assert sum(map(len, names.values())) == {maestro: 4, maps: 6, smd: 4, pairs: 7}[layout]
    for sample in (sample for manifest in manifests.values() for sample in manifest.samples):
        assert sample.audio.is_relative_to(config.output.data if copy else folder)
        assert sample.midi.is_relative_to(config.output.data if copy else folder)
        waveform, first = sample.waveform(), sample.performance().notes[0]
        assert len(waveform) == pytest.approx(sample.duration_s * 16000, abs=2)
        heard = int(np.argmax(np.abs(waveform) > 0.02 * np.abs(waveform).max())) / 16000
        assert heard == pytest.approx(first.onset_s, abs=0.03)
        assert sample.notes == len(sample.performance().notes)
        assert (sample.score, sample.piano, sample.tempo_bpm, sample.key) == (None, None, None, None)
    if copy:
        assert soundfile.info(manifests["train"].samples[0].audio).samplerate == 16000
    check_splits(layout, names)


def check_splits(layout: Callable[..., Path], names: dict[str, set[str]]) -> None:
    """The splits are the layout's own where it has some; else no piece is in two."""
    if layout is maestro:
        assert {split: len(files) for split, files in names.items()} == {"train": 2, "val": 1, "test": 1}
    elif layout is maps:
        assert names["test"] == {"MAPS_MUS-bk_xmas1_ENSTDkAm.mid", "MAPS_MUS-scn15_7_ENSTDkCl.mid"}
        assert "MAPS_MUS-bk_xmas1_AkPnBsdf.mid" not in names["train"] | names["val"]
    else:
        one, again = {smd: ("Bach_BWV849-01_001", "Bach_BWV849-01_004")}.get(layout, ("0.", "6."))
        where = [next(split for split in names if any(n.startswith(s) for n in names[split])) for s in (one, again)]
        assert where[0] == where[1]


def test_windows_are_cut_from_recordings_as_they_lie(takes: list[tuple[Path, Path]], tmp_path: Path) -> None:
    config = small_config(tmp_path / "runs")
    import_recordings(pairs(takes, tmp_path / "source"), "pairs", config, skip_bad=False, copy=False)
    manifest = load_manifests(config.output.data)["train"]
    windows = Windows(manifest, WindowShape(samples=24000, frames=64, frame_s=0.02, first_frame_s=0.11), 16000)
    whole = read_audio(manifest.samples[0].audio, 16000)
    start = round((1.28 - 0.11) * 16000)
    assert np.allclose(windows[1]["waveform"], whole[start : start + 24000], atol=1e-4)
    grid = encode(manifest.samples[0].performance(), start / 16000 + 0.11, 64, 0.02)
    assert grid.onset.max() > 0.5
    assert all(np.array_equal(windows[1][name], values) for name, values in vars(grid).items())


@pytest.mark.parametrize("program", ["a stand-in", "ffmpeg"])
def test_what_ffmpeg_decodes_becomes_flac_of_the_dataset(
    takes: list[tuple[Path, Path]], tmp_path: Path, program: str, request: pytest.FixtureRequest
) -> None:
    """Training reads segments of it, while the other recordings are read where they lie."""
    source, config = pairs(takes[:4], tmp_path / "source"), small_config(tmp_path / "runs")
    take = source / "songs" / "1.wav"
    sound, rate = soundfile.read(take)
    if program == "ffmpeg":
        if shutil.which(program) is None:
            pytest.skip("ffmpeg is not installed here")
        subprocess.run([program, "-v", "error", "-i", take, take.with_suffix(".m4a")], check=True, timeout=60)
    else:
        soundfile.write(request.getfixturevalue("ffmpeg"), sound, rate)
        take.with_suffix(".m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(400))
    take.unlink()
    report = import_recordings(source, "auto", config, skip_bad=False, copy=False)
    assert "4 recordings taken as pairs" in report
    assert "decoded by ffmpeg into the dataset: 1 recording\n" in report + "\n"
    samples = [one for manifest in load_manifests(config.output.data).values() for one in manifest.samples]
    assert all(one.midi.is_relative_to(source) for one in samples)
    assert {one.audio.is_relative_to(source) for one in samples if one.source != "1.mid"} == {True}
    (decoded,) = [one for one in samples if one.source == "1.mid"]
    assert decoded.audio.is_relative_to(config.output.data)
    assert soundfile.info(decoded.audio).samplerate == 16000
    heard = read_segment(decoded.audio, 3 * 16000, 5 * 16000, 16000)
    played = soxr.resample(sound.mean(axis=1), rate, 16000)[3 * 16000 : 8 * 16000]
    assert np.corrcoef(heard, played)[0, 1] > 0.98


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (48000, 16000), (8000, 22050), (16000, 16000)])
def test_a_segment_is_what_the_whole_file_gives_there(tmp_path: Path, rate: int, wanted: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (3 * rate, 2)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", sound, rate, subtype="FLOAT")
    whole = soxr.resample(sound.mean(axis=1), rate, wanted)
    for start in (wanted // 7, 12345, 2 * wanted - 1):
        segment = read_segment(tmp_path / "noise.wav", start, 5000, wanted)
        assert np.allclose(segment, whole[start : start + 5000], atol=1e-5)
    early = read_segment(tmp_path / "noise.wav", -2000, 2000, wanted)
    assert np.abs(early[:-500]).max() < 1e-3
    assert read_segment(tmp_path / "noise.wav", 3 * wanted + 4000, 100, wanted).tolist() == [0] * 100
    assert np.allclose(read_audio(tmp_path / "noise.wav", wanted), whole, atol=1e-5)


def change_audio(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = folder / "songs" / "1.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, change(samples), rate)


def late(samples: np.ndarray) -> np.ndarray:
    return np.concatenate((np.zeros((round(0.35 * RATE), 2)), samples))


def slow(samples: np.ndarray) -> np.ndarray:
    """The same a hundredth slower: 0.1 s late by the end."""
    return soxr.resample(samples, RATE, RATE * 1.01)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "late": (lambda f: change_audio(f, late), "1.wav: the audio starts 0.35 s after its MIDI"),
    "early": (lambda f: change_audio(f, lambda x: x[round(0.12 * RATE) :]), "the audio starts 0.12 s before its MIDI"),
    "other music": (lambda f: shutil.copy(f / "songs/0.wav", f / "songs/1.wav"), "the audio does not follow its MIDI"),
    "cut off": (lambda f: change_audio(f, lambda x: x[: 5 * RATE]), "ends at 5.00 s, but its MIDI goes on to 11."),
    "too long": (lambda f: change_audio(f, lambda x: np.tile(x, (5, 1))), "but its MIDI ends at 11."),
    "no audio": (lambda f: (f / "songs/1.wav").unlink(), "1.mid: has no recording of the same name"),
    "no MIDI": (lambda f: (f / "songs/1.mid").unlink(), "1.wav: has no MIDI file of the same name"),
    "empty MIDI": (lambda f: write_midi(f / "songs/1.mid", Performance(())), "holds no piano notes"),
    "text": (lambda f: (f / "songs/1.wav").write_text("x" * 99), "1.wav: not a readable audio file"),
    "two MIDIs": (lambda f: shutil.copy(f / "score/3.mid", f / "score/3.midi"), "3.flac: has 2 MIDI files of its name"),
}


@pytest.mark.parametrize(("spoil", "says"), FAULTS.values(), ids=FAULTS)
def test_a_pair_that_does_not_fit_is_refused_or_skipped_by_name(
    takes: list[tuple[Path, Path]], tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    folder, config = pairs(takes[:4], tmp_path / "source"), small_config(tmp_path / "runs")
    spoil(folder)
    with pytest.raises(InputError) as caught:
        import_recordings(folder, "auto", config, skip_bad=False, copy=True)
    assert says in str(caught.value)
    assert "--skip-bad" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not config.output.data.exists()
    report = import_recordings(folder, "auto", config, skip_bad=True, copy=False)
    assert says in report
    assert sum(len(manifest.samples) for manifest in load_manifests(config.output.data).values()) == 3


def test_a_recording_that_runs_at_another_speed_is_refused(tmp_path: Path) -> None:
    performance = melody(3, 50, step_s=0.4, jitter_s=0.02)
    write_midi(tmp_path / "a" / "slow.mid", performance)
    waveform = render(performance, Piano.plain(find_soundfonts(["embedded"])[0]), RATE)
    soundfile.write(tmp_path / "a" / "slow.wav", soxr.resample(waveform, RATE, RATE * 1.004), RATE)
    with pytest.raises(InputError, match=r"the audio drifts: it is 0\.0\d s after its MIDI at 0 s, 0\.1\d s after"):
        import_recordings(tmp_path / "a", "auto", small_config(tmp_path), skip_bad=False, copy=False)


def test_a_table_that_names_a_missing_file_is_refused_or_skipped(
    takes: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    folder, config = maestro(takes, tmp_path / "source"), small_config(tmp_path / "runs")
    gone = next(folder.rglob("*--0.wav"))
    gone.unlink()
    with pytest.raises(InputError) as caught:
        import_recordings(folder, "maestro", config, skip_bad=False, copy=False)
    assert f"{gone}: is not there, but line 2 of maestro-v3.0.0.csv names it" in str(caught.value)
    assert "left out" in import_recordings(folder, "maestro", config, skip_bad=True, copy=False)
    assert len(load_manifests(config.output.data)["train"].samples) == 1


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("a,b\n1,2\n", "has no column split, midi_filename, audio_filename"),
        ("", "has no column"),
        ("split,midi_filename,audio_filename\nexam,a,b\n", "line 2 names no split of train, validation, test: 'exam'"),
    ],
)
def test_a_table_without_sense_is_refused(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "maestro-v2.0.0.csv").write_text(table)
    with pytest.raises(InputError, match=says):
        import_recordings(tmp_path, "auto", small_config(tmp_path / "runs"), skip_bad=False, copy=False)


def test_what_can_not_be_imported_is_refused(takes: list[tuple[Path, Path]], tmp_path: Path) -> None:
    config, empty = small_config(tmp_path / "runs"), tmp_path / "empty"
    empty.mkdir()
    source = pairs(takes, tmp_path / "source")
    for folder, layout, says in (
        (tmp_path / "nowhere", "auto", "there is no such folder"),
        (empty, "auto", "holds no recordings in the layout 'pairs'"),
        (source, "maps", "holds no recordings in the layout 'maps'"),
        (source, "midi", "--format midi: choose one of auto, maestro, maps, smd, pairs"),
        (lay(takes[:1], tmp_path / "one", ("a.wav", "a.mid")), "auto", "has 1 recording of use and none for"),
    ):
        with pytest.raises(InputError, match=says):
            import_recordings(folder, layout, config, skip_bad=False, copy=False)
    assert not config.output.data.exists()


def test_neither_way_of_making_a_dataset_overwrites_the_other(takes: list[tuple[Path, Path]], tmp_path: Path) -> None:
    source, config = pairs(takes, tmp_path / "source"), small_config(tmp_path / "runs")
    import_recordings(source, "auto", config, skip_bad=False, copy=False)
    before = {path: path.read_bytes() for path in config.output.data.iterdir()}
    with pytest.raises(InputError, match="holds a dataset already"):
        import_recordings(source, "auto", config, skip_bad=False, copy=False)
    with pytest.raises(InputError, match=r"imported dataset .layout 'pairs'"):
        generate(config)
    assert {path: path.read_bytes() for path in config.output.data.iterdir()} == before


def test_an_import_that_breaks_off_leaves_nothing(
    takes: list[tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s2s_lib.data.imports import importing

    copied = []

    def copy_two(source: Path, target: Path, sample_rate: int, whole: Callable = importing._copy_audio) -> None:
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(target)
        whole(source, target, sample_rate)

    monkeypatch.setattr(importing, "_copy_audio", copy_two)
    config = small_config(tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        import_recordings(pairs(takes, tmp_path / "source"), "auto", config, skip_bad=False, copy=True)
    assert len(copied) == 2
    assert not [path for path in config.output.data.rglob("*") if path.is_file()]
