"""Whether patterns fit a reconstruction where they were taken better than somewhere else."""

import itertools

import torch
from torch import Tensor

from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.physics.windows import read
from ptycho_torch.records import Canvas, Scan

PATTERNS, LEAST_PX = 64, 2
# Patterns are moved by this share of their side.
MOVED = 1 / 16


def moved_misfit(scan: Scan, canvas: Canvas, device: torch.device) -> float:
    """`sum (sqrt I - sqrt M)^2` of up to 64 patterns of a scan, each at the best of eight places N/16 px away from its
    own, over that at its own place: far above 1 for an object that the patterns agree on.

    canvas: an object in the units of the dataset that the scan was made of; device: computes.
    """
    side, count = scan.probe.shape[-1], len(scan.centre_yx)
    rows = torch.linspace(0, count - 1, min(PATTERNS, count)).long().unique()
    corner = patch_corners(scan.centre_yx[rows], side, torch.tensor(canvas.origin_yx)).long()
    step = max(LEAST_PX, round(MOVED * side))
    most = torch.tensor(canvas.object.shape) - side
    places = [
        (corner + step * torch.tensor(one)).clamp(min=0).minimum(most)
        for one in itertools.product((-1, 0, 1), repeat=2)
    ]
    own = len(places) // 2
    object_ = torch.from_numpy(canvas.object).to(device) / scan.object_scale
    misfit = torch.stack([_misfit(scan, rows, object_, one) for one in places])
    elsewhere = torch.cat([misfit[:own], misfit[own + 1 :]]).amin(dim=0).sum()
    return float(elsewhere / misfit[own].sum().clamp(min=torch.finfo(torch.float32).tiny))


def _misfit(scan: Scan, rows: Tensor, object_: Tensor, corner: Tensor) -> Tensor:
    """The misfit of each of the patterns of rows with the patch at its corner, `(K,)` float64."""
    side, device = scan.probe.shape[-1], object_.device
    amplitude, background = scan.measured(rows)
    probe = frame_probes(scan, rows, scan.probe.to(device))
    modelled = diffraction_intensity(read(object_, corner.tolist(), side), probe)
    modelled = modelled if background is None else modelled + background.to(device)
    misfit = (amplitude.to(device) - modelled.sqrt()).square()
    misfit = misfit if scan.valid_pixels is None else misfit * scan.valid_pixels.to(device)
    return misfit.sum((1, 2)).double().cpu()
