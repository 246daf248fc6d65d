"""Which patterns may stand beside a pattern in its group: one function for each rule."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_config import FourQuadrant, MinDistance
from ptycho_config.schema import NeighbourRule

MISSING = -1
Index = NDArray[np.int64]
Position = NDArray[np.float64]


def candidates(position_yx: Position, centres: Index, rule: NeighbourRule, count: int) -> Index:
    """Up to `count` others of each centre, nearest first, `(B, count)` with `MISSING` at the end.

    The centre itself is never among them, and no index twice. For four quadrants the columns
    are upper left, upper right, lower left, lower right, and `count` is not used.
    """
    match rule:
        case MinDistance():
            low, high = rule.min_neighbor_distance, rule.max_neighbor_distance
            return within(position_yx, centres, count, low, high)
        case FourQuadrant():
            return by_quadrant(position_yx, centres, rule)
        case _:
            return nearest(position_yx, centres, count)[0]


def nearest(position_yx: Position, centres: Index, count: int) -> tuple[Index, Position]:
    """The `count` nearest others and their distances, both `(B, count)`; fewer in a small scan."""
    count = min(count, len(position_yx) - 1)
    if count <= 0:
        return np.empty((len(centres), 0), np.int64), np.empty((len(centres), 0))
    distance, found = cKDTree(position_yx).query(position_yx[centres], k=count + 1, workers=-1)
    itself = found == centres[:, None]
    # Coinciding positions may list the centre anywhere, or not at all: then the farthest goes.
    itself[~itself.any(axis=1), -1] = True
    shape = (len(centres), count)
    return found[~itself].reshape(shape).astype(np.int64), distance[~itself].reshape(shape)


def within(position_yx: Position, centres: Index, count: int, low: float, high: float) -> Index:
    """The `count` nearest others with `low <= d <= high`, as many as there are."""
    wanted = count
    while True:
        found, distance = nearest(position_yx, centres, wanted)
        allowed = (distance >= low) & (distance <= high)
        enough = (allowed.sum(axis=1) >= count) | (distance[:, -1] > high)
        if found.shape[1] < wanted or enough.all():
            return _packed(found, allowed, count)
        wanted *= 2


def _packed(found: Index, allowed: NDArray[np.bool_], count: int) -> Index:
    """Allowed entries first, in their order, `MISSING` after them."""
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :count]
    kept = np.take_along_axis(np.where(allowed, found, MISSING), order, axis=1)
    missing = count - kept.shape[1]
    return np.pad(kept, ((0, 0), (0, missing)), constant_values=MISSING) if missing > 0 else kept


def by_quadrant(position_yx: Position, centres: Index, rule: FourQuadrant) -> Index:
    """The nearest other in each quadrant, `(B, 4)`, `MISSING` where a quadrant is empty.

    Among the `K_quadrant` nearest with `min <= d < max`. Isotropic: neighbours on an axis through
    the centre belong to no quadrant; Rectangular: those on the centre's own row are upper ones,
    so that the rows of a raster scan are not lost.
    """
    found, distance = nearest(position_yx, centres, rule.K_quadrant)
    offset = position_yx[found] - position_yx[centres][:, None]
    dy, dx = offset[..., 0], offset[..., 1]
    allowed = (distance >= rule.min_neighbor_distance) & (distance < rule.max_neighbor_distance)
    upper = dy <= 0 if rule.scan_pattern == "Rectangular" else dy < 0
    quadrants = [(upper, dx < 0), (upper, dx > 0), (dy > 0, dx < 0), (dy > 0, dx > 0)]
    columns = [_packed(found, allowed & rows & sides, 1) for rows, sides in quadrants]
    return np.concatenate(columns, axis=1)
