"""Scan positions, float64 `(n, 2)` as (y, x) around 0, within `reach` of it along each axis; px."""

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.float64]


def raster(step: float, reach: float) -> Positions:
    """Rows and columns `step` apart that fill the square of `reach`."""
    count = int(2 * reach // step) + 1
    line = (np.arange(count) - (count - 1) / 2) * step
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def archimedean_spiral(step: float, reach: float) -> Positions:
    """`r = step a / 2 pi`, with places one `step` apart along it, within the square of `reach`."""
    most = np.sqrt(2.0) * reach
    # The length of the curve is nearly a^2 step / 4 pi.
    count = int(np.pi * most**2 / step**2) + 1
    angle = np.sqrt(4 * np.pi * np.arange(count))
    return _within(step * angle / (2 * np.pi), angle, reach)


def fermat_spiral(step: float, reach: float) -> Positions:
    """The sunflower: `r = step sqrt(i / pi)`, golden angles, within the square of `reach`."""
    number = np.arange(int(2 * np.pi * reach**2 / step**2) + 1)
    return _within(step * np.sqrt(number / np.pi), number * np.pi * (3 - np.sqrt(5)), reach)


def random_positions(rng: np.random.Generator, step: float, reach: float) -> Positions:
    """Uniformly random places drawn by rng, one in an area of step^2, in the square of `reach`."""
    count = max(1, round((2 * reach / step) ** 2))
    return rng.uniform(-reach, reach, (count, 2))


def _within(radius: NDArray[np.float64], angle: NDArray[np.float64], reach: float) -> Positions:
    places = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return np.asarray(places[(np.abs(places) <= reach).all(axis=1)], np.float64)


def record_positions(
    rng: np.random.Generator, true: Positions, rms_px: float, drift_px: float, scale: float, rotation_deg: float
) -> Positions:
    """The `true` positions as a stage would record them: scaled and turned about their mean, drifting, and with errors
    drawn by rng.

    rms_px: of the errors along each axis; drift_px: over the scan along y, -0.6 of it along x; scale: recorded over
    true; rotation_deg: of the recorded positions.
    """
    centre, turn = true.mean(axis=0), np.deg2rad(rotation_deg)
    y, x = (true - centre).T
    turned = np.stack([np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y], axis=1)
    time = np.linspace(-0.5, 0.5, len(true))[:, None] * drift_px * np.array([1.0, -0.6])
    return np.asarray(centre + scale * turned + time + rng.normal(0.0, rms_px, true.shape), np.float64)
