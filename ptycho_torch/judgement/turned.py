"""Other hypotheses on how an instrument is turned: the scan by an angle, or the patterns against the probe."""

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.judgement.trial import Part

# In degrees; an angle between two of them is nearer to one than to none.
ANGLES = (-45, -30, -15, 15, 30, 45)
# With the option of `ptycho prepare IN OUT turn` that turns them back.
PATTERNS = {"rows and columns exchanged": "exchange", "rows reversed": "flip_y", "columns reversed": "flip_x"}


def rotate_positions(position_yx: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Positions position_yx `(n, 2)` px rotated about their middle by so many degrees, from the direction of x to that
    of y."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle = position_yx.mean(axis=0)
    turned: NDArray[np.float64] = (position_yx - middle) @ np.array([[cosine, -sine], [sine, cosine]]) + middle
    return turned


def turn_patterns(part: Part, name: str) -> Part:
    """A part whose patterns are turned as the name in PATTERNS says, with the probe and the positions as they are."""
    option = PATTERNS[name]

    def turn(field: Tensor) -> Tensor:
        if option == "exchange":
            return field.transpose(-2, -1).contiguous()
        axis = -2 if option == "flip_y" else -1
        # Frequency -k of an axis in FFT order.
        return torch.roll(field.flip(axis), 1, axis)

    return attrs.evolve(part, amplitude=turn(part.amplitude), valid=turn(part.valid), held=turn(part.held))
