"""A canvas on a larger grid: with a border, or on the array of another program."""

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.records import Canvas


def pad_canvas(canvas: Canvas, border: int) -> Canvas:
    """The canvas with `border` px of vacuum around it, of the mean modulus where it was illuminated."""
    illuminated = canvas.illumination > 0
    level = np.abs(canvas.object[illuminated]).mean() if illuminated.any() else 1.0
    object_ = np.pad(canvas.object, border, constant_values=np.complex64(level))
    y, x = canvas.origin_yx
    return Canvas(object_, np.pad(canvas.illumination, border), (y - border, x - border))


def place_on_array(canvas: Canvas, shape: tuple[int, int]) -> NDArray[np.complex64]:
    """The canvas on an array of `shape` (H, W) whose `[0, 0]` is object pixel (0, 0); where it was not
    illuminated, vacuum of the mean modulus and phase of the rest."""
    illuminated = canvas.illumination > 0
    seen = canvas.object[illuminated]
    level = np.complex64(np.abs(seen).mean() * np.exp(1j * np.angle(seen.mean()))) if seen.size else 1.0
    whole = np.full(shape, level, np.complex64)
    edges = list(zip(canvas.origin_yx, canvas.object.shape, shape, strict=True))
    into = tuple(slice(max(start, 0), min(start + length, size)) for start, length, size in edges)
    part = tuple(slice(i.start - o, i.stop - o) for i, o in zip(into, canvas.origin_yx, strict=True))
    whole[into] = np.where(illuminated, canvas.object, level)[part]
    return whole
