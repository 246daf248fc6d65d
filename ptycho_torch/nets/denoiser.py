"""A network that removes noise of known size from complex objects: the prior of a reconstruction from few photons."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_torch.nets.unet import UNet

FEATURES = 6
WIDTH, LEVELS = 24, 3
# The frame of the local phase is that of the object blurred by so many px, in which noise has averaged out.
BLUR_PX = 2.0
_MODULUS_FLOOR = 1e-3
# Beyond so many standard deviations a deviation is structure.
_LARGEST_DEVIATION = 6.0


class Denoiser(nn.Module):
    """`D(z) = z - s u net([z u* - 1, |b| - 1, log s, (z u* - |b|) / s])`, `u = b / |b|`, b the blurred z, s the noise.

    In the frame of the local phase a factor of the object of modulus 1 does not matter. The correction is
    proportional to the noise, so that an object without noise is left as it is.
    """

    def __init__(self, width: int = WIDTH, levels: int = LEVELS) -> None:
        super().__init__()
        self.correction = UNet(FEATURES, 2, width, levels)

    def forward(self, object_: Tensor, noise: Tensor) -> Tensor:
        """The objects `(B, H, W)` complex64 without noise of the standard deviation `noise` `(B, H, W)` float32, which
        is that of real and imaginary part together."""
        blurred = blur(object_, BLUR_PX)
        modulus = blurred.abs() + _MODULUS_FLOOR
        phase = blurred / modulus
        turned = object_ * phase.conj()
        deviation = (turned - modulus) / noise.clamp_min(_MODULUS_FLOOR)
        limited = (part.clamp(-_LARGEST_DEVIATION, _LARGEST_DEVIATION) / 3 for part in (deviation.real, deviation.imag))
        level = noise.clamp_min(_MODULUS_FLOOR).log() / 2 + 1
        features = torch.stack([turned.real - 1, turned.imag, modulus - 1, level, *limited], dim=1)
        found = self.correction(features).movedim(1, -1).contiguous()
        return object_ - torch.view_as_complex(found) * noise * phase


def blur(field: Tensor, sigma_px: float) -> Tensor:
    """A complex field `(B, H, W)` convolved with a Gaussian of `sigma_px` px; its border values continue outside."""
    reach = math.ceil(3 * sigma_px)
    place = torch.arange(-reach, reach + 1, device=field.device, dtype=torch.float32)
    weight = torch.exp(-place.square() / (2 * sigma_px**2))
    weight = weight / weight.sum()
    parts = functional.pad(torch.stack([field.real, field.imag], dim=1), (reach,) * 4, mode="replicate")
    for kernel in (weight[None, :], weight[:, None]):
        parts = functional.conv2d(parts, kernel.expand(2, 1, *kernel.shape), groups=2)
    return torch.complex(parts[:, 0], parts[:, 1])
