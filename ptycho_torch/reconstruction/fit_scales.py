"""The factors of real and imaginary part with which a stitched object explains its scan best."""

import torch

from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import shift_probe
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.varpro import Moments, moments, solve
from ptycho_torch.records import Canvas, Scan


def fit_scales(scan: Scan, canvas: Canvas, batch_size: int) -> tuple[float, float]:
    """`(s1, s2)` so that `|F(P (s1 Re O + i s2 Im O))|^2` explains all patterns best (`physics.varpro`).

    canvas: O in the units of the dataset. batch_size: patterns at once. Raises ValueError where no factors
    explain the scan.
    """
    object_ = torch.from_numpy(canvas.object) / scan.object_scale
    origin = torch.tensor(canvas.origin_yx)
    side = scan.probe.shape[-1]
    total: Moments | None = None
    for chunk in torch.arange(len(scan.centre_yx)).split(batch_size):
        corner = patch_corners(scan.centre_yx[chunk], side, origin)
        patches = cut(object_, corner.to(torch.float32), side)
        probes = shift_probe(scan.probe, scan.fraction_yx[chunk])
        part = moments(patches, probes, scan.signal(chunk).square(), scan.valid_pixels)
        total = part if total is None else total + part
    assert total is not None
    return solve(total)


def scale_real_and_imaginary(canvas: Canvas, s1: float, s2: float) -> Canvas:
    """The canvas with `s1 Re O + i s2 Im O` as its object."""
    object_ = (s1 * canvas.object.real + 1j * s2 * canvas.object.imag).astype(canvas.object.dtype)
    return Canvas(object_, canvas.illumination, canvas.origin_yx)
