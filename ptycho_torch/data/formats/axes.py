"""Orders of axes in files that hold arrays by name only: decided by shapes, refused where two readings fit."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.errors import DataError

_ORDERS = {"nyx": False, "yxn": True}


def is_legacy_order(shape: tuple[int, ...], n_positions: int) -> bool:
    """Whether a pattern array of that three-dimensional shape is (H, W, n) and not (n, H, W).

    The square pair of axes decides; where both or neither is square, the axis that matches
    n_positions; then the axis shorter than it; then the larger last axis.
    """
    first, second, third = shape
    decided = _decide((second == third, first, first), (first == second, third, third), n_positions)
    return third > max(first, second) if decided is None else decided


def _decide(first: tuple[bool, int, int], last: tuple[bool, int, int], n_positions: int) -> bool | None:
    """Whether patterns come last, from (whether frames are square, their number, that number) of both readings."""
    for one, other in (
        (first[0], last[0]),
        (first[1] == n_positions, last[1] == n_positions),
        (first[2] < n_positions, last[2] < n_positions),
    ):
        if one != other:
            return other
    return None


def without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of patterns without the channel of one that networks want: `(n, N, N, 1)`, `(N, N, n, 1)` and
    `(1, N, N, n)`."""
    if len(shape) == 4 and shape[3] == 1:
        return shape[:3]
    if len(shape) == 4 and shape[0] == 1 and shape[1] == shape[2] != shape[3]:
        return shape[1:]
    return shape


def patterns_last(path: Path, key: str, shape: tuple[int, ...], n_positions: int, declared: str | None) -> bool:
    """Whether patterns of a shape are `(N, N, n)` or `(N, N, rows, columns)`, and not `(n, N, N)` or
    `(rows, columns, N, N)`.

    path, key: of the patterns, for errors; n_positions: the length of the coordinates; declared: `nyx` or `yxn`, where
    the file says it. Raises DataError where
    both readings fit, and for any other number of axes.
    """
    if len(shape) not in (3, 4):
        raise DataError(
            str(path), f"{key} must be (n, N, N), or a raster of frames (rows, columns, N, N); its shape is {shape}"
        )
    if declared is not None:
        if declared not in _ORDERS:
            raise DataError(str(path), f"axes must be {' or '.join(_ORDERS)}, got {declared!r}")
        return _ORDERS[declared]
    first, last = math.prod(shape[:-2]), math.prod(shape[2:])
    both_square = shape[-2] == shape[-1] and shape[0] == shape[1]
    if len(shape) == 3 and not both_square:
        return is_legacy_order(shape, n_positions)
    decided = _decide((shape[-2] == shape[-1], first, first), (shape[0] == shape[1], last, last), n_positions)
    if decided is None and (n_positions in shape[:-2]) != (n_positions in shape[2:]):
        decided = n_positions in shape[2:]  # coordinates of the axes of a raster
    if decided is None:
        raise DataError(
            str(path),
            f"the order of the axes of {key} {shape} is ambiguous: {first} patterns of {shape[-2]} x {shape[-1]} along "
            f"the first axis, or {last} of {shape[0]} x {shape[1]} along the last",
            "add the text `axes` to the file, 'nyx' for the first or 'yxn' for the second",
        )
    return decided


def grid_positions(path: Path, y: NDArray[Any], x: NDArray[Any], raster: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Positions (y, x) `(n, 2)` from lists, from grids of one shape, or from the axes of a raster of frames.

    path: for errors; y, x: the coordinates; raster: (rows, columns) of the frames, or (n,). None where the lengths do
    not fit together. Raises DataError for axes of equal length, which do not say which of them is y.
    """
    if (
        y.shape == x.shape
        and y.ndim in (1, 2)
        and not (y.ndim == 1 and len(raster) == 2 and y.size != math.prod(raster))
    ):
        return np.stack([y.reshape(-1), x.reshape(-1)], axis=1).astype(np.float64)
    if y.ndim != 1 or x.ndim != 1 or len(raster) != 2 or sorted((len(y), len(x))) != sorted(raster):
        return None
    if len(y) == len(x):
        message = f"{len(y)} coordinates along each axis of {raster[0]} x {raster[1]} frames: is the first y or x?"
        raise DataError(str(path), message, "give a coordinate of each frame")
    indexing: Any = "ij" if len(y) == raster[0] else "xy"
    grid_y, grid_x = np.meshgrid(y, x, indexing=indexing)
    return np.stack([grid_y.reshape(-1), grid_x.reshape(-1)], axis=1).astype(np.float64)
