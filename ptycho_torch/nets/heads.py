"""From real channels to a complex object."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]
REAL_OFFSET = 0.2

AMPLITUDE: dict[str, Activation] = {
    "sigmoid": torch.sigmoid,
    "swish": functional.silu,
    "softplus": functional.softplus,
    "relu": torch.relu,
}


def bounded_phase(x: Tensor) -> Tensor:
    """`pi tanh x`."""
    return torch.pi * torch.tanh(x)


def bounded_real(x: Tensor) -> Tensor:
    """`0.2 + tanh x`, in (-0.8, 1.2): a transmission is mostly near 1."""
    return REAL_OFFSET + torch.tanh(x)


def bounded_imaginary(x: Tensor) -> Tensor:
    """`1.2 tanh x`."""
    return 1.2 * torch.tanh(x)


def polar(amplitude: Tensor, phase: Tensor) -> Tensor:
    """`A exp(i phi)`, complex64, of amplitude A, which may be negative, and phase in rad, of one shape."""
    amplitude, phase = amplitude.float(), phase.float()
    return torch.complex(amplitude * torch.cos(phase), amplitude * torch.sin(phase))


def rectangular(real: Tensor, imaginary: Tensor) -> Tensor:
    """`Re + i Im`, complex64, of the real and the imaginary part, of one shape."""
    return torch.complex(real.float(), imaginary.float())
