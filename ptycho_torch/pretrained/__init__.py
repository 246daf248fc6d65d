"""A network trained on a family of simulated scans, and a denoiser trained on simulated objects."""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "unrolled.wts.h5.zip"
DENOISER = Path(__file__).parent / "denoiser.safetensors"

__all__ = ["DENOISER", "PRETRAINED"]
