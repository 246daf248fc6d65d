"""The change of exit waves that measured patterns require, and the change of the probe that follows."""

from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity, power

OFFSET_PHOTONS = 0.1


class WaveChange(NamedTuple):
    """A change of exit waves `(B, P, N, N)`, the misfit `sum (A - sqrt(M + b))^2`, and what the model expects on the
    detector, `M + b + c` `(B, N, N)`."""

    change: Tensor
    misfit: float
    expected: Tensor


def exit_wave_change(
    waves: Tensor,
    amplitude: Tensor,
    photon: float,
    valid_pixels: Tensor | None = None,
    background: Tensor | None = None,
) -> WaveChange:
    """`F^-1[(sqrt((A^2 + c) / (sum_p |F psi_p|^2 + b + c)) - 1) F psi_p]` and `sum (A - sqrt(|F psi|^2 + b))^2`.

    The negative gradient of `sum (sqrt(M + b + c) - sqrt(A^2 + c))^2` with respect to the exit waves `(B, P, N, N)`
    complex, M their intensity, b the background and A the measured amplitude `(B, N, N)`: with b = c = 0 the modulus
    projection. The root of a Poisson count has a variance that does not depend on the count, but below a few counts it
    is biased; c of a tenth of a photon takes most of that bias away (c = 3/8 is Anscombe, Biometrika 35, 246 (1948))
    and keeps the gradient finite where the model is dark.

    photon: the intensity of one photon in the unit of A^2. valid_pixels: bool `(N, N)` or `(B, N, N)`, None for all;
    the other pixels change nothing. background: b in the unit of A^2, which broadcasts to A; None for none.
    """
    side = waves.shape[-1]
    spectrum = torch.fft.fft2(waves)
    modelled = mode_sum_intensity(spectrum)
    measured = amplitude * side
    if background is not None:
        modelled.add_(background, alpha=side**2)
    misfit = measured - modelled.sqrt()
    offset = OFFSET_PHOTONS * photon * side**2 + torch.finfo(modelled.dtype).tiny
    ratio = measured.square_().add_(offset).sqrt_().mul_(modelled.add_(offset).rsqrt()).sub_(1)
    if valid_pixels is not None:
        ratio *= valid_pixels
        misfit *= valid_pixels
    spectrum *= ratio.unsqueeze(-3)
    return WaveChange(torch.fft.ifft2(spectrum), float(misfit.square_().sum()) / side**2, modelled.div_(side**2))


def photon_intensity(amplitude: Tensor) -> float:
    """The smallest positive `A^2` of amplitudes of any shape: one photon for counts, nearly 0 for
    continuous values, 0 without any."""
    positive = amplitude[amplitude > 0]
    return float(positive.min()) ** 2 if positive.numel() else 0.0


def probe_change(change: Tensor, patches: Tensor, shift_yx: Tensor) -> tuple[Tensor, Tensor]:
    """`sum_j O_j* change_j` moved back by the sub-pixel shifts, `(P, N, N)`, and `sum_j |O_j|^2`.

    change `(B, P, N, N)` and patches `(B, N, N)` complex, shift_yx `(B, 2)` in px: the adjoint of
    `shift_probe`, so that all patterns update the same probe.
    """
    ramp = _back_ramp(shift_yx, patches.shape[-1])
    spectrum = torch.fft.fft2(change * patches.conj().unsqueeze(1))
    back = torch.einsum("bpyx,by,bx->pyx", spectrum, ramp[:, 0], ramp[:, 1])
    return torch.fft.ifft2(back), power(patches).sum(0)


def probe_spectra(change: Tensor, patches: Tensor, shift_yx: Tensor) -> Tensor:
    """The DFT of `O_j* change_j` moved back by the sub-pixel shifts, for each pattern, `(B, N, N)`.

    change: of one mode, `(B, N, N)`, like patches; shift_yx `(B, 2)` in px.
    """
    ramp = _back_ramp(shift_yx, patches.shape[-1])
    spectra: Tensor = torch.fft.fft2(change * patches.conj()) * (ramp[:, 0, :, None] * ramp[:, 1, None, :])
    return spectra


def _back_ramp(shift_yx: Tensor, side: int) -> Tensor:
    """The phases `(B, 2, N)` of frequencies that undo a shift in y and x."""
    frequency = torch.fft.fftfreq(side, device=shift_yx.device, dtype=shift_yx.dtype)
    angle = 2.0 * torch.pi * shift_yx.unsqueeze(-1) * frequency
    return torch.polar(torch.ones_like(angle), angle)


def mean_slope(probe: Tensor) -> Tensor:
    """The mean phase step of a probe `(P, N, N)` from pixel to pixel, (y, x) in rad: the angle of
    `sum_p sum_r P_p*(r) P_p(r + 1)`."""
    steps = [(probe.conj() * probe.roll(-1, axis)).sum() for axis in (-2, -1)]
    return torch.stack(steps).angle()


def phase_ramp(height: int, width: int, slope_yx: Tensor) -> Tensor:
    """`exp(i k . r)` of height x width px, complex64; slope_yx: k `(2,)` in rad/px."""
    y, x = (torch.arange(n, device=slope_yx.device) for n in (height, width))
    angle = y[:, None] * slope_yx[0] + x * slope_yx[1]
    return torch.polar(torch.ones_like(angle), angle)
