"""Sums over the batches of one pass of the refinement, for all that is improved besides the object."""

import torch
from torch import Tensor

from ptycho_torch.physics.exit_wave_update import WaveChange, probe_change
from ptycho_torch.physics.positions import PositionEquations, position_equations
from ptycho_torch.reconstruction.component_sums import ComponentSums
from ptycho_torch.reconstruction.count_sums import CountSums
from ptycho_torch.reconstruction.refine_batches import Batches, UpdateBatch

# Where patches are darker than this part of the brightest, a step of the probe is as if they were that bright.
FLOOR = 0.1


class PassSums:
    """The sums of one pass over batches; photon: the intensity of one; probe, positions: whether these are improved;
    components, counts: the sums for these, None where they are not."""

    def __init__(
        self,
        batches: Batches,
        photon: float,
        *,
        probe: bool,
        positions: bool,
        components: ComponentSums | None,
        counts: CountSums | None,
    ) -> None:
        self.fraction_yx, self.photon = batches.scan.fraction_yx, photon
        self.probe, self.positions, self.components, self.counts = probe, positions, components, counts
        self.back, self.seen = torch.zeros_like(batches.probe), torch.zeros_like(batches.probe[0].real)
        self.places: list[tuple[Tensor, PositionEquations]] = []

    def add(self, batch: UpdateBatch, found: WaveChange, patches: Tensor) -> None:
        """Add a batch with patches `(B, N, N)` and the change that was found for its waves."""
        shift_yx = self.fraction_yx[batch.rows].to(patches.device)
        if self.counts is not None:
            self.counts.add(batch, found.expected)
        if self.components is not None:
            self.components.add(batch, found.change, patches, shift_yx)
        if self.probe:
            back, seen = probe_change(found.change, patches, shift_yx)
            self.back += back
            self.seen += seen
        if self.positions:
            valid, background = batch.valid, batch.background
            system = position_equations(found.change, patches, batch.probes, self.photon, valid, background)
            self.places.append((batch.rows, system))

    def probe_step(self) -> Tensor:
        """The change of the probe that the patterns ask for, `(P, N, N)`."""
        return self.back / self.seen.clamp_min(FLOOR * float(self.seen.max()))

    def position_equations(self) -> tuple[Tensor, PositionEquations]:
        """The rows of all patterns, and their equations in this order."""
        curvature, pull = (torch.cat(parts).cpu() for parts in zip(*(one for _, one in self.places), strict=True))
        return torch.cat([rows for rows, _ in self.places]), PositionEquations(curvature, pull)
