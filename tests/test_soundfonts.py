"""Soundfonts are found, read and refused by name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from tiny_soundfont import GRAND, write_soundfont

from s2s_lib.errors import InputError
from s2s_lib.soundfonts import Soundfont, Unusable, find_soundfonts, soundfont_files, survey, system_folders

BROKEN = {
    "text.sf2": (b"this is no soundfont", "not a soundfont"),
    "empty.sf2": (b"", "not a soundfont"),
    "wave.sf2": (b"RIFF\x04\x00\x00\x00WAVE", "not a soundfont"),
    "bare.sf2": (b"RIFF\x04\x00\x00\x00sfbk", "its tables of instruments are broken"),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_soundfont(tmp_path_factory.mktemp("tiny") / "tiny.sf2").read_bytes()


def refusal(*names: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        find_soundfonts([str(name) for name in names])
    assert caught.value.usage
    return str(caught.value)


def test_the_embedded_soundfont() -> None:
    (font,) = find_soundfonts(["embedded"])
    assert font.name == "TimGM6mb.sf2"
    assert [(preset.program, preset.name) for preset in font.pianos] == [
        (0, "Piano 1"), (1, "Piano 2"), (2, "Piano 3"), (3, "Honky Tonk"),
    ]  # fmt: skip
    assert font.size == font.path.stat().st_size
    assert font.sha256 == hashlib.sha256(font.path.read_bytes()).hexdigest()
    assert font.licence.startswith("GPL")


def test_only_pianos_are_taken(tmp_path: Path) -> None:
    presets = [(0, 3, "Pub"), (0, 4, "Rhodes"), (128, 0, "Drums"), (0, 0, "Grand"), (8, 1, "Other bank")]
    (font,) = find_soundfonts([str(write_soundfont(tmp_path / "many.sf2", presets))])
    assert [preset.name for preset in font.pianos] == ["Grand", "Pub"]


@pytest.mark.parametrize(("texts", "licence"), [
    ({}, ""),
    ({"ICOP": "2009 Somebody"}, "2009 Somebody"),
    ({"ICOP": "2009 Somebody", "ICMT": "Sampled at home.\nLicence: CC-BY 4.0"}, "Licence: CC-BY 4.0"),
    ({"ICMT": "Public domain. " + "x" * 200}, "Public domain. " + "x" * 84 + "…"),
])  # fmt: skip
def test_licence(tmp_path: Path, texts: dict[str, str], licence: str) -> None:
    (font,) = find_soundfonts([str(write_soundfont(tmp_path / "a.sf2", texts=texts))])
    assert font.licence == licence


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    assert refusal("embedded", tmp_path / name).startswith(f"dataset.soundfonts: {tmp_path / name}: {reason}")


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, tiny: bytes, part: float) -> None:
    (tmp_path / "short.sf2").write_bytes(tiny[: int(part * len(tiny))])
    assert "short.sf2: the soundfont is truncated" in refusal(tmp_path / "short.sf2")


@pytest.mark.parametrize("table", [b"phdr", b"pbag", b"pgen", b"inst", b"ibag", b"igen", b"shdr"])
def test_damaged_tables_are_refused(tmp_path: Path, tiny: bytes, table: bytes) -> None:
    (tmp_path / "odd.sf2").write_bytes(tiny.replace(table, b"none", 1))
    assert "odd.sf2: its tables of instruments are broken" in refusal(tmp_path / "odd.sf2")


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path, tiny: bytes) -> None:
    """No byte outside the samples makes the reader fail in another way than by its own sentence."""
    rng, path = np.random.default_rng(0), tmp_path / "odd.sf2"
    spots = np.r_[0:120, len(tiny) - 900 : len(tiny)]
    sentences = []
    for _ in range(300):
        content = np.frombuffer(tiny, np.uint8).copy()
        content[rng.choice(spots, 6)] = rng.integers(0, 256, 6)
        path.write_bytes(content.tobytes())
        try:
            find_soundfonts([str(path)])
        except InputError as error:
            sentences.append(str(error))
    assert 100 < len(sentences) < 300
    assert all(sentence.startswith(f"dataset.soundfonts: {path}: ") for sentence in sentences)


def test_no_piano_is_refused(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "organ.sf2", [(0, 19, "Organ"), (128, 0, "Drums")])
    assert "organ.sf2: it has no piano" in refusal(path)


@pytest.mark.parametrize(("keys", "velocities"), [((30, 100), (0, 127)), ((0, 107), (0, 127)), ((0, 127), (60, 127))])
def test_a_piano_with_silent_keys_is_refused(
    tmp_path: Path, keys: tuple[int, int], velocities: tuple[int, int]
) -> None:
    """A label for a note that does not sound would be a lie."""
    path = write_soundfont(tmp_path / "part.sf2", keys=keys, velocities=velocities)
    assert "part.sf2: its piano stays silent on" in refusal(path)


def test_a_folder_is_searched_and_the_broken_left_out(
    tmp_path: Path, tiny: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    write_soundfont(tmp_path / "b" / "deep" / "one.SF2", [(0, 1, "Bright")])
    write_soundfont(tmp_path / "a.sf3")
    (tmp_path / "bad.sf2").write_bytes(tiny[:-1])
    (tmp_path / "notes.txt").write_text("no soundfont")
    (tmp_path / ".hidden.sf2").write_bytes(tiny)
    for _ in range(2):
        assert [font.name for font in find_soundfonts([str(tmp_path)])] == ["a.sf3", "one.SF2"]
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"s2s: {tmp_path / 'bad.sf2'} is left out: the soundfont is truncated")


def test_a_folder_of_no_use_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}: holds no .sf2 or .sf3 file" in refusal(tmp_path)
    (tmp_path / "text.sf2").write_text("no soundfont")
    assert f"{tmp_path / 'text.sf2'}: not a soundfont" in refusal(tmp_path)


def test_a_name_of_nothing_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.sf2").startswith(f"dataset.soundfonts: {tmp_path / 'none.sf2'}: there is no such")


def test_the_same_content_counts_once(tmp_path: Path, tiny: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.sf2").write_bytes(tiny)
    (tmp_path / "copy.sf2").write_bytes(tiny)
    (tmp_path / "link.sf2").symlink_to("one.sf2")
    (tmp_path / "lost.sf2").symlink_to("nowhere.sf2")
    write_soundfont(tmp_path / "same_size.sf2", [(0, 0, "Flat!")])
    names = [str(tmp_path / "one.sf2"), str(tmp_path), "embedded", str(tmp_path / "link.sf2"), "embedded"]
    assert [font.name for font in find_soundfonts(names)] == ["one.sf2", "same_size.sf2", "TimGM6mb.sf2"]
    assert capfd.readouterr().err == ""


def test_the_system_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'shared'}{os.pathsep}{tmp_path / 'nowhere'}")
    monkeypatch.setenv("HOMEBREW_PREFIX", str(tmp_path / "brew"))
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    places = [
        "home/soundfonts",
        "shared/sounds/sf2",
        "shared/sounds/sf3",
        "brew/share/fluid-synth/sf2",
        "conda/share/soundfonts",
    ]
    for number, place in enumerate(places):
        write_soundfont(tmp_path / place / f"{number}.sf2", [(0, 0, f"Piano {number}")])
    assert [path.relative_to(tmp_path) for path in system_folders() if path.is_relative_to(tmp_path)] == [
        Path(place) for place in (*places[:3], places[4], places[3])
    ]
    mine = [font.name for font in find_soundfonts(["system"]) if font.path.is_relative_to(tmp_path)]
    assert mine == ["0.sf2", "1.sf2", "2.sf2", "4.sf2", "3.sf2"]
    assert soundfont_files("system")[-1] == soundfont_files("embedded")[0]


def test_changed_content_has_another_hash(tmp_path: Path) -> None:
    (before,) = find_soundfonts([str(write_soundfont(tmp_path / "a.sf2"))])
    first = before.sha256
    (after,) = find_soundfonts([str(write_soundfont(tmp_path / "a.sf2", [GRAND, (0, 1, "Bright")]))])
    assert after.sha256 != first
    assert len(after.pianos) == 2


def test_the_survey_lists_the_useless_with_their_reason(tmp_path: Path) -> None:
    write_soundfont(tmp_path / "good.sf2", texts={"ICOP": "CC0"})
    (tmp_path / "bad.sf2").write_bytes(b"junk")
    good, bad = survey([str(tmp_path)])
    assert isinstance(good, Soundfont)
    assert [(preset.program, preset.name) for preset in good.pianos] == [(0, "Grand")]
    assert (good.licence, good.size) == ("CC0", (tmp_path / "good.sf2").stat().st_size)
    assert good.sha256 == hashlib.sha256((tmp_path / "good.sf2").read_bytes()).hexdigest()
    assert isinstance(bad, Unusable)
    assert bad.path.name == "bad.sf2"
    assert bad.reason.startswith("not a soundfont")
    with pytest.raises(InputError, match="there is no such soundfont"):
        survey([str(tmp_path / "none")])
