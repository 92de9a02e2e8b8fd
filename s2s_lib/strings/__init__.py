"""Pianos that no soundfont holds: struck strings modelled key by key and written as SoundFont 2."""

from s2s_lib.strings.model import StringModel, draw_strings
from s2s_lib.strings.piano import MODELLED, modelled_piano, write_soundfont

__all__ = ["MODELLED", "StringModel", "draw_strings", "modelled_piano", "write_soundfont"]
