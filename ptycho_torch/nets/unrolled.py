"""The unrolled network on the object itself: patches agree because there is only one object."""

from functools import partial

import torch
from torch import Tensor, nn

from ptycho_torch.nets.measurements import Measurements, ObjectNet
from ptycho_torch.nets.unet import UNet
from ptycho_torch.physics.diffraction import power
from ptycho_torch.physics.projection import back_project, regularised_power

FEATURES = 6
MODULUS_FLOOR = 1e-2


class UnrolledNet(ObjectNet):
    """`v_{k+1} = m_k v_k + a_k g(O_k) + net_k(g, v_k, O_k, w)`, `O_{k+1} = O_k + v_{k+1}`, `v_0 = 0`.

    O is the one object of all patterns of a cluster, or of a whole scan; w their summed
    illumination; g the sum of the steps that they propose (`physics.projection`), over the
    regularised w. So coarse structure spreads from pattern to pattern, every pixel is convolved
    once however many patterns cover it, and a network trained on clusters serves whole scans.

    The U-Nets see and change the object in the frame of its own local phase,
    `[g u*, v u*, |O| - 1, w / max w]` with `u = O / |O|`: a phase factor of the object does not
    matter, whatever its range. Weights are not shared between stages.
    """

    def __init__(self, width: int, levels: int, stages: int, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.step = nn.Parameter(torch.ones(stages))
        # One a stage, although the first finds no velocity: an unused parameter would stop DDP.
        self.momentum = nn.Parameter(torch.zeros(stages))
        corrections = [UNet(FEATURES, 2, width, levels) for _ in range(stages)]
        self.multiple: int = corrections[0].multiple
        self.corrections = nn.ModuleList(corrections)

    def reconstruct(self, measured: Measurements) -> Tensor:
        """The objects `(B, H, W)` after all stages."""
        object_ = measured.initial.clone()
        velocity = torch.zeros_like(object_)
        for stage in range(len(self.corrections)):
            proposed, illumination = measured.sum_steps(object_, back_project)
            peak = illumination.amax(dim=(-2, -1), keepdim=True)
            velocity = measured.map_canvases(
                partial(self.movement, stage, peak),
                (object_, velocity, proposed, illumination),
                self.reach,
                self.multiple,
            )
            # A new object only where the old one is needed for gradients: a canvas may be large.
            object_ = object_ + velocity if torch.is_grad_enabled() else object_.add_(velocity)
        return object_

    @property
    def reach(self) -> int:
        """The distance in px over which a movement depends on its input: the 3x3 layers of all scales
        together, at most `12 2^levels - 2` px, are less than 6 of the coarsest cells."""
        return 6 * self.multiple

    def movement(
        self, stage: int, peak: Tensor, object_: Tensor, velocity: Tensor, proposed: Tensor, illumination: Tensor
    ) -> Tensor:
        """`v_{k+1}` of objects or, but for `reach` px at its borders, of a part that starts at a multiple of
        `multiple` px.

        peak `(B, 1, 1)`: the largest illumination of the whole objects; object_, velocity and the summed
        steps `proposed`, complex, and illumination, real: `(B, H, W)` each, of any height and width.
        """
        gradient = proposed * regularised_power(illumination, self.alpha, peak).reciprocal()
        squared = power(object_)
        inverse = (squared + MODULUS_FLOOR**2).rsqrt()
        phase = object_ * inverse
        turn = phase.conj().resolve_conj()
        fields = [torch.view_as_real(field * turn) for field in (gradient, velocity)]
        scalars = (squared * inverse - 1.0, illumination / peak)
        # Built with the features last, as the convolutions want them in memory.
        features = torch.cat([*fields, *(scalar.unsqueeze(-1) for scalar in scalars)], dim=-1)
        change = self.corrections[stage](features.movedim(-1, 1)).movedim(1, -1).float().contiguous()
        kept = self.momentum[stage] * velocity
        return kept + self.step[stage] * gradient + torch.view_as_complex(change) * phase
