"""Canvases: where patches lie on the object of a scan, and how much light falls there."""

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity, shift_probe
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.windows import add
from ptycho_torch.records import Scan

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
