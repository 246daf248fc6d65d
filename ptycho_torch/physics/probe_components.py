"""A probe that varies from pattern to pattern: its mean and a few orthogonal components with real weights.

Source: orthogonal probe relaxation, Odstrcil, Baksh, Boden et al., Opt. Express 24, 8360 (2016).
There components are the singular vectors of the probes that all patterns want; here, the same subspace is found
without storing a probe for each pattern, by least-squares steps of components and of weights in turn. Weights are real,
as a small drift of focus, tilt or place adds a complex field times a real number.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import shift_probe
from ptycho_torch.records import Scan


class Variation(NamedTuple):
    """Components `(K, N, N)` complex, and their weights `(n, K)` real in the n patterns."""

    components: Tensor
    weights: Tensor


def frame_probes(scan: Scan, rows: Tensor, probe: Tensor) -> Tensor:
    """The probe `(B, P, N, N)` of each of the patterns `rows` of a scan, moved by the sub-pixel rest of its position.

    probe: `(P, N, N)`, that of the scan, on the device that computes.
    """
    if scan.components is not None and scan.weights is not None:
        probe = vary(probe, scan.components.to(probe.device), scan.weights[rows].to(probe.device))
    return shift_probe(probe, scan.fraction_yx[rows].to(probe.device))


def vary(probe: Tensor, components: Tensor, weights: Tensor) -> Tensor:
    """`P_0 + sum_k w_jk C_k` for the first mode, P_p for all others: `(B, P, N, N)` of a probe `(P, N, N)`, components
    `(K, N, N)` and weights `(B, K)`."""
    first = probe[0] + torch.einsum("bk,kyx->byx", weights.to(components), components)
    others = probe[1:].expand(len(weights), -1, -1, -1)
    return torch.cat([first.unsqueeze(1), others], dim=1)


def orthogonal_turn(variation: Variation) -> Tensor:
    """The matrix `(K, K)` by which `turn_variation` makes the components of a variation orthogonal and of norm 1, the
    strongest first.

    Orthogonal as real vectors, `Re sum C_k* C_l = 0`, since the weights are real.
    """
    flat = torch.view_as_real(variation.components.resolve_conj()).flatten(1)
    inner = torch.linalg.qr(flat.mT).R
    turn: Tensor = inner.mT @ torch.linalg.svd(variation.weights @ inner.mT, full_matrices=False).Vh.mT
    return turn


def turn_variation(variation: Variation, turn: Tensor) -> Variation:
    """The same variation `w C = (w T) (T^-1 C)` in other components; turn: T `(K, K)` real."""
    flat = torch.view_as_real(variation.components.resolve_conj())
    components = torch.einsum("kl,lyxc->kyxc", torch.linalg.inv(turn), flat).contiguous()
    return Variation(torch.view_as_complex(components), variation.weights @ turn)


def component_powers(probe: Tensor, variation: Variation) -> Tensor:
    """The mean power over the patterns of each orthogonal component of a variation, as a share of that of the mean
    probe `(P, N, N)`: `(K,)`."""
    components, weights = variation
    strength = components.abs().square().sum((1, 2)) * weights.square().mean(0).to(components.device)
    return strength / probe.abs().square().sum()
