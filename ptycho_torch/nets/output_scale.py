"""Learned scales between the patches of a network and measured intensities."""

import math
from typing import Literal

import torch
from torch import Tensor, nn


def rectangular(patches: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
    """`s1 Re O + i s2 Im O`, the object of `I = sum_p |F(s1 P Re O + i s2 P Im O)|^2`.

    patches: O of any shape, complex; real, imaginary: the scalars s1 and s2.
    """
    return torch.complex(real * patches.real, imaginary * patches.imag)


class IntensityScale(nn.Module):
    """`O exp(l)` with a learned l that starts at `log(factor)`: the predicted intensity is scaled by `exp(2 l)`."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(factor)))

    def forward(self, patches: Tensor) -> Tensor:
        """Patches of any shape, complex."""
        return patches * torch.exp(self.log_scale)


class RectangularScale(nn.Module):
    """`s1 Re O + i s2 Im O` with s1 and s2 of the scan, learned or kept."""

    def __init__(self, *, trainable: bool, init: Literal["ones", "data"]) -> None:
        super().__init__()
        self.from_data = init == "data"
        self.s1 = nn.Parameter(torch.ones(()), requires_grad=trainable)
        self.s2 = nn.Parameter(torch.ones(()), requires_grad=trainable)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches of any shape, complex."""
        return rectangular(patches, self.s1, self.s2)

    @torch.no_grad()
    def calibrate(self, measured: Tensor, predicted: Tensor) -> None:
        """Set `s1 = s2 = sqrt(<measured> / <predicted>)`, mean intensities of a batch at `s1 = s2 = 1`."""
        ratio = measured.mean() / predicted.mean().clamp_min(torch.finfo(predicted.dtype).tiny)
        for scale in (self.s1, self.s2):
            scale.copy_(ratio.sqrt())
