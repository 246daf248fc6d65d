"""Coarse structure of an object from the lowest moments of its diffraction patterns.

Pattern by pattern an object learns its details in one pass and its coarse phase in many: a slow
phase moves a pattern by a fraction of a pixel. That displacement is exact and linear. For an exit
wave `psi` and its unitary DFT, with frequencies `q` in rad/px,

    sum_q |Psi|^2          = sum_r |psi(r)|^2
    sum_q sin(q_y) |Psi|^2 = Im sum_r psi*(r) psi(r + y)

so the correction `O exp(a + i theta)` changes them by `2 sum |psi|^2 a` and, with `w(r) = Re psi*(r) psi(r + y)`, by
`sum_r w(r) (theta(r + y) - theta(r))`: differential phase contrast of what is left. The sine makes the moment periodic
as the DFT is, and trusts the dim rim of the detector less than the centre of mass would.

`a` and `theta` are bilinear on a coarse grid; all patterns together are a small linear
least-squares problem. Source: for the centre of mass, Mueller et al., Nat. Commun. 5, 5653 (2014).
"""

from collections.abc import Callable
from typing import NamedTuple

import attrs
import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import mode_sum_intensity

_MOMENTS = 3


def moments(intensity: Tensor) -> Tensor:
    """`sum (1, sin q_y, sin q_x) I` of intensities `(B, N, N)` in FFT order, `(B, 3)`."""
    side = intensity.shape[-1]
    sine = torch.sin(2 * torch.pi * torch.fft.fftfreq(side, device=intensity.device)).to(intensity.dtype)
    rows, columns = intensity.sum(-1), intensity.sum(-2)
    return torch.stack([rows.sum(-1), rows @ sine, columns @ sine], dim=-1)


class Hats(NamedTuple):
    """Bilinear functions of a grid of `spacing` px over a frame: values and forward differences
    `(spacing, N, K)`, one row for each distance in px of the frame's corner from a node."""

    values: Tensor
    steps: Tensor
    spacing: int


def bilinear_basis(side: int, spacing: int, device: torch.device | None = None) -> Hats:
    """`B_k(x) = max(0, 1 - |x / spacing - k|)` and `B_k(x + 1) - B_k(x)`, 0 at the last pixel, which has no
    neighbour in the frame of side px. spacing: of the nodes in px. device: None is the CPU."""
    count = (side + spacing - 2) // spacing + 2
    offset = torch.arange(spacing, device=device)[:, None, None]
    pixel = torch.arange(side, device=device)[:, None]
    node = torch.arange(count, device=device)
    values = (1 - ((offset + pixel) / spacing - node).abs()).clamp_min(0.0)
    steps = torch.zeros_like(values)
    steps[:, :-1] = values[:, 1:] - values[:, :-1]
    return Hats(values, steps, spacing)


