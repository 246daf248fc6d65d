"""Positions in a text file next to patterns: a header that names both axes and their unit, then a line a pattern."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.errors import DataError, MissingFileError

_UNITS = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9}
_NAME = re.compile(r"^(x|y)[\s_(\[]*(m|mm|um|nm)[\s)\]]*$", re.IGNORECASE)
_ENDINGS = (".csv", ".txt")
_MOST_BYTES = 256 * 2**20
_HEADER = "start it with a line such as x_m,y_m or y_um,x_um"


def read_positions(path: Path) -> NDArray[np.float64]:
    """Positions of the probe on the sample, (y, x) in m `(n, 2)`, from `NAME_positions.csv` or `.txt` next to the
    patterns at path, whose name is `NAME.h5` or `NAME_master.h5`. Raises DataError."""
    stem = path.stem.removesuffix("_master")
    places = [path.with_name(f"{stem}_positions{ending}") for ending in _ENDINGS]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise MissingFileError(str(places[0]), f"{path.name} has no positions, and this file is not there", _HEADER)
    if found.stat().st_size > _MOST_BYTES:
        raise DataError(str(found), f"has {found.stat().st_size} bytes, too many for positions")
    return _parse(found)


def _parse(path: Path) -> NDArray[np.float64]:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    header = lines[0].lstrip("# ") if lines else ""
    names = [
        _NAME.match(name.strip()) for name in re.split(r"[,;\t]+" if re.search(r"[,;\t]", header) else r"\s+", header)
    ]
    units = {match[1].lower(): (column, _UNITS[match[2].lower()]) for column, match in enumerate(names) if match}
    if set(units) != {"x", "y"}:
        reason = f"its first line {header[:80]!r} does not say which column is x, which is y, and in which unit"
        raise DataError(str(path), reason, _HEADER)
    body = "\n".join(re.sub(r"[,;\t]+", " ", line) for line in lines[1:] if not line.startswith("#"))
    try:
        table = np.loadtxt(body.splitlines(), ndmin=2, dtype=np.float64)
        return np.stack([table[:, column] * unit for column, unit in (units["y"], units["x"])], axis=1)
    except (ValueError, IndexError) as error:
        raise DataError(str(path), f"cannot be read as numbers: {error}") from None
