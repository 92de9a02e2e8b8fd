"""Music from a random generator: harmony, melody, two hands, and a performance with the truth about its score."""

from s2s_lib.compose.bwv846 import bwv846
from s2s_lib.compose.piece import compose

__all__ = ["bwv846", "compose"]
