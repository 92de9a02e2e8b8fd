"""The commands of `s2s` that run no stage: soundfonts and import."""

from __future__ import annotations

from tiny_soundfont import write_soundfont

from s2s_lib.soundfonts import file_sha256


def test_soundfonts_lists_pianos_licence_size_and_hash_and_what_is_of_no_use(s2s, tmp_path):
    font = write_soundfont(tmp_path / "fonts" / "mine.sf2", [(0, 0, "Grand"), (0, 3, "Honky"), (0, 40, "Violin")],
                           texts={"ICOP": "CC0"})  # fmt: skip
    (tmp_path / "fonts" / "broken.sf2").write_bytes(b"RIFF1234sfbk")
    outcome = s2s("soundfonts", str(tmp_path / "fonts"))
    assert outcome.code == 0
    assert f"pianos   0 Grand, 3 Honky\n  licence  CC0\n  SHA-256  {file_sha256(font)}" in outcome.out
    assert "broken.sf2\n  of no use: " in outcome.out
    assert outcome.out.endswith("1 soundfont with a piano, 1 of no use\n")


def test_soundfonts_of_nowhere_are_refused(refused):
    assert "nowhere: there is no such soundfont" in refused("soundfonts", "nowhere")
