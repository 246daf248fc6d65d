"""Evaluation: how a reconstruction differs from a reference."""

from ptycho_torch.evaluation.compare import Comparison, compare
from ptycho_torch.evaluation.draw import draw_comparison, table
from ptycho_torch.evaluation.fourier_ring import (
    Resolution,
    RingCorrelation,
    fourier_ring_correlation,
    information_threshold,
    resolution,
)
from ptycho_torch.evaluation.read import PlacedObject, read_object
from ptycho_torch.evaluation.registration import Aligned, align, find_shift, shift_image
from ptycho_torch.evaluation.similarity import Similarity, multi_scale_ssim, psnr_db, similarity, ssim

__all__ = [
    "Aligned",
    "Comparison",
    "PlacedObject",
    "Resolution",
    "RingCorrelation",
    "Similarity",
    "align",
    "compare",
    "draw_comparison",
    "find_shift",
    "fourier_ring_correlation",
    "information_threshold",
    "multi_scale_ssim",
    "psnr_db",
    "read_object",
    "resolution",
    "shift_image",
    "similarity",
    "ssim",
    "table",
]
