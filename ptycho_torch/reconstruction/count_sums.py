"""Flux and background of a scan, estimated during a pass of the refinement."""

import attrs
import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions
from ptycho_torch.physics.counts import background_sums, flux_factor, next_background
from ptycho_torch.reconstruction.refine_batches import UpdateBatch
from ptycho_torch.records import Scan


class CountSums:
    """Sums over the batches of one pass for the flux and the background of a scan, as the options ask; photon: the
    intensity of one, at unit flux."""

    def __init__(self, scan: Scan, options: RefineOptions, photon: float) -> None:
        count, side = len(scan.centre_yx), scan.probe.shape[-1]
        self.flux = torch.ones(count) if scan.flux is None else scan.flux.clone()
        self.options, self.photon = options, photon
        self.slope, self.curvature = torch.zeros(side, side), torch.zeros(side, side)

    def add(self, batch: UpdateBatch, expected: Tensor) -> None:
        """Add a batch, of which the model expects so much `(B, N, N)` on the detector."""
        valid = torch.ones((), device=expected.device) if batch.valid is None else batch.valid
        background = 0.0 if batch.background is None else batch.background
        flux = self.flux[batch.rows]
        if "background" in self.options.unknown:
            slope, curvature = background_sums(batch.amplitude, expected, self.photon, flux.to(expected), valid)
            self.slope += slope.cpu()
            self.curvature += curvature.cpu()
        if "flux" in self.options.unknown:
            self.flux[batch.rows] = flux * flux_factor(batch.amplitude, expected, background, valid).cpu()

    def next(self, scan: Scan) -> Scan:
        """The scan with the flux and the background of this pass; the mean flux is 1."""
        if "flux" in self.options.unknown:
            scan = attrs.evolve(scan, flux=self.flux / self.flux.mean())
        if "background" in self.options.unknown and scan.background is not None:
            image = self.options.background == "image"
            background = next_background(scan.background, self.slope, self.curvature, image=image)
            scan = attrs.evolve(scan, background=background)
        return scan
