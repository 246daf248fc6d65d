"""The unrolled network of single patterns: projection steps with a learned correction."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from ptycho_config.schema.networks import Sees
from ptycho_torch.nets.unet import UNet
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.projection import object_gradient

FEATURES = 5


class UnrolledPatchNet(nn.Module):
    """`O_{k+1} = O_k + a_k g(O_k) + net_k([Re g, Im g, Re O_k - 1, Im O_k, |P| / max|P|])`.

    A convolution is local but the map from a pattern to the object is not; the projection
    step `g` (`physics.projection`) carries the measurement into real space first, and the
    convolutions only correct what it leaves. Weights are not shared between stages.
    """

    sees: ClassVar[Sees] = "pattern"
    fixes_scale: ClassVar[bool] = True

    def __init__(self, width: int, levels: int, stages: int, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.step = nn.Parameter(torch.ones(stages))
        self.corrections = nn.ModuleList(UNet(FEATURES, 2, width, levels) for _ in range(stages))

    def forward(
        self, amplitude: Tensor, probe: Tensor, initial: Tensor, _centre_yx: Tensor, valid_pixels: Tensor | None = None
    ) -> Tensor:
        """Measured amplitude `(B, S, N, N)`, probe `(B, S, P, N, N)` and initial patches, `O_0`, to
        patches `(B, S, N, N)` complex; patterns do not see each other."""
        clusters = amplitude.shape[:2]
        amplitude, probe, patch = (part.flatten(0, 1) for part in (amplitude, probe, initial))
        illumination = mode_sum_intensity(probe).sqrt()
        illumination = illumination / illumination.amax(dim=(-2, -1), keepdim=True)
        for step, correction in zip(self.step, self.corrections, strict=True):
            gradient = object_gradient(patch, probe, amplitude, self.alpha, valid_pixels)
            features = torch.stack([gradient.real, gradient.imag, patch.real - 1.0, patch.imag, illumination], dim=1)
            change = correction(features.contiguous(memory_format=torch.channels_last)).float()
            patch = patch + step * gradient + torch.complex(change[:, 0], change[:, 1])
        grouped: Tensor = patch.unflatten(0, clusters)
        return grouped
