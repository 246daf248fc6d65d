"""Square windows of one canvas at whole-pixel corners: read, add, clear.

`patches.Footprints` and `patches.cut` do the same for batches of canvases, fractional corners and
gradients; here a window is a slice, which costs a few microseconds and no index.
"""

import torch
from torch import Tensor

Corners = list[list[int]]


def read(canvas: Tensor, corners: Corners, side: int) -> Tensor:
    """Windows `(B, side, side)` of a canvas `(H, W)` whose first pixels are `corners`, (y, x)."""
    return torch.stack([canvas[y : y + side, x : x + side] for y, x in corners])


def add(canvas: Tensor, windows: Tensor, corners: Corners) -> None:
    """Add windows `(B, side, side)` to the canvas `(H, W)` at their corners, in place."""
    side = windows.shape[-1]
    for (y, x), window in zip(corners, windows.unbind(), strict=True):
        canvas[y : y + side, x : x + side] += window


def clear(canvas: Tensor, corners: Corners, side: int) -> None:
    """Set windows of `side` px at corners of the canvas `(H, W)` to 0, in place."""
    for y, x in corners:
        canvas[y : y + side, x : x + side] = 0


def check_inside(corner_yx: Tensor, side: int, shape: torch.Size) -> None:
    """Raise ValueError where a window of `side` px at corner_yx `(n, 2)` leaves a canvas of that shape."""
    low, high = corner_yx.amin(0).tolist(), (corner_yx.amax(0) + side).tolist()
    if min(low) < 0 or high[0] > shape[0] or high[1] > shape[1]:
        msg = (
            f"patches of {side} px from {low} to {high} (y, x) do not fit an object of {tuple(shape)} px: "
            "stitch the object from the same scan"
        )
        raise ValueError(msg)
