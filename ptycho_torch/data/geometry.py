"""From metres to object pixels."""

import numpy as np
from numpy.typing import NDArray

PLANCK_TIMES_LIGHT = 1.98644586e-25  # J m


def object_pixel_m(energy_j: float, distance_m: float, detector_pixel_m: float, side: int) -> float:
    """`lambda z / (N p)` with `lambda = h c / E`: the pixel of an object seen in the far field."""
    return PLANCK_TIMES_LIGHT / energy_j * distance_m / (side * detector_pixel_m)


def centred_pixels(position_m: NDArray[np.float64], pixel_m: float, margin_px: float) -> NDArray[np.float64]:
    """`(x - min x) / dx + margin`: positions on a grid that starts `margin` px before the first one."""
    found: NDArray[np.float64] = (position_m - position_m.min(axis=0)) / pixel_m + margin_px
    return found


def on_object_grid(
    position_m: NDArray[np.float64], centre_m: float, pixel_m: float, length_px: int
) -> NDArray[np.float64]:
    """`(x - c) / dx + W / 2`: patch centres on an object whose centre lies at c.

    ptychodus counts from the centre of pixel 0, `(x - c) / dx + (W - 1) / 2`, and puts a patch
    symmetrically around it; a patch of N px around x here starts at `x - N / 2`.
    """
    found: NDArray[np.float64] = (position_m - centre_m) / pixel_m + length_px / 2
    return found
