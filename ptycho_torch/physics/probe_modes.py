"""Incoherent modes of a probe."""

import torch
from torch import Tensor

# The share of the power that each new mode starts with.
STARTING_SHARE = 0.05


def grow_modes(probe: Tensor, number: int) -> Tensor:
    """The probe `(P, N, N)` complex64 with `number` orthogonal modes of the same power in all, at least P.

    New ones are the strongest mode P_1 times `x, y, x y, x^2 - y^2, ...` around its centre, as vibrations and a source
    of finite size make them to first and second order, each with a twentieth of the power.
    """
    modes = orthogonal_modes(probe)
    side = probe.shape[-1]
    first, power = modes[0], modes.abs().square().sum()
    weight = first.abs().square() / first.abs().square().sum()
    axis = torch.arange(side, device=probe.device, dtype=weight.dtype)
    y, x = axis - (weight.sum(1) * axis).sum(), axis - (weight.sum(0) * axis).sum()
    y, x = y[:, None], x[None, :]
    shapes = (x, y, x * y, x.square() - y.square(), x.square() + y.square())[: max(number - len(modes), 0)]
    basis = torch.linalg.qr(torch.stack([*modes, *(first * shape for shape in shapes)]).flatten(1).T).Q.T
    added = basis[len(modes) :].unflatten(1, (side, side))
    share = STARTING_SHARE * len(added)
    grown = torch.cat([modes * (1 - share) ** 0.5, added * (STARTING_SHARE * power) ** 0.5])
    return grown.to(probe.dtype)


def most_modes(number: int) -> int:
    """The largest number to which `grow_modes` can bring a probe of so many modes."""
    return number + 5


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
