"""Placing patches into a region and cutting them out: two linear maps, adjoint to each other.

`place` is bilinear: a patch at a fractional corner is spread over the four nearest integer
corners with barycentric weights. Integer corners take one tap and lose nothing.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

Tap = tuple[Tensor, Tensor | None]


def _taps(corner_yx: Tensor) -> list[Tap]:
    """The `(integer corner (..., 2), weight (..., 1, 1))` pairs whose weighted sum is `corner_yx`; weight None is 1."""
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


class Footprints:
    """Places of patches of `side` px in regions `(..., H, W)`: computed once, used often.

    corner_yx `(..., C, 2)` is the region pixel of each patch's `[0, 0]`, (y, x), real-valued.
    Raises ValueError when a patch would leave the region: nothing is dropped.
    """

    def __init__(self, corner_yx: Tensor, side: int, height: int, width: int) -> None:
        self.regions = (*corner_yx.shape[:-2], height, width)
        self.patches = (*corner_yx.shape[:-1], side, side)
        self.taps: list[tuple[_Rows, Tensor | None]] = []
        for corner, weight in _taps(corner_yx):
            _check_inside(corner, side, height, width)
            self.taps.append((_Rows(corner, side, height, width), weight))

    @property
    def nbytes(self) -> int:
        """The memory of the indices, once they have been used to place."""
        return sum(rows.start.nbytes * (1 + rows.side) for rows, _ in self.taps)

    def place(self, patches: Tensor) -> Tensor:
        """`R(r) = sum_c O_c(r - s_c)`: add patches `(..., C, N, N)` into regions `(..., H, W)`."""
        total: Tensor | None = None
        for rows, weight in self.taps:
            values = patches if weight is None else patches * weight
            region = _Place.apply(values, rows, self.regions)  # type: ignore[no-untyped-call] # torch's
            total = region if total is None else total + region
        assert total is not None
        return total

    def add(self, region: Tensor, patches: Tensor) -> None:
        """`place` into contiguous regions that exist, which it changes: the cost does not grow with
        the region, and there is no gradient."""
        for rows, weight in self.taps:
            rows.add(region, patches if weight is None else patches * weight)

    def cut(self, region: Tensor) -> Tensor:
        """`O_c(r) = R(r + s_c)`: cut patches `(..., C, N, N)` from regions, the adjoint of `place`."""
        total: Tensor | None = None
        for rows, weight in self.taps:
            tap: Tensor = _Cut.apply(region, rows, self.patches)  # type: ignore[no-untyped-call] # torch's
            values = tap if weight is None else tap * weight
            total = values if total is None else total + values
        assert total is not None
        return total


class _Rows:
    """The rows of all patches at whole-pixel corners, as where each begins in the flattened regions."""

    def __init__(self, corner_yx: Tensor, side: int, height: int, width: int) -> None:
        step = torch.arange(side, device=corner_yx.device)
        corner = corner_yx.flatten(0, -3) if corner_yx.ndim > 2 else corner_yx[None]
        region = torch.arange(len(corner), device=corner.device)[:, None, None] * (height * width)
        first = corner[..., 0, None] + step
        self.side = side
        self.start = (region + first * width + corner[..., 1, None]).flatten()

    @cached_property
    def pixels(self) -> Tensor:
        """The index of every pixel of every row."""
        return (self.start[:, None] + torch.arange(self.side, device=self.start.device)).flatten()

    def add(self, region: Tensor, patches: Tensor) -> None:
        """Add the rows of patches to regions, in place."""
        region.view(-1).scatter_add_(0, self.pixels, patches.reshape(-1))

    def take(self, region: Tensor) -> Tensor:
        """The rows `(rows, side)` of regions, each copied as a whole."""
        return region.reshape(-1).unfold(0, self.side, 1).index_select(0, self.start)


class _Place(torch.autograd.Function):
    """Rows of patches, added into empty regions."""

    @staticmethod
    def forward(ctx: Any, patches: Tensor, rows: _Rows, shape: tuple[int, ...]) -> Tensor:
        ctx.rows, ctx.shape = rows, patches.shape
        region = patches.new_zeros(shape)
        rows.add(region, patches)
        return region

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Cut.apply(grad, ctx.rows, ctx.shape), None, None  # type: ignore[no-untyped-call] # torch's


class _Cut(torch.autograd.Function):
    """Rows of patches, taken from regions."""

    @staticmethod
    def forward(ctx: Any, region: Tensor, rows: _Rows, shape: tuple[int, ...]) -> Tensor:
        ctx.rows, ctx.shape = rows, region.shape
        return rows.take(region).view(shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Place.apply(grad, ctx.rows, ctx.shape), None, None  # type: ignore[no-untyped-call] # torch's


def _check_inside(corner_yx: Tensor, side: int, height: int, width: int) -> None:
    low = int(corner_yx.min())
    high_y, high_x = corner_yx.flatten(0, -2).amax(0).tolist()
    if low < 0 or high_y + side > height or high_x + side > width:
        msg = (
            f"a {side} px patch with corners up to (y, x) = ({high_y}, {high_x}), lowest {low}, "
            f"does not fit a region of {height} x {width} px"
        )
        raise ValueError(msg)


def cut(region: Tensor, corner_yx: Tensor, side: int) -> Tensor:
    """`Footprints.cut` of patches `(..., C, side, side)` at `corner_yx` `(..., C, 2)` from a region `(..., H, W)`.

    The adjoint of `Footprints.place`: `<place(a), b> = <a, cut(b)>` for the same corners.
    """
    return Footprints(corner_yx, side, *region.shape[-2:]).cut(region)


def merge(patches: Tensor, weights: Tensor, corner_yx: Tensor, height: int, width: int) -> Tensor:
    """`merge_footprints` on regions `(B, height, width)`: patches with their weights at corner_yx `(B, C, 2)`."""
    return merge_footprints(patches, weights, Footprints(corner_yx, patches.shape[-1], height, width))


def merge_footprints(patches: Tensor, weights: Tensor, footprints: Footprints) -> Tensor:
    """`R = sum_c w_c O_c / sum_c w_c` on a region `(B, H, W)`, 1 where no weight falls.

    patches `(B, C, N, N)` complex, weights `(B, C, N, N)` real and non-negative, footprints: their places.
    Empty pixels are 1 (vacuum): they carry no illumination, hence no information.
    """
    total = footprints.place(weights)
    weighted = footprints.place(patches * weights)
    empty = total <= torch.finfo(total.dtype).tiny
    return torch.where(empty, torch.ones_like(weighted), weighted / total.masked_fill(empty, 1.0))


def translate(patch: Tensor, shift_yx: Tensor) -> tuple[Tensor, Tensor]:
    """`O(r - s)` for whole pixels: `(values, covered)`, both `(B, N, N)`, values 0 where not covered.

    patch `(B, N, N)`, shift_yx `(B, 2)` int64 in px.
    """
    side = patch.shape[-1]
    source = torch.arange(side, device=patch.device) - shift_yx.unsqueeze(-1)
    inside = (source >= 0) & (source < side)
    covered = inside[:, 0, :, None] & inside[:, 1, None, :]
    source = source.clamp(0, side - 1)
    index = (source[:, 0, :, None] * side + source[:, 1, None, :]).flatten(1)
    return patch.flatten(1).gather(1, index).view_as(patch) * covered, covered
