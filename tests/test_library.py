"""A folder of MIDI as music: what is used, where it is cut, and that no piece is in two splits."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import mido
import numpy as np
import pytest
from midi_files import melody, played, program, write

from s2s_lib.config import DatasetConfig
from s2s_lib.data.excerpts import LEAD_S
from s2s_lib.data.library import Library
from s2s_lib.data.pieces import assign
from s2s_lib.errors import InputError
from s2s_lib.notes import Note, PedalEvent, Performance, pedal_spans, read_midi, write_midi

PIECES = 12


def settings(folder: Path, **changes: object) -> DatasetConfig:
    return DatasetConfig(**{"midi_dir": str(folder), "max_notes": 200, "min_duration": 5, "max_duration": 8, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pieces in folders of folders; of each second one there is another performance in another key."""
    folder = tmp_path_factory.mktemp("midi")
    for seed in range(PIECES):
        write_midi(folder / f"a{seed % 3}" / "b" / f"piece{seed}.{'MID' if seed % 2 else 'midi'}", melody(seed, 30))
        if seed % 2:
            again = melody(seed, 30, step_s=0.31, transpose=-3, jitter_s=0.01)
            write_midi(folder / "again" / f"take{seed}.mid", again)
    (folder / "copy.mid").write_bytes((folder / "a0" / "b" / "piece0.midi").read_bytes())
    (folder / "notes.txt").write_text("no music")
    return folder


def splits(library: Library) -> dict[str, str]:
    """The split of each file by its name."""
    return {file.path.name: split for split in library.pieces for piece in library.pieces[split] for file in piece}


def test_all_files_are_found_and_performances_of_a_piece_stay_together(folder: Path) -> None:
    library = Library.scan(settings(folder))
    assert not library.skipped
    assert sum(map(len, library.pieces.values())) == PIECES
    found = splits(library)
    assert len(found) == PIECES + PIECES // 2 + 1
    for seed in range(1, PIECES, 2):
        assert found[f"take{seed}.mid"] == found[f"piece{seed}.MID"]
    assert found["copy.mid"] == found["piece0.midi"]
    assert set(found.values()) == {"train", "val", "test"}


