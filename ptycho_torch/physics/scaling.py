"""The scale of measured amplitudes before a network sees them."""

from typing import Literal

import torch
from torch import Tensor

Method = Literal["Parseval", "Max"]


def rms_input_scale(amplitude: Tensor, method: Method = "Parseval") -> Tensor:
    """`sqrt(N^2 / mean_c sum X_c^2)` (Parseval) or `1 / max_c sum X_c` (Max), one factor per group.

    Parseval gives unit mean intensity per pixel, as an object of unit modulus does under a probe of
    energy `N^2`. Sums over the pixels of a pattern are taken in float64.

    amplitude: groups of overlapping patterns `(B, C, N, N)`, real, in any unit. method: see above.
    Returns `(B, 1, 1, 1)` in the dtype of the amplitudes. Raises ValueError where a group has no
    energy, or an energy that is not finite.
    """
    if method == "Parseval":
        energy = amplitude.double().square().sum((-2, -1)).mean(1)
        refuse_dark(energy, "mean energy sum X^2 of the patterns")
        scale = amplitude.shape[-1] / energy.sqrt()
    else:
        brightest = amplitude.double().sum((-2, -1)).amax(1)
        refuse_dark(brightest, "sum of amplitudes of a pattern")
        scale = 1.0 / brightest
    return scale.to(amplitude.dtype)[:, None, None, None]


def refuse_dark(values: Tensor, name: str) -> None:
    """Raise ValueError, with the name of the quantity and the first wrong value, unless all `values`,
    of any shape, are positive and finite."""
    wrong = ~(torch.isfinite(values) & (values > 0))
    if bool(wrong.any()):
        raise ValueError(f"the {name} must be positive and finite, got {float(values[wrong][0]):g}")
