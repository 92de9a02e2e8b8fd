"""Performances played by FluidSynth on a piano: notes and pedal in, a waveform out."""

from s2s_lib.render.library import fluidsynth_version
from s2s_lib.render.play import LONGEST_S, TAIL_S, render

__all__ = ["LONGEST_S", "TAIL_S", "fluidsynth_version", "render"]
