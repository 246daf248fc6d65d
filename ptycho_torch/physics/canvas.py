"""Canvases: where patches lie on the object of a scan, and its illumination."""

from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.physics.windows import add
from ptycho_torch.records import Scan

_CHUNK = 256
Places = TypeVar("Places", Tensor, NDArray[Any])


def patch_corners(centre_yx: Places, side: int, origin_yx: Places | float = 0) -> Places:
    """`c - N // 2 - o`: the canvas pixel of element `[0, 0]` of patches of N px around object pixels c.

    centre_yx: `(..., 2)` in px, (y, x), whole or fractional. side: N in px. origin_yx: the object pixel `(..., 2)` of
    element `[0, 0]` of the canvas; 0 gives object pixels. The result has the shape of centre_yx.
    """
    return centre_yx - side // 2 - origin_yx


def canvas_of(centre_yx: Tensor, side: int) -> tuple[Tensor, int, int]:
    """The smallest canvas that holds every patch of a scan: the object pixel of its element `[0, 0]` as
    (y, x) float64, its height and its width in px.

    centre_yx: `(n, 2)` in px, whole or fractional. side: of a patch in px.
    """
    low = patch_corners(torch.floor(centre_yx.amin(dim=0).double()), side)
    high = patch_corners(torch.ceil(centre_yx.amax(dim=0).double()), side) + side
    height, width = (int(extent) for extent in high - low)
    return low, height, width


def illumination(scan: Scan, origin_yx: tuple[int, int], shape: tuple[int, ...]) -> Tensor:
    """`sum_j sum_p |P_p(r - f_j - c_j)|^2` on a canvas `(H, W)` float32.

    origin_yx: the scan pixel of its element `[0, 0]`. shape: (H, W); it must hold every patch.
    """
    total = torch.zeros(*shape)
    corner = patch_corners(scan.centre_yx, scan.probe.shape[-1], torch.tensor(origin_yx))
    for rows in torch.arange(len(corner)).split(_CHUNK):
        probes = frame_probes(scan, rows, scan.probe)
        add(total, mode_sum_intensity(probes), corner[rows].tolist())
    return total


def initial_patches(scan: Scan, rows: Tensor) -> Tensor | None:
    """Patches `(..., N, N)` complex64 of the first guess of the object, None where the scan has none.

    rows: indices of patterns `(...)` int64.
    """
    if scan.initial is None:
        return None
    side = scan.probe.shape[-1]
    origin, _, _ = canvas_of(scan.centre_yx, side)
    corner = patch_corners(scan.centre_yx[rows.flatten()], side, origin)
    patches: Tensor = cut(scan.initial, corner.to(torch.float32), side).unflatten(0, rows.shape)
    return patches
