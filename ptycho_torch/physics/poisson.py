"""The likelihood of counted patterns, which follow the Poisson distribution."""

from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity

# Of a photon: so small that it takes no weight from the dark pixels, which hold much of what few photons tell.
OFFSET_PHOTONS = 1e-4


class CountsFit(NamedTuple):
    """Exit waves `(B, P, N, N)` against measured counts.

    ascent: the gradient of the log-likelihood with respect to the conjugate waves, times the intensity of a photon.
    misfit: `sum (A - sqrt(M + b))^2` over the fitted pixels. unlikely: `sum (M + b) / p - A^2 / p log((M + b) / p)`,
    the negative log-likelihood of the pixels that were not fitted, or of all where all were.
    """

    ascent: Tensor
    misfit: float
    unlikely: float


def fit_counts(
    waves: Tensor,
    amplitude: Tensor,
    photon: float,
    *,
    fitted: Tensor | None = None,
    valid_pixels: Tensor | None = None,
    background: Tensor | None = None,
) -> CountsFit:
    """`F^-1[(A^2 - M - b) / (M + b + c) F psi_p]`, `M = sum_p |F psi_p|^2`, A^2 the counts times the intensity p of a
    photon, b the background and c a small offset.

    The expectation of the numerator is 0 for the true waves, whatever c and however few the photons are; that of a
    difference of square roots is not (compare Thibault & Guizar-Sicairos, New J. Phys. 14, 063004 (2012)).

    waves: complex `(B, P, N, N)`; amplitude: A `(B, N, N)` in FFT order; photon: p in the unit of A^2; fitted: bool
    `(B, N, N)`, the pixels that count, None for all; valid_pixels: bool `(N, N)`, None for all; background: b in the
    unit of A^2, which broadcasts to A; None for none.
    """
    side = waves.shape[-1]
    spectrum = torch.fft.fft2(waves)
    expected = mode_sum_intensity(spectrum).div_(side**2)
    if background is not None:
        expected += background
    measured = amplitude.square()
    offset = OFFSET_PHOTONS * photon + torch.finfo(expected.dtype).tiny
    used = None if valid_pixels is None else valid_pixels.expand(amplitude.shape)
    judged = used
    if fitted is not None:
        judged = ~fitted if used is None else used & ~fitted
        used = fitted if used is None else used & fitted
    ratio = (measured - expected) / (expected + offset)
    lost = (amplitude - expected.sqrt()).square_()
    unlikely = expected - measured * (expected / photon).clamp_min(OFFSET_PHOTONS).log_()
    if used is not None:
        ratio *= used
        lost *= used
    if judged is not None:
        unlikely *= judged
    ascent = torch.fft.ifft2(spectrum * ratio.unsqueeze(-3))
    return CountsFit(ascent, float(lost.sum()), float(unlikely.sum(dtype=torch.float64)) / photon)
