"""The known-probe modulus projection and the object update it implies (one ePIE-like step)."""

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity, near_field


def object_gradient(
    patch: Tensor, probe: Tensor, amplitude: Tensor, alpha: float, good: Tensor | None = None
) -> Tensor:
    """`g = sum_p P_p^* (psi'_p - psi_p) / ((1-alpha) max|P|^2 + alpha |P|^2)`.

    `psi_p = P_p O` and `psi'_p = F^-1(A F psi_p / sqrt(sum_q |F psi_q|^2))`: the exit waves
    with the measured amplitude A `(..., N, N)` imposed, phases kept. patch `(..., N, N)`,
    probe `(..., P, N, N)`, `|P|^2` summed over modes; the result has the shape of `patch`. Where
    `good` `(N, N)` is False nothing was measured, and the modelled amplitude stays.

    Source: rPIE regularisation, Maiden, Johnson & Li, Optica 4, 736 (2017), eq. 6, with the
    multi-mode projection of Thibault & Menzel, Nature 494, 68 (2013).
    """
    return back_projected(patch, probe, amplitude, good) / regularised_power(mode_sum_intensity(probe), alpha)


def back_projected(patch: Tensor, probe: Tensor, amplitude: Tensor, good: Tensor | None = None) -> Tensor:
    """`sum_p P_p^* (psi'_p - psi_p)`, the numerator of `object_gradient`: what overlapping patches add
    up before they are divided by their summed illumination."""
    waves = exit_waves(patch, probe)
    spectrum = far_field(waves)
    modelled = torch.sqrt(mode_sum_intensity(spectrum) + torch.finfo(amplitude.dtype).eps)
    ratio = amplitude / modelled
    if good is not None:
        ratio = torch.where(good, ratio, 1.0)
    projected = near_field(spectrum * ratio.unsqueeze(-3))
    return (probe.conj() * (projected - waves)).sum(dim=-3)


def regularised_power(illumination: Tensor, alpha: float, peak: Tensor | None = None) -> Tensor:
    """`(1-alpha) max w + alpha w` of illuminations w `(..., H, W)`: `sum_p |P_p|^2` of one pattern, or
    of all that overlap. peak `(..., 1, 1)`: `max w`, where w is a part of what it is the maximum of."""
    if peak is None:
        peak = illumination.amax(dim=(-2, -1), keepdim=True)
    return (1.0 - alpha) * peak + alpha * illumination
