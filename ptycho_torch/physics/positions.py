"""Corrections of scan positions from the residual of each pattern.

A pattern that was measured `d` away from its recorded position shows `P(r - d) O(r)`. To first order its
amplitudes differ by `J d`, and `d` follows by linear least squares: the gradient of Guizar-Sicairos &
Fienup, Opt. Express 16, 7264 (2008) divided by the curvature, as the linearised position correction of
Odstrcil, Menzel & Guizar-Sicairos, Opt. Express 26, 3108 (2018) does for exit waves. Here both are
taken on the detector, where half of a change of the wave cannot be seen, so that the step is whole.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity
from ptycho_torch.physics.exit_wave_update import OFFSET_PHOTONS

DAMPING = 0.2
LONGEST_STEP_PX = 1.0
GLOBAL_DAMPING = 1e-3
_RANK = 1e-3
# What is stored as a whole pixel and a float32 rest is then the same number again.
_DECIMALS = 6


class PositionEquations(NamedTuple):
    """Normal equations `H d = b` of the positions of B patterns: curvature `(B, 2, 2)` and pull `(B, 2)`, (y, x)."""

    curvature: Tensor
    pull: Tensor


def position_equations(
    change: Tensor,
    patches: Tensor,
    probes: Tensor,
    photon: float,
    valid_pixels: Tensor | None = None,
    background: Tensor | None = None,
) -> PositionEquations:
    """`b_k = -Re sum_p <O dP_p/dk, change_p>` and `H_kl = sum_q J_k J_l` with
    `J_k = -Re sum_p Psi_p* F[O dP_p/dk] / sqrt(sum_p |Psi_p|^2 + b + c)`.

    change: that of the exit waves `(B, P, N, N)` by `exit_wave_update.exit_wave_change` with the same
    `photon`, of which c is a tenth, and the same `valid_pixels`, bool `(N, N)`, and `background`, b; patches
    `(B, N, N)`, probes `(B, P, N, N)`, complex, at their sub-pixel places.

    Derivatives of fourth order: a frequency q in rad/px has the relative error `q^4 / 30`. With
    `P dO/dk` instead both would be the same, but for the error: the object has higher frequencies.
    """
    spectrum = far_field(exit_waves(patches, probes))
    offset = OFFSET_PHOTONS * photon + torch.finfo(spectrum.real.dtype).tiny
    modelled = mode_sum_intensity(spectrum).add_(offset)
    weight = (modelled if background is None else modelled.add_(background)).rsqrt_()
    if valid_pixels is not None:
        weight *= valid_pixels
    spectrum *= weight.unsqueeze(1)
    pull = torch.empty(len(patches), 2, device=change.device, dtype=weight.dtype)
    response = torch.empty(len(patches), 2, weight[0].numel(), device=change.device, dtype=weight.dtype)
    for k, axis in enumerate((-2, -1)):
        waves = _derivative(probes, axis).mul_(patches.unsqueeze(1)).neg_()
        pull[:, k] = _real_product(waves, change).sum((1, 2, 3))
        response[:, k] = _real_product(spectrum, far_field(waves)).sum(1).flatten(1)
    return PositionEquations(response @ response.mT, pull)


def position_steps(found: PositionEquations) -> Tensor:
    """`d = (H + 0.2 <tr H / 2> 1)^-1 b`, at most 1 px long, less the mean of all: `(B, 2)` float64.

    Damped by the mean curvature of the patterns given, which should be all of a scan: where the
    object is flat a pattern does not determine its position, and its noise would move it. The longest
    step is where the linearisation still holds. The mean is a translation of the whole scan, which an
    object can follow without any change of a pattern.
    """
    curvature, pull = (values.double() for values in found)
    mean = curvature.diagonal(dim1=-2, dim2=-1).mean()
    damping = (DAMPING * mean).clamp_min(torch.finfo(torch.float32).tiny)
    identity = torch.eye(2, dtype=curvature.dtype, device=curvature.device)
    step: Tensor = torch.linalg.solve(curvature + damping * identity, pull)
    length = step.norm(dim=1, keepdim=True)
    step = step * (LONGEST_STEP_PX / length.clamp_min(LONGEST_STEP_PX))
    return step - step.mean(0)


def global_basis(recorded_yx: Tensor) -> Tensor:
    """Functions of place and time over which errors of a whole scan are spread, `(n, K)` float64: a scale, a rotation
    and a shear (y, x), a drift (t), and bending and hysteresis (y^2, x y, x^2), each with a mean square of 1.

    recorded_yx: `(n, 2)` in px, in the order of measurement. Functions that are the same on this scan count once.
    """
    place = recorded_yx - recorded_yx.mean(0)
    y, x = (place / place.abs().max().clamp_min(torch.finfo(place.dtype).tiny)).unbind(1)
    time = torch.linspace(-1, 1, len(place), dtype=place.dtype)
    columns = torch.stack([torch.ones_like(y), y, x, time, y.square(), x * y, x.square()], 1)
    left, strengths, _ = torch.linalg.svd(columns, full_matrices=False)
    basis: Tensor = left[:, strengths > _RANK * strengths[0]] * len(place) ** 0.5
    return basis


def global_parameters(found: PositionEquations, basis: Tensor) -> Tensor:
    """The step of all positions together, `basis @ result`: `(K, 2)` float64.

    It solves `sum_j B_jk H_j B_jl theta_l = sum_j B_jk b_j`. found: the equations of all patterns; basis: `(n, K)`.
    """
    curvature, pull = (values.double() for values in found)
    count = basis.shape[1]
    whole = torch.einsum("jk,jac,jl->kalc", basis, curvature, basis).reshape(2 * count, 2 * count)
    damping = GLOBAL_DAMPING * whole.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    target = torch.einsum("jk,ja->ka", basis, pull).reshape(-1)
    step: Tensor = torch.linalg.solve(whole + damping * torch.eye(2 * count, dtype=basis.dtype), target)
    return step.reshape(count, 2)


def reach_px(side: int, *, unknown: bool = False) -> int:
    """The largest distance in px, in y and in x, of a position from the recorded one: an eighth of the frame of side
    px, of which a probe fills about half; three eighths where positions are unknown."""
    return 3 * side // 8 if unknown else side // 8


def within_reach(position_yx: Tensor, recorded_yx: Tensor, reach: int) -> Tensor:
    """Positions position_yx `(n, 2)` float64 in px, clamped to `reach` px around recorded_yx in y and in x;
    rounded to a millionth of a pixel."""
    moved = (position_yx - recorded_yx).clamp(-reach, reach)
    return (recorded_yx + moved).round(decimals=_DECIMALS)


def whole_and_rest(position_yx: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest pixel int64 and the rest in [-0.5, 0.5] float32 of positions `(n, 2)` float64."""
    nearest = position_yx.round()
    return nearest.long(), (position_yx - nearest).float()


def _derivative(field: Tensor, axis: int) -> Tensor:
    """`(8 (f(r + 1) - f(r - 1)) - (f(r + 2) - f(r - 2))) / 12` along an axis, periodic."""
    slope = field.roll(-1, axis).sub_(field.roll(1, axis)).mul_(8)
    return slope.sub_(field.roll(-2, axis)).add_(field.roll(2, axis)).div_(12)


def _real_product(a: Tensor, b: Tensor) -> Tensor:
    """`Re a* b`."""
    return (a.real * b.real).addcmul_(a.imag, b.imag)
