"""The simulated repetition of a reconstruction, where its misfit asks for one."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree

from ptycho_torch.judgement.fit import Fit, measure_fit
from ptycho_torch.judgement.repetition import compare_repetition, needs_repetition
from ptycho_torch.reconstruction.half_scans import part_of
from ptycho_torch.reconstruction.simulated_scan import simulated_scan
from ptycho_torch.records import Canvas, Scan
from ptycho_torch.verdict import Evidence

# Of larger scans this many patterns in the middle are compared, so that the time does not grow with them.
PATTERNS = 400


def repetition_evidence(
    scan: Scan, canvas: Canvas, fit: Fit, again: Callable[[Scan], Canvas], *, seed: int, device: torch.device
) -> tuple[Evidence, ...]:
    """The evidence of a scan that its object would give, with other noise, reconstructed in the same way; none where
    the fit needs no repetition.

    scan, canvas, fit: of the reconstruction. again: reconstructs another scan of the same instrument as that of the
    object was; called once, of scans of over 400 patterns twice, with a part of them. seed: of the simulated counts.
    device: computes.
    """
    if not needs_repetition(fit):
        return ()
    part, own = scan, fit
    if len(scan.centre_yx) > PATTERNS:
        part = part_of(scan, _middle(scan))
        own = measure_fit(part, again(part), device)
    simulated = simulated_scan(part, canvas, seed)
    return (compare_repetition(own, measure_fit(simulated, again(simulated), device)),)


def _middle(scan: Scan) -> torch.Tensor:
    """The sorted rows of the patterns that are nearest to the middle of a scan."""
    place = scan.centre_yx.numpy()
    _, rows = cKDTree(place).query((place.min(axis=0) + place.max(axis=0)) / 2, k=PATTERNS, p=np.inf)
    return torch.from_numpy(np.sort(rows))
