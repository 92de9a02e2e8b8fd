"""Datasets: the same whatever the workers, whole after an interruption, never stale, and cut at the right place."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small import small_config

from s2s_lib.config import Config
from s2s_lib.data import SPLITS, Windows, WindowShape, check_dataset, generate, load_manifests, read_audio
from s2s_lib.data.audio import LEVEL
from s2s_lib.data.recipe import Studio, Take
from s2s_lib.errors import InputError
from s2s_lib.notes import read_midi
from s2s_lib.soundfonts import find_soundfonts

EMBEDDED = find_soundfonts(["embedded"])[0]


def _digests(folder: Path) -> dict[str, str]:
    """Digest of every file of a dataset by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = small_config(tmp_path_factory.mktemp("data"))
    generate(config)
    return config


def test_two_workers_make_the_same_bytes(config: Config, tmp_path: Path) -> None:
    other = small_config(tmp_path, dataset={"num_workers": 2})
    generate(other)
    assert _digests(other.output.data) == _digests(config.output.data)


def test_manifests_say_what_is_there(config: Config) -> None:
    manifests = load_manifests(config.output.data)
    assert {split: len(manifest.samples) for split, manifest in manifests.items()} == config.dataset.split_sizes()
    assert sum(config.dataset.split_sizes().values()) == 6
    for sample in (sample for manifest in manifests.values() for sample in manifest.samples):
        waveform, performance = sample.waveform(), sample.performance()
        assert len(waveform) / 16000 == pytest.approx(sample.duration_s, abs=1e-3)
        assert len(performance.notes) == sample.notes
        assert performance.end_s == pytest.approx(sample.music_end_s, abs=1.5e-3)
        assert 3.0 <= sample.music_end_s <= sample.duration_s <= 4.0
        assert 4 <= sample.notes <= 30
        assert sample.source == "composed"
        assert sample.soundfont == EMBEDDED.name
        assert sample.soundfont_sha256 == hashlib.sha256(EMBEDDED.path.read_bytes()).hexdigest()
        assert np.abs(waveform).max() == pytest.approx(LEVEL, rel=1e-3)
    paths = [json.loads(m.path.read_text())["samples"][0]["audio"] for m in manifests.values()]
    assert all(not Path(path).is_absolute() for path in paths)


def test_audio_is_on_time_with_its_notes(config: Config) -> None:
    """The first sound of each piece comes with its first onset; low strings take some milliseconds to speak.

    The renderer promises 4 ms: a note is moved to a border of FluidSynth's blocks, and loud ones speak a little sooner.
    """
    for manifest in load_manifests(config.output.data).values():
        for sample in manifest.samples:
            heard = int(np.argmax(np.abs(sample.waveform()) > 2e-4)) / 16000
            assert -0.004 < heard - sample.performance().notes[0].onset_s < 0.012


def test_the_score_is_kept_with_each_sample(config: Config) -> None:
    sample = load_manifests(config.output.data)["train"].samples[0]
    score = json.loads(sample.score.read_text())
    rows = [dict(zip(score["columns"], row, strict=True)) for row in score["notes"]]
    assert [row["pitch"] for row in rows] == [note.pitch for note in sample.performance().notes]
    beats = np.interp([row["onset_beat"] for row in rows], range(len(score["beats_s"])), score["beats_s"])
    assert np.allclose(beats, [row["onset_s"] for row in rows], atol=0.05)
    assert {row["hand"] for row in rows} <= {"R", "L"}


def test_score_rows_are_in_the_order_of_the_midi(tmp_path: Path) -> None:
    """Rounding to ticks reorders chords; rows follow, and each keeps the notation of its note."""
    reordered = 0
    for complexity in ("medium", "complex"):
        plain = {"complexity": complexity, "samples": 60, "synthesize_audio": False, "variation": {"enabled": False}}
        config = small_config(tmp_path / complexity, dataset=plain)
        for split, manifest in generate(config).items():
            for sample in manifest.samples:
                rows = json.loads(sample.score.read_text())["notes"]
                assert [tuple(row[:2]) for row in rows] == [(n.onset_s, n.pitch) for n in sample.performance().notes]
                piece = Studio(config).recipe(split, sample.seed).take().piece
                pairs = list(zip(piece.performance.notes, piece.notated, strict=True))
                composed = [[n.pitch, s.hand, s.voice, s.onset_beat, s.duration_beats] for n, s in pairs]
                assert sorted(row[1:] for row in rows) == sorted(composed)
                reordered += [row[1] for row in rows] != [n.pitch for n, _ in pairs]
    assert reordered >= 3


