"""Stitching: overlapping patches become one object on the pixel grid of the scan."""

import torch
from torch import Tensor

from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.physics.patches import Footprints
from ptycho_torch.records import Canvas


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
        corner = (centre_yx.double() - self.side // 2 - self.origin).to(weights.dtype)
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
