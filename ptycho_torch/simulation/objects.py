"""Structures of simulated objects: images `(side, side)` with values in [0, 1]."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

Image = NDArray[np.float64]


def dead_leaves(
    rng: np.random.Generator, side: int, leaves: int, smallest: float = 0.01, largest: float = 0.25
) -> Image:
    """Discs and boxes of radius `p(r) ~ r^-3` that cover each other, with texture (Lee, Mumford & Huang, Int. J.
    Comput. Vis. 41, 35 (2001)).

    rng: of all draws; side: of the image, px; leaves: how many; smallest, largest: their radii, of the side.
    """
    share = rng.random(leaves)
    radii = 1.0 / np.sqrt(share / (smallest * side) ** 2 + (1 - share) / (largest * side) ** 2)
    y, x = np.ogrid[:side, :side]
    image = np.full((side, side), rng.random())
    for radius in radii:
        centre_y, centre_x, turn = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(0, np.pi)
        down, right = y - centre_y, x - centre_x
        along = np.abs(np.cos(turn) * down + np.sin(turn) * right)
        across = np.abs(np.cos(turn) * right - np.sin(turn) * down) * rng.uniform(1.0, 3.0)
        inside = np.maximum(along, across) < radius if rng.random() < 0.5 else along**2 + across**2 < radius**2
        image[inside] = rng.random()
    texture = ndimage.gaussian_filter(rng.standard_normal((side, side)), rng.uniform(0.7, 6.0))
    image += rng.uniform(0.0, 0.3) * texture / texture.std() * 0.3
    return _unit(ndimage.gaussian_filter(image, rng.uniform(0.3, 1.5)))


def straight_lines(rng: np.random.Generator, side: int, lines: int, width_px: float) -> Image:
    """Lines of about width_px at random places and angles; where they cross, the heavier one counts.

    rng: of all draws; side: of the image, px; lines: how many.
    """
    y, x = np.mgrid[:side, :side] - np.float64(side / 2)
    image = np.zeros((side, side))
    for _ in range(lines):
        turn, offset = rng.uniform(0, np.pi), rng.uniform(-side / 2, side / 2) * np.sqrt(2)
        distance = np.abs(np.cos(turn) * y + np.sin(turn) * x - offset)
        half = width_px * rng.uniform(0.5, 1.5) / 2
        image = np.maximum(image, rng.uniform(0.3, 1.0) * np.clip(half - distance + 0.5, 0, 1))
    return _unit(image)


def line_grid(side: int, pitch_px: float, width_px: float, turn_deg: float) -> Image:
    """Two families of parallel lines, pitch_px apart, width_px wide and turned by turn_deg, `(side, side)`."""
    y, x = np.mgrid[:side, :side] - np.float64(side / 2)
    turn = np.deg2rad(turn_deg)
    along, across = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    bars = [
        np.clip(width_px / 2 - np.abs((place + pitch_px / 2) % pitch_px - pitch_px / 2) + 0.5, 0, 1)
        for place in (along, across)
    ]
    return _unit(np.maximum(*bars))


def power_law_noise(rng: np.random.Generator, side: int, exponent: float) -> Image:
    """Noise drawn by rng, `(side, side)`, whose amplitude falls with frequency as `f^-exponent`."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((side, side))) * frequency**-exponent
    return _unit(np.real(np.fft.ifft2(spectrum)))


def blobs(rng: np.random.Generator, side: int, size_px: float, *, sharp: bool) -> Image:
    """Noise drawn by rng, `(side, side)`, with structure of size_px; with sharp borders between two values if sharp."""
    smooth = ndimage.gaussian_filter(rng.standard_normal((side, side)), size_px / 2, mode="wrap")
    return _unit(ndimage.gaussian_filter((smooth > 0).astype(np.float64), 0.7) if sharp else smooth)


def polyhedra(rng: np.random.Generator, side: int, crystals: int, size_px: float) -> Image:
    """Thickness along the beam of convex crystals: each is the common part of half-spaces `n_i . (r - c) < d_i`.

    rng: of all draws; side: of the image, px; crystals: how many; size_px: their mean radius.
    """
    y, x = np.mgrid[:side, :side].astype(np.float64)
    image = np.zeros((side, side))
    cube = np.concatenate([np.eye(3), -np.eye(3)])
    for _ in range(crystals):
        cuts = rng.standard_normal((int(rng.integers(0, 7)), 3))
        normals = np.concatenate([cube, cuts / np.linalg.norm(cuts, axis=1, keepdims=True)])
        normals = Rotation.random(random_state=int(rng.integers(2**31))).apply(normals)
        reach = size_px * rng.uniform(0.6, 1.2, len(normals))
        centre = rng.uniform(0, side, 2)
        across = normals[:, 1, None, None] * (y - centre[0]) + normals[:, 2, None, None] * (x - centre[1])
        slope = np.where(np.abs(normals[:, 0]) < 1e-6, 1e-6, normals[:, 0])[:, None, None]
        depth = (reach[:, None, None] - across) / slope
        upper = np.where(slope > 0, depth, np.inf).min(axis=0)
        lower = np.where(slope < 0, depth, -np.inf).max(axis=0)
        image += np.clip(upper - lower, 0, None)
    return _unit(ndimage.gaussian_filter(image, 0.5))


def _unit(image: NDArray[np.floating]) -> Image:
    """The image mapped onto [0, 1]."""
    return np.asarray((image - image.min()) / np.ptp(image), np.float64)
