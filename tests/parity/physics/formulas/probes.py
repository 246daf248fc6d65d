"""The replaced system's probes: masks that are given, and a normalised modulus."""

from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import power
from ptycho_torch.physics.scaling import refuse_dark


def given_mask(mask: Tensor, side: int) -> Tensor:
    """A mask made elsewhere, `(N, N)`, `(N, N, 1)` or `(1, 1, N, N)`, as `(N, N)` float32.

    Raises ValueError for another shape, and for values that are negative or not finite: a negative
    weight would shift the phase of the exit wave by pi.
    """
    if tuple(mask.shape) not in {(side, side), (side, side, 1), (1, 1, side, side)}:
        raise ValueError(f"a probe mask must be ({side}, {side}), got {tuple(mask.shape)}")
    if not bool(torch.isfinite(mask).all()) or bool((mask < 0).any()):
        raise ValueError(f"a probe mask must be finite and not negative, its minimum is {float(mask.min()):g}")
    return mask.reshape(side, side).float()


class NormalisedProbe(NamedTuple):
    """The probe `q P` and its factor q."""

    probe: Tensor
    factor: float


def normalise_probe(probe: Tensor, probe_scale: float, mask: Tensor | None = None) -> NormalisedProbe:
    """`P -> q P`, `q = 1 / (probe_scale mean|m P|)`: mean modulus `1 / probe_scale` under the mask m.

    probe `(N, N)` or `(P, N, N)` complex, mask `(N, N)` or None for 1 everywhere. One factor for all
    modes, so that their powers keep their ratio; the mask decides the factor and does not touch the
    probe. Raises ValueError where probe_scale or the mean modulus is not positive and finite.
    """
    refuse_dark(torch.tensor(probe_scale, dtype=torch.float64), "probe_scale")
    modulus = power(probe.to(torch.complex128)).sqrt()
    mean = (modulus if mask is None else modulus * mask).mean()
    refuse_dark(mean, "mean modulus of the probe" + ("" if mask is None else " under its mask"))
    factor = 1.0 / (probe_scale * float(mean))
    return NormalisedProbe((probe * factor).to(probe.dtype), factor)


def field_scale(probe_factor: Tensor, physics: Tensor | None = None) -> Tensor:
    """`k = 1 / q`, or `k = 1 / (q sqrt(s))`: what brings `q P O` back to the units of measurement.

    probe_factor q is that of `normalise_probe`; physics s is the `physics_scale` of normalised
    amplitudes, None for counts. Raises ValueError where one of them is not positive and finite.
    """
    refuse_dark(probe_factor, "factor of the probe")
    if physics is None:
        return 1.0 / probe_factor
    refuse_dark(physics, "physics scale")
    return 1.0 / (probe_factor * torch.sqrt(physics))
