"""Components of a probe that varies, and their weights, estimated during a pass of the refinement."""

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity, power
from ptycho_torch.physics.exit_wave_update import probe_spectra
from ptycho_torch.physics.probe_components import Variation, orthogonal_turn, turn_variation
from ptycho_torch.reconstruction.refine_batches import UpdateBatch

# Components grow slowly where object and mean probe explain a part of what they should.
MOMENTUM = 0.75
# Where patches are darker than this part of the brightest, steps are as if they were that bright.
FLOOR = 0.1
_TINY = torch.finfo(torch.float32).tiny


class ComponentSums:
    """Sums over the batches of one pass for the components and weights of a scan, and `velocity`, their changes of the
    pass before, all on `device`."""

    def __init__(self, variation: Variation, velocity: Variation | None, device: torch.device) -> None:
        self.components, self.weights = (part.to(device, copy=True) for part in variation)
        self.velocity = velocity or Variation(torch.zeros_like(self.components), torch.zeros_like(self.weights))
        self.spectra = torch.fft.fft2(self.components)
        self.strength = power(self.components).sum((1, 2))
        self.change = torch.zeros_like(self.components)
        self.seen = torch.zeros_like(self.components.real)
        self.weight_change = torch.zeros_like(self.weights)

    def add(self, batch: UpdateBatch, change: Tensor, patches: Tensor, shift_yx: Tensor) -> None:
        """Add a batch with patches `(B, N, N)`, whose waves are to change by `(B, P, N, N)`; shift_yx `(B, 2)` of its
        probes in px."""
        side, rows = patches.shape[-1], batch.rows
        wanted = probe_spectra(change[:, 0], patches, shift_yx)
        bright, illumination = power(patches), mode_sum_intensity(batch.probes)
        level = (bright * illumination).sum((1, 2)) / illumination.sum((1, 2))
        along = torch.einsum("kyx,byx->bk", self.spectra.conj(), wanted).real / side**2
        self.weight_change[rows] = along / (level[:, None] * self.strength).clamp_min(_TINY)
        weights = self.weights[rows]
        self.change += torch.einsum("bk,byx->kyx", weights.to(wanted), wanted)
        self.seen += torch.einsum("bk,byx->kyx", weights.square(), bright)

    def next(self) -> tuple[Variation, Variation]:
        """Orthogonal components and weights after this pass, and their changes in it.

        The mean of the weights and what components would change within their own span are left out: the mean probe and
        the weights follow these already.
        """
        floor = FLOOR * self.seen.amax((1, 2), keepdim=True)
        step = torch.fft.ifft2(self.change) / torch.maximum(self.seen, floor).clamp_min(_TINY)
        own = torch.einsum("kyx,lyx->kl", step, self.components.conj()).real / self.strength
        step -= torch.einsum("kl,lyx->kyx", own.to(step), self.components)
        weight_step = self.weight_change - self.weight_change.mean(0)
        velocity = Variation(MOMENTUM * self.velocity.components + step, MOMENTUM * self.velocity.weights + weight_step)
        moved = Variation(self.components + velocity.components, self.weights + velocity.weights)
        turn = orthogonal_turn(moved)
        return turn_variation(moved, turn), turn_variation(velocity, turn)
