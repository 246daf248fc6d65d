"""Incoherent modes of a probe."""

import torch
from torch import Tensor

# The share of the power that a new mode starts with.
STARTING_SHARE = 0.15
# A new mode is a product of the strongest, of which so much is not in the others.
INDEPENDENT = 0.5


def grow_mode(probe: Tensor) -> Tensor:
    """The probe `(P, N, N)` complex64 with another mode, orthogonal, of the same power in all: `(P + 1, N, N)`.

    The new one is the strongest mode P_1 times the first of `x, y, x y, x^2 - y^2, x^2 + y^2` around its centre that
    the others do not hold yet, as vibrations and a source of finite size make them to first and second order.
    """
    modes = orthogonal_modes(probe)
    power, known = modes.abs().square().sum(), torch.nn.functional.normalize(modes.flatten(1), dim=1)
    best = torch.zeros_like(known[0])
    for product in _products(modes[0]):
        unit = torch.nn.functional.normalize(product.flatten(), dim=0)
        rest = unit - known.mT @ (known.conj() @ unit)
        if rest.norm() > best.norm():
            best = rest
        if best.norm() > INDEPENDENT:
            break
    added = torch.nn.functional.normalize(best, dim=0).unflatten(0, probe.shape[1:])
    grown = torch.cat([modes * (1 - STARTING_SHARE) ** 0.5, added[None] * (STARTING_SHARE * power) ** 0.5])
    return grown.to(probe.dtype)


def _products(mode: Tensor) -> tuple[Tensor, ...]:
    """A mode `(N, N)` times polynomials around its centre."""
    weight = mode.abs().square() / mode.abs().square().sum()
    axis = torch.arange(mode.shape[-1], device=mode.device, dtype=weight.dtype)
    y = (axis - (weight.sum(1) * axis).sum())[:, None]
    x = (axis - (weight.sum(0) * axis).sum())[None, :]
    return mode * x, mode * y, mode * x * y, mode * (x.square() - y.square()), mode * (x.square() + y.square())


def orthogonal_modes(probe: Tensor) -> Tensor:
    """Orthogonal modes `(P, N, N)` of the same incoherent sum as those of probe, the strongest first.

    `P = U S V` by singular values: the density matrix `P^H P = V^H S^2 V` of the modes stays. One mode stays as it is.
    """
    if len(probe) == 1:
        return probe
    _, strengths, modes = torch.linalg.svd(probe.flatten(1), full_matrices=False)
    turned: Tensor = (strengths[:, None] * modes).unflatten(1, probe.shape[1:])
    # The phase of a mode is free; the first keeps that of the strongest before.
    strongest = probe[probe.abs().square().sum((1, 2)).argmax()]
    phase = (turned[0].conj() * strongest).sum()
    return turned * (phase / phase.abs().clamp_min(torch.finfo(strengths.dtype).tiny))


def mode_powers(probe: Tensor) -> Tensor:
    """The share of the power in each orthogonal mode of probe `(P, N, N)`: `(P,)`, the largest first."""
    power = orthogonal_modes(probe).abs().square().sum((1, 2))
    return power / power.sum()
