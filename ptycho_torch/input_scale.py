"""The scale at which a group of patterns is shown to a network."""

from typing import Literal

import torch
from torch import Tensor


def group_gain(amplitude: Tensor, size: int, method: Literal["Parseval", "Max"]) -> Tensor:
    """`sqrt(N^2 / <sum A^2>)` or `1 / max sum A` over each group of `size` patterns.

    amplitude `(B, S, N, N)`, S a multiple of `size`; returns `(B, S, 1, 1)`, equal within a group.
    Dark groups are shown as they are.
    """
    groups = amplitude.unflatten(1, (-1, size))
    if method == "Max":
        level = groups.sum(dim=(-2, -1)).amax(dim=2)
    else:
        level = groups.square().mean(dim=(-2, -1)).mean(dim=2).sqrt()
    gain = torch.where(level > 0, 1 / level.clamp_min(torch.finfo(level.dtype).tiny), 1.0)
    return gain.repeat_interleave(size, dim=1)[..., None, None]
