"""What training minimises."""

from __future__ import annotations

import torch
from torch.nn import functional as F

# an onset fills few frames but decides most of a score; the parts are of like size for a model that has begun to learn
ONSET_WEIGHT, SHIFT_WEIGHT, VELOCITY_WEIGHT = 50.0, 50.0, 100.0
HELD_WEIGHT, SOUNDING_WEIGHT, PEDAL_WEIGHT = 4.0, 2.0, 0.2


def losses(predicted: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parts of the loss, weighted, and their sum `loss`; each is a mean over windows, frames and keys.

    target: as `predicted`, with labels in the place of logits (see targets.Grid). Shift and velocity count where an
    onset is near, by as much as it is near.
    """
    weight = target["onset"]
    cross_entropy = F.binary_cross_entropy_with_logits
    shift_error = F.smooth_l1_loss(predicted["shift"], target["shift"], reduction="none", beta=0.1)
    velocity_error = (predicted["velocity"].sigmoid() - target["velocity"]).abs()
    parts = {
        "onset": ONSET_WEIGHT * cross_entropy(predicted["onset"], target["onset"]),
        "shift": SHIFT_WEIGHT * (weight * shift_error).mean(),
        "velocity": VELOCITY_WEIGHT * (weight * velocity_error).mean(),
        "held": HELD_WEIGHT * cross_entropy(predicted["held"], target["held"]),
        "sounding": SOUNDING_WEIGHT * cross_entropy(predicted["sounding"], target["sounding"]),
        "pedal": PEDAL_WEIGHT * cross_entropy(predicted["pedal"], target["pedal"]),
    }
    return {"loss": sum(parts.values()), **parts}
