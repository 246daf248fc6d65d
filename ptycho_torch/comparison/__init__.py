"""Comparing a reconstruction with a reference."""

from ptycho_torch.comparison.compare import Comparison, compare
from ptycho_torch.comparison.fourier_ring import fourier_ring_correlation
from ptycho_torch.comparison.read import StoredObject, read_object

__all__ = ["Comparison", "StoredObject", "compare", "fourier_ring_correlation", "read_object"]
