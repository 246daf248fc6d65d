"""Intensities of modes that interfere, and the distance of a fit from its patterns."""

import numpy as np
from torch import Tensor

from ptycho_torch.physics.diffraction import power
from ptycho_torch.physics.varpro import Moments


def coherent_sum_intensity(detector_wave: Tensor) -> Tensor:
    """`I = |sum_p Psi_p|^2`: what modes give that interfere, which the modes of a partially
    coherent beam do not. `(..., P, N, N)` to `(..., N, N)`."""
    return power(detector_wave.sum(dim=-3))


def squared_residual(sums: Moments, energy: float, s1: float, s2: float) -> float:
    """`sum (s1^2 X1 + s2^2 X2 + s1 s2 X3 - I)^2 = q'Mq - 2 b'q + sum I^2` of the moments M and b.

    energy: `sum I^2`; the root of the residual over it is the relative distance of fit and patterns.
    """
    q = np.array([s1**2, s1 * s2, s2**2])
    return float(q @ sums.gram @ q - 2 * sums.target @ q + energy)
