"""The known-probe modulus projection and the object update it implies (one ePIE-like step)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity, near_field, over_modes


def object_gradient(
    patch: Tensor, probe: Tensor, amplitude: Tensor, alpha: float, valid_pixels: Tensor | None = None
) -> Tensor:
    """`g = sum_p P_p^* (psi'_p - psi_p) / ((1-alpha) max|P|^2 + alpha |P|^2)`.

    `psi_p = P_p O` and `psi'_p = F^-1(A F psi_p / sqrt(sum_q |F psi_q|^2))`: the exit waves with the measured amplitude
    A `(..., N, N)` imposed, phases kept. patch `(..., N, N)` and probe `(..., P, N, N)` complex, `|P|^2` summed over
    modes; the result has the shape of `patch`. alpha: regularisation in [0, 1]. Where `valid_pixels`, bool `(N, N)`, is
    False nothing was measured, and the modelled amplitude stays; None: all pixels are valid.

    Source: rPIE regularisation, Maiden, Johnson & Li, Optica 4, 736 (2017), eq. 6, with the
    multi-mode projection of Thibault & Menzel, Nature 494, 68 (2013).
    """
    return back_project(patch, probe, amplitude, valid_pixels) / regularised_power(mode_sum_intensity(probe), alpha)


def back_project(patch: Tensor, probe: Tensor, amplitude: Tensor, valid_pixels: Tensor | None = None) -> Tensor:
    """`sum_p P_p^* (psi'_p - psi_p)`, the numerator of `object_gradient`, which overlapping patches sum
    before the division by their summed illumination; patch, probe, amplitude, valid_pixels as there."""
    change: Tensor = _ModulusChange.apply(exit_waves(patch, probe), amplitude, valid_pixels)  # type: ignore[no-untyped-call] # torch's
    return over_modes(probe.conj() * change)


class _ModulusChange(torch.autograd.Function):
    """`psi -> psi' - psi = F^-1 (r - 1) F psi` with `r = A / M`, `M = sqrt(sum_q |F psi_q|^2 + eps)`.

    With `S = F psi` its derivative is `J = F^-1 [(r - 1) T - (r / M^2) S Re sum_q S_q^* T_q]`,
    `T = F d psi`: linear over the reals and its own adjoint, so that the gradient is J of the
    gradient. Autograd would find the same with twice the passes over memory.
    """

    @staticmethod
    def forward(ctx: Any, waves: Tensor, amplitude: Tensor, valid_pixels: Tensor | None) -> Tensor:
        spectrum = far_field(waves)
        inverse = mode_sum_intensity(spectrum).add_(torch.finfo(amplitude.dtype).eps).rsqrt_()
        excess = (amplitude * inverse).sub_(1.0)
        if valid_pixels is not None:
            excess.masked_fill_(~valid_pixels, 0.0)
        ctx.save_for_backward(spectrum, inverse, excess, valid_pixels)
        return near_field(spectrum * excess.unsqueeze(-3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        spectrum, inverse, excess, valid_pixels = ctx.saved_tensors
        turned = far_field(grad)
        # The change of the modelled amplitude under a change of the object.
        along = over_modes((spectrum.conj() * turned).real) * inverse
        if valid_pixels is not None:
            along = along.masked_fill(~valid_pixels, 0.0)
        by_waves = None
        if ctx.needs_input_grad[0]:
            weight = along * (excess + 1.0).mul_(inverse)
            turned.mul_(excess.unsqueeze(-3)).sub_(spectrum * weight.unsqueeze(-3))
            by_waves = near_field(turned)
        return by_waves, along if ctx.needs_input_grad[1] else None, None


def regularised_power(illumination: Tensor, alpha: float, peak: Tensor | None = None) -> Tensor:
    """`(1-alpha) max w + alpha w` of an illumination w `(..., H, W)` real: `sum_p |P_p|^2` of one pattern,
    or of all that overlap. peak `(..., 1, 1)`: the maximum of a larger canvas of which w is a part."""
    if peak is None:
        peak = illumination.amax(dim=(-2, -1), keepdim=True)
    return (1.0 - alpha) * peak + alpha * illumination
