"""Evaluation: how a reconstruction differs from a reference."""

from ptycho_torch.evaluation.compare import Comparison, compare
from ptycho_torch.evaluation.draw import draw_comparison, table
from ptycho_torch.evaluation.read import PlacedObject, read_object

__all__ = ["Comparison", "PlacedObject", "compare", "draw_comparison", "read_object", "table"]
