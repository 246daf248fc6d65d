"""Evaluation: how a reconstruction differs from a reference."""

from ptycho_torch.evaluation.compare import Comparison, compare
from ptycho_torch.evaluation.draw import draw_comparison, draw_several, table
from ptycho_torch.evaluation.read import PlacedObject, read_object
from ptycho_torch.evaluation.several import compare_several, table_of_several

__all__ = [
    "Comparison",
    "PlacedObject",
    "compare",
    "compare_several",
    "draw_comparison",
    "draw_several",
    "read_object",
    "table",
    "table_of_several",
]
