"""Placing patches into a region and cutting them out: two linear maps, adjoint to each other.

`place` is bilinear: a patch at a fractional corner is spread over the four nearest integer
corners with barycentric weights. Integer corners take one tap and lose nothing.
"""

import torch
from torch import Tensor

Tap = tuple[Tensor, Tensor | None]


def _taps(corner_yx: Tensor) -> list[Tap]:
    """The `(integer corner (..., 2), weight (..., 1, 1))` pairs whose weighted sum is `corner_yx`;
    weight None is 1."""
    base = torch.floor(corner_yx)
    fraction = corner_yx - base
    base = base.to(torch.int64)
    if not bool(fraction.any()):
        return [(base, None)]
    fy, fx = fraction.unbind(-1)
    taps: list[Tap] = []
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            taps.append((base + base.new_tensor([dy, dx]), (wy * wx)[..., None, None]))
    return taps


def _flat_index(corner_yx: Tensor, side: int, width: int) -> Tensor:
    """Flat indices `(..., side*side)` of a square window in a row-major image of `width`."""
    step = torch.arange(side, device=corner_yx.device)
    rows = corner_yx[..., 0, None, None] + step[:, None]
    columns = corner_yx[..., 1, None, None] + step
    return (rows * width + columns).flatten(-2)


def _check_inside(corner_yx: Tensor, side: int, height: int, width: int) -> None:
    low = int(corner_yx.min())
    high_y, high_x = corner_yx.flatten(0, -2).amax(0).tolist()
    if low < 0 or high_y + side > height or high_x + side > width:
        msg = (
            f"a {side} px patch with corners up to (y, x) = ({high_y}, {high_x}), lowest {low}, "
            f"does not fit a region of {height} x {width} px"
        )
        raise ValueError(msg)


def place(patches: Tensor, corner_yx: Tensor, height: int, width: int) -> Tensor:
    """`R(r) = sum_c O_c(r - s_c)`: add patches `(..., C, N, N)` into regions `(..., H, W)`.

    corner_yx `(..., C, 2)` is the region pixel of each patch's `[0, 0]`, (y, x), real-valued.
    Raises ValueError when a patch would leave the region: nothing is dropped.
    """
    region = patches.new_zeros(*patches.shape[:-3], height, width)
    add_patches(region, patches, corner_yx)
    return region


def add_patches(region: Tensor, patches: Tensor, corner_yx: Tensor) -> None:
    """`place` into a contiguous region `(..., H, W)` that exists, which it changes: the cost does not
    grow with the region."""
    side = patches.shape[-1]
    height, width = region.shape[-2:]
    flat = region.view(*region.shape[:-2], height * width)
    for corner, weight in _taps(corner_yx):
        _check_inside(corner, side, height, width)
        values = patches if weight is None else patches * weight
        flat.scatter_add_(-1, _flat_index(corner, side, width).flatten(-2), values.flatten(-3))


def cut(region: Tensor, corner_yx: Tensor, side: int) -> Tensor:
    """`O_c(r) = R(r + s_c)`: cut patches `(..., C, side, side)` from regions `(..., H, W)`.

    The adjoint of `place`: `<place(a), b> = <a, cut(b)>` for the same corners.
    """
    height, width = region.shape[-2:]
    flat = region.flatten(-2)
    shape = (*corner_yx.shape[:-1], side, side)
    taps: list[Tensor] = []
    for corner, weight in _taps(corner_yx):
        _check_inside(corner, side, height, width)
        index = _flat_index(corner, side, width)
        tap = flat.gather(-1, index.flatten(-2)).view(shape)
        taps.append(tap if weight is None else tap * weight)
    return taps[0] if len(taps) == 1 else torch.stack(taps).sum(dim=0)


def merge(patches: Tensor, weights: Tensor, corner_yx: Tensor, height: int, width: int) -> Tensor:
    """`R = sum_c w_c O_c / sum_c w_c` on a region `(B, H, W)`, 1 where no weight falls.

    patches `(B, C, N, N)` complex, weights `(B, C, N, N)` real and non-negative, corners
    `(B, C, 2)`. Empty pixels are 1 (vacuum): they carry no illumination, hence no information.
    """
    total = place(weights, corner_yx, height, width)
    weighted = place(patches * weights, corner_yx, height, width)
    empty = total <= torch.finfo(total.dtype).tiny
    return torch.where(empty, torch.ones_like(weighted), weighted / total.masked_fill(empty, 1.0))


def translate(patch: Tensor, shift_yx: Tensor) -> tuple[Tensor, Tensor]:
    """`O(r - s)` for whole pixels and where it is known: patches `(B, N, N)`, shifts `(B, 2)`
    int64, to `(values, covered)`, both `(B, N, N)`; values are 0 where not covered."""
    side = patch.shape[-1]
    source = torch.arange(side, device=patch.device) - shift_yx.unsqueeze(-1)
    inside = (source >= 0) & (source < side)
    covered = inside[:, 0, :, None] & inside[:, 1, None, :]
    source = source.clamp(0, side - 1)
    index = (source[:, 0, :, None] * side + source[:, 1, None, :]).flatten(1)
    return patch.flatten(1).gather(1, index).view_as(patch) * covered, covered
