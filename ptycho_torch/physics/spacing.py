"""Distances between positions, and the width of a beam."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def nearest_step(position: NDArray[np.float64]) -> float:
    """The median distance of a position to its nearest neighbour; 0 for a single one."""
    if len(position) < 2:
        return 0.0
    return float(np.median(cKDTree(position).query(position, k=2)[0][:, 1]))


def linear_overlap(position: NDArray[np.float64], intensity: NDArray[np.floating]) -> float:
    """`1 - step / diameter` of neighbours at position `(n, 2)` px under a beam of this intensity `(H, W)`, 0 where they
    lie further apart; 1 for a single position, or for no beam."""
    diameter = effective_diameter(intensity)
    return max(0.0, 1 - nearest_step(position) / diameter) if diameter else 1.0


def effective_diameter(intensity: NDArray[np.floating]) -> float:
    """`2 sqrt(A / pi)` with the area `A = (sum I)^2 / sum I^2`: for a disc its diameter, for a Gaussian
    beam 4 sigma. I `(H, W)`, result in pixels, 0 where I is 0."""
    total, squares = float(intensity.sum()), float(np.square(intensity).sum())
    return 2 * float(np.sqrt(total**2 / squares / np.pi)) if squares > 0 else 0.0
