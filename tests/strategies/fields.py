"""Random fields of physical size, reproducible from a seed."""

import torch
from torch import Tensor


def complex_field(*shape: int, seed: int, dtype: torch.dtype = torch.complex128) -> Tensor:
    """Unit-variance complex noise."""
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def inner(a: Tensor, b: Tensor) -> Tensor:
    """`<a, b> = sum a^* b`."""
    return (a.conj() * b).sum()