def test_the_seed_alone_decides_and_a_new_piece_moves_none(folder: Path, tmp_path: Path) -> None:
    first = splits(Library.scan(settings(folder)))
    assert splits(Library.scan(settings(folder))) == first
    assert splits(Library.scan(settings(folder, seed=7))) != first
    (tmp_path / "more").symlink_to(folder)  # links to folders are not followed
    for path in folder.rglob("*.mid*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for seed in range(1, PIECES, 2):
        (tmp_path / f"piece{seed}.MID").write_bytes(next(folder.rglob(f"piece{seed}.MID")).read_bytes())
    write_midi(tmp_path / "new.mid", melody(99, 30))
    now = splits(Library.scan(settings(tmp_path)))
    assert len(now) == len(first) + 1
    assert {name: now[name] for name in first} == first


@pytest.mark.parametrize("count", [3, 4, 10, 200])
def test_every_split_with_a_share_gets_a_piece(count: int) -> None:
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    for seed in range(20):
        names = [f"piece {number}" for number in range(count)]
        found = assign(names, seed, shares)
        assert set(found) == set(shares)
        assert dict(zip(reversed(names), assign(names[::-1], seed, shares), strict=True)) == dict(
            zip(names, found, strict=True)
        )
        if count == 200:
            assert 140 <= found.count("train") <= 180
        assert set(assign(names, seed, {"train": 1.0, "val": 0.0, "test": 0.0})) == {"train"}


def test_excerpts_keep_the_limits_and_are_what_the_file_has_there(folder: Path) -> None:
    dataset = settings(folder, min_notes=20, max_notes=60)
    library = Library.scan(dataset)
    starts = set()
    for seed in range(60):
        file = library.draw(np.random.default_rng(seed), ("train", "val", "test")[seed % 3])
        piece = file.excerpt(np.random.default_rng((seed, 1)), dataset)
        assert piece == file.excerpt(np.random.default_rng((seed, 1)), dataset)
        assert pickle.loads(pickle.dumps(file)) == file
        notes = piece.performance.notes
        assert 5 <= piece.performance.end_s <= 8
        assert 20 <= len(notes) <= 60
        assert notes[0].onset_s == pytest.approx(LEAD_S)
        assert (piece.source, piece.notated, piece.beats_s, piece.tempo_bpm) == (file.path.name, (), (), None)
        whole = read_midi(file.path).notes
        keys = [(note.pitch, note.velocity) for note in whole]
        pattern = [(note.pitch, note.velocity) for note in notes]
        first = next(i for i in range(len(keys)) if keys[i : i + len(pattern)] == pattern)
        shift = whole[first].onset_s - LEAD_S
        assert np.allclose([n.onset_s + shift for n in notes], [n.onset_s for n in whole[first : first + len(notes)]])
        starts.add((piece.source, first))
    assert len(starts) > 40


def test_notes_and_pedal_at_the_cut(tmp_path: Path) -> None:
    """A long note begun before the cut is left out; one that sounds at the end is released; pedal down stays down."""
    held, late = Note(0.0, 40.0, 30, 80), Note(18.0, 40.0, 31, 80)
    steps = [Note(1.0 + i, 1.5 + i, 60 + i, 70) for i in range(20)]
    pedal = (PedalEvent(0.5, 90), PedalEvent(9.25, 0), PedalEvent(9.75, 100))
    write_midi(tmp_path / "one.mid", Performance(tuple(sorted([held, late, *steps])), pedal))
    dataset = settings(tmp_path, min_notes=3, max_duration=6, train_split=1.0, val_split=0.0)
    file = Library.scan(dataset).draw(np.random.default_rng(0), "train")
    seen = set()
    for seed in range(60):
        performance = file.excerpt(np.random.default_rng(seed), dataset).performance
        first = performance.notes[0]
        cut_s = (first.pitch - 61 if first.pitch > 31 else -1) + 1.0 + 0.9
        assert (30 in {note.pitch for note in performance.notes}) == (first.pitch == 30)
        if first.pitch == 30:
            continue
        assert performance.end_s <= 6
        assert performance.pedal[0].time_s == 0
        assert performance.pedal[0].value == (100 if cut_s > 9.75 else 90)
        assert performance.pedal[-1].value == 0
        ((down, up), *_) = pedal_spans(performance.pedal, performance.end_s)
        assert down == 0
        assert up == pytest.approx(9.25 - cut_s, abs=1e-3) if cut_s < 9.25 < cut_s + up + 1e-3 else up >= 5
        seen.add(first.pitch)
    assert len(seen) > 8


def test_tempo_key_and_metre_are_those_in_force_at_the_cut(tmp_path: Path) -> None:
    """A written file that turns from 120 to 60 quarter notes a minute, C to E flat, 4/4 to 3/4 after 40 seconds."""
    score = [
        (0, mido.MetaMessage("set_tempo", tempo=500_000)),
        (0, mido.MetaMessage("key_signature", key="C")),
        (0, mido.MetaMessage("time_signature", numerator=4, denominator=4)),
        (38400, mido.MetaMessage("set_tempo", tempo=1_000_000)),
        (38400, mido.MetaMessage("key_signature", key="Eb")),
        (38400, mido.MetaMessage("time_signature", numerator=3, denominator=4)),
    ]
    notes = [event for i in range(160) for event in played(21 + i % 88, i * 480, i * 480 + 400)]
    write(tmp_path / "song.mid", score, notes)
    dataset = settings(tmp_path, min_notes=4, train_split=1.0, val_split=0.0)
    file = Library.scan(dataset).draw(np.random.default_rng(0), "train")
    seen = set()
    for seed in range(30):
        piece = file.excerpt(np.random.default_rng(seed), dataset)
        onsets_s = [note.onset_s for note in piece.performance.notes]
        seen.add((round(onsets_s[1] - onsets_s[0], 3), piece.tempo_bpm, piece.key, piece.time_signature))
    assert seen == {(0.5, 120.0, "C", (4, 4)), (1.0, 60.0, "Eb", (3, 4))}


def _bad(folder: Path) -> dict[str, str]:
    """Files of no use in a folder, and what is said of each."""
    far = [event for i in range(100) for event in played(60 if i % 20 else 12, i * 480, i * 480 + 9)]
    write(folder / "off.mid", far)
    write(folder / "silent.mid", [])
    write(folder / "violin.mid", [program(40), *played(60, 0, 960)])
    write(folder / "short.mid", played(60, 0, 960))
    write(folder / "dense.mid", [e for i in range(5000) for e in played(30 + i % 60, i // 30, i // 30 + 2)])
    (folder / "text.mid").write_text("this is no MIDI")
    os.symlink(folder / "nowhere", folder / "link.mid")
    return {
        "off.mid": "has 5 of 100 notes outside the piano's 88 keys",
        "silent.mid": "holds no piano notes",
        "violin.mid": "holds no piano notes (left out: 1 other instruments)",
        "short.mid": "has no excerpt of 5-8 s with 10-200 notes",
        "dense.mid": "has no excerpt of 5-8 s with 10-200 notes",
        "text.mid": "not a readable MIDI file (it does not start with a MIDI header)",
        "link.mid": "there is no such MIDI file",
    }


def test_files_of_no_use_are_skipped_by_name(tmp_path: Path) -> None:
    expected = _bad(tmp_path)
    for seed in range(3):
        write_midi(tmp_path / f"good{seed}.mid", melody(seed, 20))
    library = Library.scan(settings(tmp_path))
    assert {skip.path.name: skip.reason for skip in library.skipped} == expected
    assert set(splits(library)) == {f"good{seed}.mid" for seed in range(3)}
    assert all(f"{name}: {reason}" in library.report() for name, reason in expected.items())


def test_a_ten_hour_file_and_a_few_notes_off_the_keys_are_of_use(tmp_path: Path) -> None:
    long = [event for i in range(9000) for event in played(30 + i * 7 % 60, i * 3840, i * 3840 + 2000)]
    write(tmp_path / "long.mid", [*long, *played(12, 99, 200)])
    dataset = settings(tmp_path, min_notes=2, train_split=1.0, val_split=0.0)
    library = Library.scan(dataset)
    assert library.left_out == 1
    file = library.draw(np.random.default_rng(0), "train")
    assert file.seconds == pytest.approx(10 * 3600, rel=1e-3)
    assert 5 <= file.excerpt(np.random.default_rng(1), dataset).performance.end_s <= 8


def test_too_few_pieces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: there is no such folder; dataset\.midi_dir"):
        Library.scan(settings(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="holds no MIDI files"):
        Library.scan(settings(tmp_path))
    write_midi(tmp_path / "a.mid", melody(1, 20))
    write_midi(tmp_path / "b.mid", melody(1, 20, jitter_s=0.005))
    (tmp_path / "c.mid").write_text("x")
    with pytest.raises(InputError) as caught:
        Library.scan(settings(tmp_path))
    assert str(caught.value).startswith(
        f"{tmp_path}: holds 1 usable MIDI piece, but train, val, test need one each; 1 skipped"
    )
    assert "c.mid not a readable MIDI file" in str(caught.value)


def test_a_file_that_changes_after_the_scan_is_refused(tmp_path: Path) -> None:
    for seed in range(3):
        write_midi(tmp_path / f"{seed}.mid", melody(seed, 20))
    dataset = settings(tmp_path)
    file = Library.scan(dataset).draw(np.random.default_rng(0), "train")
    write_midi(file.path, melody(50, 20))
    with pytest.raises(InputError, match="has changed since"):
        file.excerpt(np.random.default_rng(0), dataset)
