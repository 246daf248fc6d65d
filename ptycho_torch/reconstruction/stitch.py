"""Stitching: overlapping patches become one object on the pixel grid of the scan."""

from collections.abc import Callable

import torch
from torch import Tensor

from ptycho_config.schema import StitchOptions
from ptycho_torch.physics.canvas import canvas_of, patch_corners
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.patches import Footprints
from ptycho_torch.records import Canvas
from ptycho_torch.registry import Registry

# From the probes (B, P, N, N) complex64 of patches to the weight (B, N, N) of each of their pixels, real
# and not negative.
StitchWeights = Callable[[Tensor], Tensor]
STITCH_WEIGHTS: Registry[StitchWeights] = Registry("stitch weighting", "ptycho.stitch_weights")
STITCH_WEIGHTS.add("probe")(mode_sum_intensity)


@STITCH_WEIGHTS.add("uniform")
def uniform_weights(probes: Tensor) -> Tensor:
    """1 for every pixel: probes `(B, P, N, N)` to weights `(B, N, N)`."""
    return torch.ones_like(probes.real[:, 0])


def find_stitch_weights(stitch: StitchOptions) -> StitchWeights:
    """The function that `torch.stitch.patch_weighting` names. Raises ConfigError where its package is missing."""
    return STITCH_WEIGHTS.find(stitch.patch_weighting, "torch.stitch.patch_weighting")


def trim_weights(weights: Tensor, trim: int) -> Tensor:
    """The weights `(B, N, N)`, 0 outside the central `trim` px (at most N); a trim of 0 keeps all."""
    if trim == 0:
        return weights
    side = weights.shape[-1]
    centre = torch.zeros(side, device=weights.device)
    centre[side // 2 - trim // 2 : side // 2 - trim // 2 + trim] = 1.0
    return weights * centre[:, None] * centre


class Stitcher:
    """Accumulates `sum_j w_j O_j(r - c_j)` and `sum_j w_j(r - c_j)`; the canvas is their ratio.

    Centres may be fractional: `place` spreads a patch over the four nearest pixels. The
    canvas covers every patch of the scan and element `[0, 0]` is object pixel `origin_yx`.
    """

    def __init__(self, centre_yx: Tensor, side: int, device: torch.device) -> None:
        origin, self.height, self.width = canvas_of(centre_yx, side)
        self.side = side
        self.origin = origin.to(device)
        self.weighted = torch.zeros(self.height, self.width, dtype=torch.complex64, device=device)
        self.weights = torch.zeros(self.height, self.width, device=device)

    def add(self, patches: Tensor, weights: Tensor, centre_yx: Tensor) -> None:
        """Add patches `(B, N, N)` complex with real weights `(B, N, N)` at centres `(B, 2)`."""
        corner = patch_corners(centre_yx.double(), self.side, self.origin).to(weights.dtype)
        footprints = Footprints(corner, self.side, self.height, self.width)
        footprints.add(self.weighted, patches * weights)
        footprints.add(self.weights, weights)

    def canvas(self, illumination_floor: float, scale: float) -> Canvas:
        """The stitched object times `scale`; 1 times `scale` where the summed illumination is
        below `illumination_floor` of its peak: nothing was measured there."""
        seen = self.weights > illumination_floor * self.weights.max()
        mean = self.weighted / self.weights.masked_fill(~seen, 1.0)
        filled = mean.masked_fill_(~seen, 1.0).mul_(scale)
        origin_y, origin_x = self.origin.long().tolist()
        return Canvas(filled.cpu().numpy(), self.weights.cpu().numpy(), (origin_y, origin_x))