@attrs.frozen(eq=False)
class Equations:
    """Linear equations of a batch: the response of its moments to the nodes, and their residual.

    response `(B, 3, K*K)` to the log-amplitude (0) and phase (1, 2) at nodes `(B, K, K)` given by
    `node_yx` `(B, 2)`, the first of each window; missing `(B, 3)`: measured minus modelled.
    """

    response: Tensor
    missing: Tensor
    node_yx: Tensor

    @classmethod
    def joined(cls, parts: "list[Equations]") -> "Equations":
        """The equations of all batches together."""
        names = [attribute.name for attribute in attrs.fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def equations(waves: Tensor, missing: Tensor, corner_yx: Tensor, basis: Hats) -> Equations:
    """The equations of patterns with exit waves `(B, P, N, N)` whose frames start at canvas pixels
    `corner_yx` `(B, 2)` int64 and whose moments lack `missing` `(B, 3)`, in nodes of the `basis`.

    Each is divided by the square root of the total intensity of its pattern, which is its Poisson noise.
    """
    place = corner_yx % basis.spacing
    intensity = mode_sum_intensity(waves)
    values, steps = basis.values.to(intensity.dtype), basis.steps.to(intensity.dtype)
    value_y, value_x = values[place[:, 0]], values[place[:, 1]]
    step_y, step_x = steps[place[:, 0]], steps[place[:, 1]]
    rows = [
        value_y.mT @ (2 * intensity) @ value_x,
        step_y.mT @ _overlap(waves, -2) @ value_x,
        value_y.mT @ _overlap(waves, -1) @ step_x,
    ]
    noise = intensity.sum((-2, -1)).clamp_min(torch.finfo(intensity.dtype).tiny).sqrt()
    response = torch.stack(rows, dim=1).flatten(2) / noise[:, None, None]
    return Equations(response, missing / noise[:, None], corner_yx // basis.spacing)


def _overlap(waves: Tensor, axis: int) -> Tensor:
    """`Re sum_p psi_p*(r) psi_p(r + 1)` along an axis, periodic, `(B, P, N, N)` to `(B, N, N)`."""
    neighbour = waves.roll(-1, axis)
    return (waves.real * neighbour.real + waves.imag * neighbour.imag).sum(-3)


def correction(system: Equations, height: int, width: int, basis: Hats, smoothness: float) -> Tensor:
    """`exp(a + i theta)` on a canvas of height x width px, complex64: the smoothest factor that explains
    the residuals, `min |A x - b|^2 + smoothness max(diag A'A) |grad x|^2`, by conjugate gradients.

    system: A and b, in nodes of the `basis`. smoothness: relative weight of the gradient, positive.
    """
    shape = ((height - 1) // basis.spacing + 2, (width - 1) // basis.spacing + 2)
    log_amplitude = _solve(system, slice(0, 1), shape, smoothness)
    phase = _solve(system, slice(1, _MOMENTS), shape, smoothness)
    nodes = torch.complex(log_amplitude, phase)
    y, x = (_interpolation(n, k, basis.spacing, nodes) for n, k in zip((height, width), shape, strict=True))
    smooth: Tensor = y @ nodes @ x.T
    return torch.exp(smooth)


def _interpolation(pixels: int, nodes: int, spacing: int, like: Tensor) -> Tensor:
    place = torch.arange(pixels, device=like.device)[:, None] / spacing
    node = torch.arange(nodes, device=like.device)
    return (1 - (place - node).abs()).clamp_min(0.0).to(like.dtype)


def _solve(system: Equations, part: slice, shape: tuple[int, int], smoothness: float) -> Tensor:
    matrix, wanted = system.response[:, part], system.missing[:, part]
    size = round(matrix.shape[-1] ** 0.5)
    step = torch.arange(size, device=matrix.device)
    rows = system.node_yx[:, 0, None, None] + step[:, None]
    columns = system.node_yx[:, 1, None, None] + step
    index = (rows.clamp_max(shape[0] - 1) * shape[1] + columns.clamp_max(shape[1] - 1)).flatten(1)

    def adjoint(values: Tensor) -> Tensor:
        nodes = matrix.new_zeros(shape[0] * shape[1])
        return nodes.index_add_(0, index.flatten(), values.flatten()).view(shape)

    strength = smoothness * float(adjoint(matrix.square().sum(1)).max())

    def normal(nodes: Tensor) -> Tensor:
        predicted = (matrix * nodes.view(-1)[index][:, None]).sum(-1, keepdim=True)
        return adjoint((matrix * predicted).sum(1)) + strength * _laplacian(nodes)

    return _conjugate_gradients(normal, adjoint((matrix * wanted[..., None]).sum(1)))


def _laplacian(nodes: Tensor) -> Tensor:
    """`D'D x` for forward differences D along both axes: 0 for a constant."""
    result = torch.zeros_like(nodes)
    for axis in (0, 1):
        step = nodes.diff(dim=axis)
        count = step.shape[axis]
        result.narrow(axis, 0, count).sub_(step)
        result.narrow(axis, 1, count).add_(step)
    return result


def _conjugate_gradients(
    normal: Callable[[Tensor], Tensor], target: Tensor, tolerance: float = 1e-3, steps: int = 200
) -> Tensor:
    """`x` with `|N x - b| <= tolerance |b|` for a symmetric positive semi-definite N."""
    found = torch.zeros_like(target)
    left = target.clone()
    direction = left.clone()
    size = float(left.square().sum())
    goal = tolerance**2 * size
    for _ in range(steps):
        if size <= goal:
            break
        image = normal(direction)
        length = size / float((direction * image).sum())
        found += length * direction
        left -= length * image
        size, before = float(left.square().sum()), size
        direction = left + (size / before) * direction
    return found
