"""Patches into regions in one call."""

from torch import Tensor

from ptycho_torch.physics.patches import Footprints


def place(patches: Tensor, corner_yx: Tensor, height: int, width: int) -> Tensor:
    """`Footprints.place` of patches `(..., C, N, N)` at corners `(..., C, 2)`."""
    return Footprints(corner_yx, patches.shape[-1], height, width).place(patches)
