"""A local map of canvases in tiles, so that what it holds does not grow with the canvas."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def map_in_tiles(
    function: Callable[..., Tensor], canvases: Sequence[Tensor], reach: int, multiple: int, tile: int
) -> Tensor:
    """`function(*canvases)`, computed in tiles, each with `reach` px around it.

    canvases: `(B, H, W)` each; the first has the type of the result `(B, H, W)`. reach: the largest distance in px over
    which a pixel of the result depends on the canvases, itself a multiple of `multiple`, by which the function is
    translation invariant. tile: side of a tile in px, rounded down to a multiple.
    """
    mapped = torch.empty_like(canvases[0])
    height, width = mapped.shape[-2:]
    step = max(tile // multiple, 1) * multiple
    for top in range(0, height, step):
        for left in range(0, width, step):
            y, x = max(top - reach, 0), max(left - reach, 0)
            rows, columns = slice(y, top + step + reach), slice(x, left + step + reach)
            found = function(*(canvas[:, rows, columns] for canvas in canvases))
            here = mapped[:, top : top + step, left : left + step]
            here.copy_(found[:, top - y :, left - x :][:, : here.shape[1], : here.shape[2]])
    return mapped
