"""A group of patches becomes one region, at the true fractional places of its scan points.

The offset of a patch is `d_c = o - r_c`, o the mean position of the group: moving the content of
patch c by `-d_c` brings it to its place around the middle of the region, moving the region by
`+d_c` brings it back.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from tests.strategies.patches import place


def group_offsets(position_yx: Tensor) -> tuple[Tensor, Tensor]:
    """`o = mean_c r_c` `(B, 1, 2)` and `d_c = o - r_c` `(B, C, 2)` of positions `(B, C, 2)` in px."""
    centre = position_yx.mean(dim=1, keepdim=True)
    return centre, centre - position_yx


def even_margin(distance_px: float) -> int:
    """The next even number of px at or above a distance: it widens a region by whole px on both sides."""
    return 2 * math.ceil(math.ceil(distance_px) / 2)


def region_side(side: int, gridsize: int, max_neighbor_distance: float) -> int:
    """`M = N + (g - 1) e`, e the `even_margin` of the distance to the furthest neighbour in px."""
    return side + (gridsize - 1) * even_margin(max_neighbor_distance)


def central_crop(patches: Tensor, side: int) -> Tensor:
    """The middle `side` px of patches `(..., N, N)`, pixel `N//2` staying the centre `side//2`.

    Raises ValueError unless `0 < side <= N`.
    """
    full = patches.shape[-1]
    if not 0 < side <= full:
        raise ValueError(f"a crop of {side} px does not fit into patches of {full} px")
    start = full // 2 - side // 2
    return patches[..., start : start + side, start : start + side]


def group_corners(offset_yx: Tensor, side: int, region: int) -> Tensor:
    """Region pixels `(..., 2)` of element `[0, 0]` of each patch: `(M - N)//2 - d`.

    For `patches.cut` these give the patches of a region, for `patches.merge` their weighted mean.
    """
    return (region - side) // 2 - offset_yx


class Region(NamedTuple):
    """An object `(B, M, M)` complex, and the weight `(B, M, M)` that fell on each pixel."""

    object: Tensor
    weight: Tensor


def reassemble_group(patches: Tensor, weights: Tensor, offset_yx: Tensor, side: int, fill: float = 1.0) -> Region:
    """`R(r) = sum_c w_c(r + d_c) O_c(r + d_c) / sum_c w_c(r + d_c)`, `fill` where no weight falls.

    Patches and weights are interpolated first and multiplied then: a patch weighs what its weight
    says at the very pixel of the region. (`patches.merge` spreads the products `w O`; both agree for
    whole-pixel offsets.) Weights must vanish, or patches go on, at the border of a patch, since what
    is interpolated there fades to 0.

    patches `(B, C, N, N)` complex, weights `(B, C, N, N)` real and not negative, offsets
    `(B, C, 2)`, region of `side` px; vacuum, 1, fills by default. Raises ValueError where a patch
    would leave the region.
    """
    corner = group_corners(offset_yx, patches.shape[-1], side)[:, :, None]
    moved = place(patches[:, :, None], corner, side, side)
    weight = place(weights[:, :, None], corner, side, side)
    total = weight.sum(dim=1)
    empty = total <= torch.finfo(total.dtype).tiny
    mean = (moved * weight).sum(dim=1) / total.masked_fill(empty, 1.0)
    return Region(mean.masked_fill(empty, fill), total)
