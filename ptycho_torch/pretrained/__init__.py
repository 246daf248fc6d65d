"""A network that was trained on a family of simulated scans, for scans that it has never seen."""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "unrolled.wts.h5.zip"

__all__ = ["PRETRAINED"]
