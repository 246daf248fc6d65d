"""Far-field diffraction of an illuminated object patch.

Fields are `(..., N, N)`; probes carry a mode axis `(..., P, N, N)`. Detector arrays are in FFT order (zero frequency at
`[0, 0]`): patterns are reordered once when they are read, so that no shift is paid per step.
"""

from typing import Any

import torch
from torch import Tensor


def far_field(exit_wave: Tensor) -> Tensor:
    """`F psi`, the unitary two-dimensional DFT of exit waves `(..., N, N)` (Parseval holds)."""
    spectrum: Tensor = torch.fft.fft2(exit_wave, norm="ortho")
    return spectrum


def near_field(detector_wave: Tensor) -> Tensor:
    """`F^-1 Psi = F^H Psi` of waves `(..., N, N)`: the inverse and adjoint of `far_field`."""
    wave: Tensor = torch.fft.ifft2(detector_wave, norm="ortho")
    return wave


def exit_waves(patch: Tensor, probe: Tensor) -> Tensor:
    """`psi_p = P_p O`: patch `(..., N, N)` times probe `(..., P, N, N)`, both complex (thin object)."""
    return patch.unsqueeze(-3) * probe


def power(field: Tensor) -> Tensor:
    """`|z|^2`, real, without the square root that makes `abs()` singular at zero."""
    squared: Tensor = _Power.apply(field)  # type: ignore[no-untyped-call] # torch's
    return squared


class _Power(torch.autograd.Function):
    """`z -> |z|^2` with the gradient `2 z g`, which autograd would put together from two halves."""

    @staticmethod
    def forward(ctx: Any, field: Tensor) -> Tensor:
        ctx.save_for_backward(field)
        # Squared where real and imaginary parts lie side by side: reading only every other number is slow.
        squared = torch.view_as_real(field.resolve_conj()).square()
        return squared[..., 0] + squared[..., 1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (field,) = ctx.saved_tensors
        gradient: Tensor = field * (2 * grad)
        return gradient


def mode_sum_intensity(detector_wave: Tensor) -> Tensor:
    """`I = sum_p |Psi_p|^2`: incoherent sum over the mode axis, `(..., P, N, N)` to `(..., N, N)`."""
    return over_modes(power(detector_wave))


def over_modes(values: Tensor) -> Tensor:
    """The sum of values `(..., P, N, N)` over modes, `(..., N, N)`; without a copy for one mode."""
    return values.squeeze(-3) if values.shape[-3] == 1 else values.sum(dim=-3)


def diffraction_intensity(patch: Tensor, probe: Tensor) -> Tensor:
    """`I = sum_p |F(P_p O)|^2` for patch `(..., N, N)` and probe `(..., P, N, N)`."""
    return mode_sum_intensity(far_field(exit_waves(patch, probe)))


def shift_probe(probe: Tensor, shift_yx: Tensor) -> Tensor:
    """`P(r - s)` by a Fourier phase ramp: exact for the band-limited periodic probe.

    probe `(P, N, N)` complex, shift_yx `(B, 2)` real in px; returns `(B, P, N, N)`.
    Moving the probe by the sub-pixel part of a scan position lets every object patch sit on
    the integer pixel grid: no interpolation of the object is needed anywhere.
    """
    n = probe.shape[-1]
    frequency = torch.fft.fftfreq(n, device=probe.device, dtype=shift_yx.dtype)
    angle = -2.0 * torch.pi * shift_yx.unsqueeze(-1) * frequency
    ramp = torch.polar(torch.ones_like(angle), angle)
    ramp_yx = ramp[:, 0, :, None] * ramp[:, 1, None, :]
    shifted: Tensor = torch.fft.ifft2(torch.fft.fft2(probe) * ramp_yx.unsqueeze(1))
    return shifted
