"""The R factor: the fit of an object to the patterns of its scan, with no truth needed."""

import math

import torch
from torch import Tensor

from ptycho_torch.errors import DivergedError
from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import diffraction_intensity, far_field, mode_sum_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.records import Canvas, Scan

CPU = torch.device("cpu")
# Detector pixels modelled at once.
CHUNK_PIXELS = 2**18


def r_factor(scan: Scan, canvas: Canvas, device: torch.device = CPU) -> float:
    """`R = sum (sqrt(I) - sqrt(M))^2 / sum I` over all patterns and valid pixels; 0 is a perfect fit.

    M are the patterns that the object and the probe of the scan predict. canvas: an object in the units
    of the dataset that the scan was made of, which must hold every patch; device: computes. R has no unit,
    so that of the dataset and that of the scan are the same.
    """
    return r_factor_and_flat(scan, canvas, device)[0]


def r_factor_and_flat(scan: Scan, canvas: Canvas, device: torch.device = CPU) -> tuple[float, float]:
    """The `r_factor` of scan and canvas, computed on the device, and, from the same reading of the patterns,
    that of an object of modulus 1 in the units of the scan: the one to beat."""
    probe = scan.probe.to(device)
    object_ = torch.from_numpy(canvas.object).to(device) / scan.object_scale
    corner = patch_corners(scan.centre_yx, probe.shape[-1], torch.tensor(canvas.origin_yx)).float()
    valid_pixels = None if scan.valid_pixels is None else scan.valid_pixels.to(device)
    # Moving a probe turns the phases of its spectrum only, so all patterns of a flat object are the same.
    flat = mode_sum_intensity(far_field(probe))
    misfit = flat_misfit = total = 0.0
    for rows in torch.arange(len(corner)).split(max(1, CHUNK_PIXELS // probe.shape[-1] ** 2)):
        measured, background = _to(device, *scan.measured(rows))
        patches = cut(object_, corner[rows].to(device), probe.shape[-1])
        modelled = diffraction_intensity(patches, frame_probes(scan, rows, probe))
        misfit += _sum_squares(measured - (modelled + background).sqrt_(), valid_pixels)
        flat_misfit += _sum_squares(measured - (flat + background).sqrt_(), valid_pixels)
        total += _sum_squares(measured, valid_pixels)
    return misfit / total, flat_misfit / total


def require_finite(r_factor: float, scan: str) -> float:
    """The r_factor of the scan of that name, or DivergedError where it is not finite."""
    if not math.isfinite(r_factor):
        raise DivergedError(
            f"the object of {scan} has values that are no numbers; nothing was written. "
            "Look at the patterns and the probe with `ptycho inspect`"
        )
    return r_factor


def _to(device: torch.device, amplitude: Tensor, background: Tensor | None) -> tuple[Tensor, Tensor | float]:
    return amplitude.to(device), 0.0 if background is None else background.to(device)


def _sum_squares(values: Tensor, valid_pixels: Tensor | None) -> float:
    squared = values.square()
    return float((squared if valid_pixels is None else squared * valid_pixels).sum(dtype=torch.float64))
