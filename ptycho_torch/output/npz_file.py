"""Writing NPZ files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_torch.files import atomic_write


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to `path` as NPZ, whole or not at all."""
    # numpy puts `.npz` behind the name of a file, not behind a stream.
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
