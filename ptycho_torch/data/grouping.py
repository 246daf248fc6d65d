"""Which patterns form a group: a frozen plan made by pure numpy code before any training."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_torch.records import Groups


def plan_groups(
    position_yx: NDArray[np.float64],
    *,
    gridsize: int,
    neighbor_count: int,
    n_groups: int | None,
    n_subsample: int | None,
    sequential: bool,
    rng: np.random.Generator,
) -> Groups:
    """One group per chosen pattern: the pattern itself first, then `gridsize^2 - 1` distinct
    others drawn from its `neighbor_count` nearest neighbours.

    The neighbours that were not drawn remain as candidate partners, nearest first. Raises
    ValueError when the scan is too small for what is asked.
    """
    keep = _subsample(len(position_yx), n_subsample, rng)
    count = len(keep)
    others = gridsize**2 - 1
    wanted = count if n_groups is None else n_groups
    if wanted > count:
        raise ValueError(
            f"n_groups is {wanted}, but there are {count} patterns; null takes one group per pattern"
        )
    if neighbor_count < others:
        raise ValueError(
            f"neighbor_count {neighbor_count} cannot fill groups of {others + 1} (gridsize {gridsize})"
        )
    if others >= count:
        raise ValueError(f"a group of gridsize {gridsize} needs {others + 1} patterns, the scan has {count}")
    seeds = _seeds(count, wanted, None if sequential else rng)
    nearest = _nearest(position_yx[keep], seeds, min(neighbor_count, count - 1))
    order = np.argsort(rng.random(nearest.shape), axis=1)
    drawn, left = order[:, :others], np.sort(order[:, others:], axis=1)
    members = np.concatenate([seeds[:, None], np.take_along_axis(nearest, drawn, axis=1)], axis=1)
    return Groups(keep[members], keep[np.take_along_axis(nearest, left, axis=1)])


def _subsample(count: int, wanted: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    if wanted is None:
        return np.arange(count)
    if wanted > count:
        raise ValueError(f"n_subsample is {wanted}, but the scan has {count} patterns")
    return np.sort(rng.choice(count, wanted, replace=False))


def _seeds(count: int, wanted: int, rng: np.random.Generator | None) -> NDArray[np.int64]:
    if rng is None or wanted == count:
        return np.arange(wanted)
    return np.sort(rng.choice(count, wanted, replace=False))


def _nearest(position_yx: NDArray[np.float64], seeds: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The k nearest others of each seed, `(B, k)`; the seed itself is never among them."""
    if k == 0:
        return np.empty((len(seeds), 0), np.int64)
    _, found = cKDTree(position_yx).query(position_yx[seeds], k=k + 1, workers=-1)
    found = np.atleast_2d(np.asarray(found, np.int64))
    # Coinciding positions may list the seed anywhere, or not at all: then the farthest goes.
    itself = found == seeds[:, None]
    itself[~itself.any(axis=1), -1] = True
    others: NDArray[np.int64] = found[~itself].reshape(len(seeds), k)
    return others
