"""Stitching: overlapping patches become one object on the pixel grid of the scan."""

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity, shift_probe
from ptycho_torch.physics.patches import Footprints, cut
from ptycho_torch.physics.windows import add
from ptycho_torch.records import Canvas, Scan

_CHUNK = 256


def canvas_of(centre_yx: Tensor, side: int) -> tuple[Tensor, int, int]:
    """The smallest canvas that holds every patch of `side` px: the object pixel of its element
    `[0, 0]` as (y, x) float64, its height and its width. Centres `(n, 2)` may be fractional."""
    low = torch.floor(centre_yx.amin(dim=0).double()) - side // 2
    high = torch.ceil(centre_yx.amax(dim=0).double()) - side // 2 + side
    height, width = (int(extent) for extent in high - low)
    return low, height, width


def illumination(scan: Scan, origin_yx: tuple[int, int], shape: tuple[int, ...]) -> Tensor:
    """`sum_j sum_p |P_p(r - f_j - c_j)|^2` on a canvas `(H, W)` of that shape whose `[0, 0]` is scan pixel
    `origin_yx` and that holds every patch; float32."""
    light = torch.zeros(*shape)
    corner = scan.centre_yx - scan.probe.shape[-1] // 2 - torch.tensor(origin_yx)
    for rows in torch.arange(len(corner)).split(_CHUNK):
        probes = shift_probe(scan.probe, scan.fraction_yx[rows])
        add(light, mode_sum_intensity(probes), corner[rows].tolist())
    return light


def initial_patches(scan: Scan, rows: Tensor) -> Tensor | None:
    """The first guess of the object where patterns `rows`, of any shape, look: `(..., N, N)`."""
    if scan.initial is None:
        return None
    side = scan.probe.shape[-1]
    origin, _, _ = canvas_of(scan.centre_yx, side)
    corner = scan.centre_yx[rows.flatten()] - side // 2 - origin
    patches: Tensor = cut(scan.initial, corner.to(torch.float32), side).unflatten(0, rows.shape)
    return patches


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
