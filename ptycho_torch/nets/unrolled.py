"""The unrolled network on the object itself: patches agree because there is only one object."""

import torch
from torch import Tensor, nn

from ptycho_torch.nets.unet import UNet
from ptycho_torch.physics.diffraction import mode_sum_intensity, power
from ptycho_torch.physics.patches import Footprints, merge_footprints
from ptycho_torch.physics.projection import back_project, regularised_power

FEATURES = 6
MODULUS_FLOOR = 1e-2


class UnrolledNet(nn.Module):
    """`v_{k+1} = m_k v_k + a_k g(O_k) + net_k(g, v_k, O_k, w)`, `O_{k+1} = O_k + v_{k+1}`, `v_0 = 0`.

    O is the object that all patterns of a cluster, or of a whole scan, look at; w their summed
    illumination; g the sum of the steps that they propose (`physics.projection`), over the
    regularised w. So coarse structure spreads from pattern to pattern, every pixel is convolved
    once however many patterns cover it, and a network trained on clusters serves whole scans.

    The network sees and changes the object in the frame of its own local phase,
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

    def forward(
        self,
        amplitude: Tensor,
        probe: Tensor,
        initial: Tensor,
        centre_yx: Tensor,
        valid_pixels: Tensor | None = None,
    ) -> Tensor:
        """Clusters of patterns to the patches of their objects.

        Measured amplitude, initial patches and result `(B, S, N, N)`, probe `(B, S, P, N, N)`,
        centres `(B, S, 2)` int64; good `(N, N)` where pixels measure, None for all.
        """
        corner = centre_yx - centre_yx.amin(dim=1, keepdim=True)
        side = amplitude.shape[-1]
        height, width = (side + reach for reach in corner.flatten(0, 1).amax(dim=0).tolist())
        footprints = Footprints(corner.to(amplitude.dtype), side, height, width)
        object_ = merge_footprints(initial, torch.ones_like(amplitude), footprints)
        illumination = footprints.place(mode_sum_intensity(probe))
        velocity = torch.zeros_like(object_)
        for stage in range(len(self.corrections)):
            step = back_project(footprints.cut(object_), probe, amplitude, valid_pixels)
            proposed = footprints.place(step)
            object_, velocity = self.advance(stage, object_, velocity, proposed, illumination)
        return footprints.cut(object_)

    def advance(
        self, stage: int, object_: Tensor, velocity: Tensor, proposed: Tensor, illumination: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One stage: `(O, v)` to the next, from the summed steps and illumination of all patterns.

        All `(B, H, W)`, of any height and width; the illumination is real.
        """
        peak = illumination.amax(dim=(-2, -1), keepdim=True)
        moved = self.movement(stage, object_, velocity, proposed, illumination, peak)
        return object_ + moved, moved

    @property
    def reach(self) -> int:
        """How far a movement looks, in px, from the edge of a coarsest cell: the 3x3 layers of all scales
        together, at most `12 2^levels - 2` px, are less than 6 such cells."""
        return 6 * self.multiple

    def movement(
        self,
        stage: int,
        object_: Tensor,
        velocity: Tensor,
        proposed: Tensor,
        illumination: Tensor,
        peak: Tensor,
    ) -> Tensor:
        """`v_{k+1}` of an object or, but for `reach` px at its borders, of a part of one that starts at
        a multiple of `multiple` px; peak `(B, 1, 1)` is the largest illumination of the whole."""
        gradient = proposed * regularised_power(illumination, self.alpha, peak).reciprocal()
        squared = power(object_)
        inverse = (squared + MODULUS_FLOOR**2).rsqrt()
        phase = object_ * inverse
        scalars = [squared * inverse - 1.0, illumination / peak]
        change = self._change(stage, gradient, velocity, phase, scalars)
        kept = self.momentum[stage] * velocity
        moved: Tensor = kept + self.step[stage] * gradient + change * phase
        return moved

    def _change(
        self, stage: int, gradient: Tensor, velocity: Tensor, phase: Tensor, scalars: list[Tensor]
    ) -> Tensor:
        turn = phase.conj().resolve_conj()
        fields = [torch.view_as_real(field * turn) for field in (gradient, velocity)]
        # Built with the features last, as the convolutions want them in memory.
        features = torch.cat([*fields, *(scalar.unsqueeze(-1) for scalar in scalars)], dim=-1)
        change = self.corrections[stage](features.movedim(-1, 1))
        return torch.view_as_complex(change.movedim(1, -1).float().contiguous())
