"""The patterns that may join a pattern in its group: one function for each rule.

Tables of neighbours are int32, since no scan has 2^31 patterns, and are made block by block of
centres, since a search needs several times the memory of what is kept of it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_config.schema import FourQuadrant, MinDistance, NeighbourRule

MISSING = -1
BLOCK = 2**14
Index = NDArray[np.int64]
Table = NDArray[np.int32]
Position = NDArray[np.float64]


def candidates(position_yx: Position, centres: Index, rule: NeighbourRule, count: int) -> Table:
    """Up to `count` others of centres `(B,)`, nearest first, `(B, count)` with `MISSING` at the end.

    position_yx `(n, 2)` in pixels; rule: the others that are allowed. The centre itself is never among
    them, and no index twice. For four quadrants the columns
    are upper left, upper right, lower left, lower right, and `count` is not used.
    """
    tree = cKDTree(position_yx)
    first = _candidates(tree, centres[:BLOCK], rule, count)
    table = np.empty((len(centres), first.shape[1]), np.int32)
    table[:BLOCK] = first
    for start in range(BLOCK, len(centres), BLOCK):
        rows = slice(start, start + BLOCK)
        table[rows] = _candidates(tree, centres[rows], rule, count)
    return table


def _candidates(tree: cKDTree, centres: Index, rule: NeighbourRule, count: int) -> Table:
    match rule:
        case MinDistance():
            return within(tree, centres, count, rule.min_neighbor_distance, rule.max_neighbor_distance)
        case FourQuadrant():
            return by_quadrant(tree, centres, rule)
        case _:
            return nearest(tree, centres, count)[0]


def nearest(tree: cKDTree, centres: Index, count: int) -> tuple[Table, Position]:
    """The `count` nearest others of centres `(B,)` in a tree of positions, and their distances, both
    `(B, count)`; fewer in a small scan."""
    count = min(count, tree.n - 1)
    if count <= 0:
        return np.empty((len(centres), 0), np.int32), np.empty((len(centres), 0))
    distance, found = tree.query(tree.data[centres], k=count + 1, workers=-1)
    itself = found == centres[:, None]
    # Coinciding positions may list the centre anywhere, or not at all: then the farthest goes.
    itself[~itself.any(axis=1), -1] = True
    shape = (len(centres), count)
    return found[~itself].reshape(shape).astype(np.int32), distance[~itself].reshape(shape)


def within(tree: cKDTree, centres: Index, count: int, low: float, high: float) -> Table:
    """The `count` nearest others of centres `(B,)` in a tree of positions with `low <= d <= high`, as many as
    there are."""
    wanted = count
    while True:
        found, distance = nearest(tree, centres, wanted)
        allowed = (distance >= low) & (distance <= high)
        if found.shape[1] < wanted:
            return _pack(found, allowed, count)
        enough = (allowed.sum(axis=1) >= count) | (distance[:, -1] > high)
        if enough.all():
            return _pack(found, allowed, count)
        wanted *= 2


def _pack(found: Table, allowed: NDArray[np.bool_], count: int) -> Table:
    """Allowed entries first, in their order, `MISSING` after them."""
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :count]
    kept = np.take_along_axis(np.where(allowed, found, np.int32(MISSING)), order, axis=1)
    missing = count - kept.shape[1]
    return np.pad(kept, ((0, 0), (0, missing)), constant_values=MISSING) if missing > 0 else kept


def by_quadrant(tree: cKDTree, centres: Index, rule: FourQuadrant) -> Table:
    """The nearest other of centres `(B,)` in each quadrant, `(B, 4)`, `MISSING` where a quadrant is empty.

    Among the `K_quadrant` nearest of the tree with `min <= d < max`, as the rule says. Isotropic: neighbours
    on an axis through the centre belong to no quadrant; Rectangular: those on the centre's own row are
    upper ones, so that the rows of a raster scan are not lost.
    """
    found, distance = nearest(tree, centres, rule.K_quadrant)
    offset = tree.data[found] - tree.data[centres][:, None]
    dy, dx = offset[..., 0], offset[..., 1]
    allowed = (distance >= rule.min_neighbor_distance) & (distance < rule.max_neighbor_distance)
    upper = dy <= 0 if rule.scan_pattern == "Rectangular" else dy < 0
    quadrants = [(upper, dx < 0), (upper, dx > 0), (dy > 0, dx < 0), (dy > 0, dx > 0)]
    columns = [_pack(found, allowed & rows & sides, 1) for rows, sides in quadrants]
    return np.concatenate(columns, axis=1)
