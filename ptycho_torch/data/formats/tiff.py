"""Frames in TIFF files, through tifffile."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.damage import damage_as_error
from ptycho_torch.errors import DataError

# Deflate makes at most this of a byte.
_MOST_COMPRESSION = 1032


def read_tiff(path: Path) -> NDArray[Any]:
    """The frames of the first series of pages at path, `(n, H, W)` or `(rows, columns, H, W)`. Raises DataError."""
    import tifffile

    with damage_as_error(path), tifffile.TiffFile(path) as file:
        series = file.series[0]
        declared = math.prod(series.shape) * np.dtype(series.dtype).itemsize
        if declared > path.stat().st_size * _MOST_COMPRESSION:
            raise DataError(str(path), f"declares {declared / 2**30:.3g} GiB, more than it can hold", "copy it again")
        return np.asarray(series.asarray())