def test_an_interrupted_generation_goes_on(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = small_config(tmp_path)
    played = []

    def waveform_of_two(take: Take, *arguments: object) -> np.ndarray:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(take)
        return waveform(take, *arguments)

    waveform = Take.waveform
    monkeypatch.setattr(Take, "waveform", waveform_of_two)
    with pytest.raises(KeyboardInterrupt):
        generate(broken)
    assert not list(broken.output.data.glob("*.json"))
    kept = {path: path.stat().st_mtime_ns for path in (broken.output.data / "audio").iterdir()}
    assert len(kept) == 2
    monkeypatch.undo()
    generate(broken)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert _digests(broken.output.data) == _digests(config.output.data)


def _cut_short(path: Path) -> None:
    path.write_text(path.read_text()[:100])


def _of_another_version(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["sample"]["piano"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("damage", [_cut_short, _of_another_version, Path.unlink, lambda path: path.write_text("[]")])
def test_a_damaged_record_is_made_again(config: Config, tmp_path: Path, damage: Callable[[Path], object]) -> None:
    mine = small_config(tmp_path)
    shutil.copytree(config.output.data, mine.output.data)
    damage(next((mine.output.data / "score").iterdir()))
    next((mine.output.data / "audio").iterdir()).unlink()
    generate(mine)
    assert _digests(mine.output.data) == _digests(config.output.data)


def test_what_is_played_is_what_the_file_says(config: Config) -> None:
    sample = load_manifests(config.output.data)["train"].samples[0]
    piano, seed = EMBEDDED, sample.seed
    take = Studio(config).recipe("train", seed).take()
    assert take.piano.soundfont == piano
    written = np.abs(take.waveform(read_midi(sample.midi), 16000) - sample.waveform())
    assert written.max() < 1 / 32768  # 16 bits


def test_an_imported_dataset_is_not_replaced(config: Config, tmp_path: Path) -> None:
    mine = small_config(tmp_path)
    shutil.copytree(config.output.data, mine.output.data)
    manifest = mine.output.data / "train_manifest.json"
    manifest.write_text(manifest.read_text().replace('"imported": ""', '"imported": "maestro"'))
    before = _digests(mine.output.data)
    with pytest.raises(InputError, match=r"imported dataset \(layout 'maestro'\).*choose another output\.name"):
        generate(mine)
    assert _digests(mine.output.data) == before


def test_a_changed_config_makes_new_samples_and_removes_the_old(tmp_path: Path) -> None:
    first = small_config(tmp_path)
    before = {sample.id for manifest in generate(first).values() for sample in manifest.samples}
    other = small_config(tmp_path, dataset={"piano": {"tuning_cents": 7.0}})
    after = {sample.id for manifest in generate(other).values() for sample in manifest.samples}
    assert not before & after
    assert {path.stem for path in (other.output.data / "audio").iterdir()} == after


def test_streaming_leaves_the_training_split_empty_and_still_knows_its_config(tmp_path: Path) -> None:
    config = small_config(tmp_path, dataset={"stream": True})
    manifests = generate(config)
    assert [len(manifests[split].samples) for split in SPLITS] == [0, 2, 2]
    check_dataset(manifests, config)
    with pytest.raises(InputError, match=r"other dataset\.complexity"):
        check_dataset(manifests, small_config(tmp_path, dataset={"stream": True, "complexity": "medium"}))


def test_where_a_dataset_was_made_does_not_matter(config: Config, tmp_path: Path) -> None:
    elsewhere = {"num_workers": 5, "backend": "dask", "scheduler": "tcp://127.0.0.1:1"}
    check_dataset(load_manifests(config.output.data), small_config(tmp_path, dataset=elsewhere))


def test_more_samples_keep_the_ones_there_are(tmp_path: Path) -> None:
    first = generate(small_config(tmp_path, dataset={"samples": 4}))
    more = generate(small_config(tmp_path, dataset={"samples": 6}))
    for split in SPLITS:
        ids = [sample.id for sample in first[split].samples]
        assert [sample.id for sample in more[split].samples][: len(ids)] == ids


def test_the_seed_changes_the_music_and_splits_share_no_piece(config: Config, tmp_path: Path) -> None:
    other = generate(small_config(tmp_path, dataset={"seed": 7}))
    mine = load_manifests(config.output.data)
    contents = [s.midi.read_bytes() for m in (*mine.values(), *other.values()) for s in m.samples]
    assert len(set(contents)) == len(contents)


def test_the_test_split_can_have_a_piano_of_its_own(tmp_path: Path) -> None:
    copy = tmp_path / "other.sf2"
    copy.write_bytes(EMBEDDED.path.read_bytes().replace(b"Tim", b"Tom", 1))
    manifests = generate(small_config(tmp_path, dataset={"test_soundfonts": [str(copy)]}))
    assert {sample.soundfont for sample in manifests["test"].samples} == {"other.sf2"}
    assert {sample.soundfont for sample in manifests["train"].samples} == {"TimGM6mb.sf2"}


def test_midi_alone(tmp_path: Path) -> None:
    manifests = generate(small_config(tmp_path, dataset={"synthesize_audio": False}))
    sample = manifests["train"].samples[0]
    assert sample.audio is None
    assert len(read_midi(sample.midi).notes) == sample.notes
    with pytest.raises(InputError, match="has no audio"):
        sample.waveform()
    with pytest.raises(InputError, match="has no audio"):
        Windows(manifests["train"], WindowShape(1000, 10, 0.02, 0.0), 16000)


SHAPE = WindowShape(samples=24000, frames=64, frame_s=0.02, first_frame_s=0.11)


def test_windows_lie_where_their_grid_says(config: Config) -> None:
    """The loudest jump in a window of one note is at the frame where its grid has the onset."""
    windows = Windows(load_manifests(config.output.data)["train"], SHAPE, 16000, seed=3)
    checked = []
    for index in range(len(windows)):
        item = windows[index]
        onsets = np.argwhere(item["onset"] > 0.67)
        if len(onsets) == 0:
            continue
        frame, key = onsets[0]
        at_s = (frame + 0.5 + item["shift"][frame, key]) * 0.02 + 0.11
        around = item["waveform"][max(0, round((at_s - 0.02) * 16000)) : round((at_s + 0.02) * 16000)]
        before, after = np.abs(around[: len(around) // 2]).max(initial=0), np.abs(around[len(around) // 2 :]).max()
        checked.append(after > before)
    assert len(checked) >= 4
    assert sum(checked) >= 0.75 * len(checked)


def test_windows_cover_each_clip_once_and_move_every_epoch(config: Config) -> None:
    manifest = load_manifests(config.output.data)["train"]
    windows = Windows(manifest, SHAPE, 16000, seed=3)
    assert len(windows) == sum(int(np.ceil(sample.duration_s / 1.28)) for sample in manifest.samples)
    windows.set_epoch(1)
    first = windows[0]["waveform"]
    windows.set_epoch(2)
    assert not np.array_equal(first, windows[0]["waveform"])
    windows.set_epoch(1)
    assert np.array_equal(first, windows[0]["waveform"])
    fixed = Windows(manifest, SHAPE, 16000)
    total = sum(float(fixed[i]["onset"].sum()) for i in range(len(fixed)))
    notes = sum(sample.notes for sample in manifest.samples)
    assert total == pytest.approx(1.5 * notes, rel=0.15)  # a triangle of half width 1.5 sums to 1.5


def test_windows_refuse_another_sample_rate(config: Config) -> None:
    with pytest.raises(InputError, match=r"set audio\.sample_rate 22050"):
        Windows(load_manifests(config.output.data)["train"], SHAPE, 22050)


def test_a_missing_or_broken_manifest_is_named(config: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no dataset"):
        load_manifests(tmp_path)
    for split in SPLITS:
        (tmp_path / f"{split}_manifest.json").write_text('{"format": 1, "sam')
    with pytest.raises(InputError, match="not a readable manifest"):
        load_manifests(tmp_path)
    (tmp_path / "train_manifest.json").write_text('{"format": 0}')
    with pytest.raises(InputError, match="another version"):
        load_manifests(tmp_path)


def test_reading_audio(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], 1), 44100)
    mono = read_audio(tmp_path / "stereo.wav", 16000)
    assert mono.shape == (16000,)
    assert mono.dtype == np.float32
    assert np.argmax(np.abs(np.fft.rfft(mono))) == 440


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros(16000), "is silent"),
        (np.ones(500), "at least 0.1 s are needed"),
        (np.zeros(0), "holds 0.000 s"),
        (np.full(16000, np.nan), "samples that are not numbers"),
    ],
)
def test_unusable_audio_is_named(tmp_path: Path, samples: np.ndarray, says: str) -> None:
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(InputError, match=says) as caught:
        read_audio(tmp_path / "a.wav", 16000)
    assert "a.wav" in str(caught.value)


def test_text_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("hello")
    with pytest.raises(InputError, match="not a readable audio file"):
        read_audio(tmp_path / "a.wav", 16000)
    with pytest.raises(InputError, match="no such audio file"):
        read_audio(tmp_path / "b.wav", 16000)


def test_the_users_own_files_in_the_folder_stay(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    mine = config.output.data / "midi" / "my piece.mid"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    generate(config)
    assert mine.read_bytes() == b"mine"
