"""Random changes to audio that leave every onset where it is.

A window passes through a recording's chain: the instrument's colour, the room, noise, the microphone, compression,
clipping, level, a telephone line, a codec. Written with scipy rather than an augmentation library, since each choice
must come from the generator passed in (exact resume) and no filter may delay the sound.
"""

from s2s_lib.augment.chain import EFFECTS, Effect, augment, within_full_scale
from s2s_lib.augment.folders import check_folders

__all__ = ["EFFECTS", "Effect", "augment", "check_folders", "within_full_scale"]
