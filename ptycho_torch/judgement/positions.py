"""Positions far from all others: spikes of an encoder, and patterns without a neighbour."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ptycho_torch.physics.spacing import effective_diameter, nearest_step
from ptycho_torch.verdict import Evidence, enumeration

# A gap of a scan is so many times the usual distance of neighbours; a part of a scan has this share of its positions.
GAP, PART = 6.0, 0.05


def position_spikes(position_yx: NDArray[np.float64], side: int) -> NDArray[np.int64]:
    """Indices of positions position_yx `(n, 2)` px that lie apart, alone or few together.

    side: of a pattern in px; a patch that overlaps with half of another one is never apart.
    """
    count = len(position_yx)
    if count < 3:
        return np.empty(0, np.int64)
    tree = cKDTree(position_yx)
    usual = float(np.median(tree.query(position_yx, k=2)[0][:, 1]))
    reach = max(GAP * usual, side / 2)
    # Chains of nearest neighbours are enough to join what belongs together, and few where many lie at one place.
    number = min(count, 16)
    distance, other = tree.query(position_yx, k=number, distance_upper_bound=reach)
    rows = np.repeat(np.arange(count), number)[np.isfinite(distance).ravel()]
    pairs = coo_array((np.ones(len(rows)), (rows, other[np.isfinite(distance)])), shape=(count, count))
    _, part = connected_components(pairs, directed=False)
    size = np.bincount(part)[part]
    few = size < max(PART * count, 2)
    return np.flatnonzero(few) if few.sum() <= PART * count else np.empty(0, np.int64)


def position_evidence(position_yx: NDArray[np.float64], spikes: NDArray[np.int64], side: int) -> Iterator[Evidence]:
    """The evidence of spikes among positions position_yx `(n, 2)` px, for patches of `side` px."""
    if not len(spikes):
        return
    rest = np.delete(position_yx, spikes, axis=0)
    with_them, without = (np.ptp(one, axis=0) + side for one in (position_yx, rest))
    frames = tuple(int(one) for one in spikes)
    text = (
        f"{len(frames)} positions lie far from all others and are left out: {enumeration(frames)}; with them the "
        f"object would have {with_them[0]:.0f} x {with_them[1]:.0f} px instead of {without[0]:.0f} x {without[1]:.0f}"
    )
    remedy = "correct these positions"
    yield Evidence(name="position spikes", level="doubtful", text=text, value=len(frames), frames=frames, remedy=remedy)


def overlap_evidence(position_yx: NDArray[np.float64], probe: NDArray[np.complex64]) -> Iterator[Evidence]:
    """The evidence of patterns that share no part of the object, at positions position_yx `(n, 2)` px under a probe
    `(P, N, N)`."""
    step, width = nearest_step(position_yx), effective_diameter(np.square(np.abs(probe)).sum(axis=0))
    if len(position_yx) > 1 and step <= width:
        return
    apart = f"positions are {step:.3g} px apart and the probe is about {width:.3g} px wide"
    text = f"patterns do not overlap, and alone hardly determine an object: {apart}"
    if len(position_yx) == 1:
        text = "one pattern alone hardly determines an object"
    remedy = "check the unit of positions, or scan with smaller steps"
    yield Evidence(name="overlap", level="doubtful", text=text, value=step, remedy=remedy)
