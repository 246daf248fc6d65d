"""Parameter files of PtyRAD (`init_params` in YAML): an electron scan on a raster, its frames in a file next to it.

Lengths are in Angstrom. The pixel of the object follows from `meas_calibration`; PtyRAD can also fit it, this reader
does not.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from ptycho_torch.data.damage import damage_as_error
from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.hdf5_rows import open_for_reading
from ptycho_torch.data.formats.hdf5_safety import is_below
from ptycho_torch.data.formats.hdf5_trial import check_survival
from ptycho_torch.data.formats.matlab import version_5
from ptycho_torch.data.formats.reader import READERS, ScanFile
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.formats.tiff import read_tiff
from ptycho_torch.data.formats.views import as_list, crop, turn
from ptycho_torch.data.geometry import electron_wavelength_m, on_pixels, raster_positions
from ptycho_torch.data.patterns import FileRows
from ptycho_torch.data.raw import RawScan, Stored
from ptycho_torch.errors import DataError, MissingFileError

_ANGSTROM = 1e-10
_MOST_BYTES = 2**20
_SUFFIXES = (".yml", ".yaml")
# These change the frames or the positions in ways that are not done here.
_UNREAD = ("meas_permute", "meas_reshape", "meas_crop", "pos_scan_flipT", "pos_scan_affine")


class PtyradReader:
    """Reads parameter files of PtyRAD."""

    def recognise(self, file: ScanFile) -> bool:
        """Whether it is YAML with `init_params`."""
        return file.path.suffix.lower() in _SUFFIXES and "init_params" in (_table(file.path) or {})

    def read(self, file: ScanFile) -> RawScan:
        """All but the patterns. Raises DataError."""
        return _read(file.path)


READERS.add("PtyRAD")(PtyradReader())


def _table(path: Path) -> dict[str, Any] | None:
    if path.stat().st_size > _MOST_BYTES:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        # A few aliases of aliases stand for more than fits into memory.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise DataError(str(path), "uses aliases (*name)", "write the values out")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        return None
    return found if isinstance(found, dict) else None


def _read(path: Path) -> RawScan:
    known = (_table(path) or {})["init_params"]
    if not isinstance(known, dict):
        raise DataError(str(path), "init_params is no table")
    _refuse_unread(path, known)
    rows, columns, side = (_whole(path, known, f) for f in ("pos_N_scan_slow", "pos_N_scan_fast", "meas_Npix"))
    key, stored = _frames(path, known, rows * columns, side)
    patterns: Stored = as_list(stored)
    flips = known.get("meas_flipT") or [0, 0, 0]
    if not isinstance(flips, list) or len(flips) != 3:
        raise DataError(str(path), f"init_params.meas_flipT must be three numbers, 0 or 1, got {flips!r}")
    if any(flips):
        patterns = turn(patterns, *(bool(flip) for flip in flips))
    pixel = _pixel_m(path, known, side)
    step = _number(path, known, "pos_scan_step_size") * _ANGSTROM
    position, geometry = on_pixels(raster_positions(rows, columns, (step, step)), (pixel, pixel), (side, side))
    return refuse_near_field(
        RawScan(
            path=path, dialect="PtyRAD", key=key, patterns=patterns, position_yx=position, probe=None, geometry=geometry
        )
    )


def _refuse_unread(path: Path, known: dict[str, Any]) -> None:
    if known.get("probe_illum_type", "electron") != "electron":
        raise DataError(str(path), f"probe_illum_type is {known['probe_illum_type']!r}, only 'electron' is read")
    changed = [name for name in _UNREAD if known.get(name) is not None]
    pads = ("meas_pad", "meas_resample")
    changed += [name for name in pads if _table_of(path, known, name).get("mode") is not None]
    if changed:
        raise DataError(str(path), f"{', '.join(changed)} is not read", "store the frames changed, and set it to null")


def _table_of(path: Path, known: dict[str, Any], name: str) -> dict[str, Any]:
    found = known.get(name) or {}
    if not isinstance(found, dict):
        raise DataError(str(path), f"init_params.{name} must be a table, got {found!r}")
    return found


def _number(path: Path, known: dict[str, Any], name: str) -> float:
    value = known.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise DataError(str(path), f"init_params.{name} must be one number above 0, got {value!r}")
    return float(value)


def _whole(path: Path, known: dict[str, Any], name: str) -> int:
    # A gap may be 0.
    value = 0 if name == "gap" and known.get(name) == 0 else _number(path, known, name)
    if value != int(value):
        raise DataError(str(path), f"init_params.{name} must be a whole number, got {value}")
    return int(value)


def _pixel_m(path: Path, known: dict[str, Any], side: int) -> float:
    """From the mode of `meas_calibration`: dx in A; dk or kMax in 1/A; da or angleMax in mrad."""
    calibration = _table_of(path, known, "meas_calibration")
    mode = str(calibration.get("mode"))
    modes: dict[str, Callable[[float], float]] = {
        "dx": lambda value: value * _ANGSTROM,
        "dk": lambda value: _ANGSTROM / (side * value),
        "kMax": lambda value: _ANGSTROM / (2 * value),
        "da": lambda value: _wavelength(path, known) / (side * value * 1e-3),
        "angleMax": lambda value: _wavelength(path, known) / (2 * value * 1e-3),
    }
    if mode not in modes:
        message = f"init_params.meas_calibration has the mode {mode!r}, which is fitted to the frames"
        raise DataError(str(path), message, f"give a value, with mode {', '.join(modes)}")
    return modes[mode](_number(path, calibration, "value"))


def _wavelength(path: Path, known: dict[str, Any]) -> float:
    return electron_wavelength_m(_number(path, known, "probe_kv") * 1e3)


def _frames(path: Path, known: dict[str, Any], count: int, side: int) -> tuple[str, Stored]:
    """The name and the handle of the frames, `(n, N, N)` or `(rows, columns, N, N)`."""
    given = _table_of(path, known, "meas_params")
    name = given.get("path")
    if not isinstance(name, str):
        raise DataError(str(path), "init_params.meas_params has no path")
    # Written on another machine, so only its last parts can be trusted; never outside of the folder of this file.
    other = next(
        (
            place
            for place in (path.parent / name, path.parent / Path(name).name)
            if place.is_file() and is_below(place, path)
        ),
        None,
    )
    if other is None:
        raise MissingFileError(str(path.parent / Path(name).name), f"the frames of {path.name} are not there")
    key, stored = _open_frames(other, given, count, side)
    if int(np.prod(stored.shape[:-2])) != count or stored.shape[-2:] != (side, side):
        message = f"{key} has the shape {stored.shape}, {path.name} says {count} frames of {side} x {side}"
        raise DataError(str(other), message)
    return key, stored


def _open_frames(other: Path, given: dict[str, Any], count: int, side: int) -> tuple[str, Stored]:
    match other.suffix.lower():
        case ".raw":
            return other.name, _raw_rows(other, count, side, _whole(other, {"gap": 1024} | given, "gap"))
        case ".npy":
            with damage_as_error(other):
                return other.name, np.load(other, mmap_mode="r", allow_pickle=False)
        case ".tif" | ".tiff":
            return other.name, read_tiff(other)
        case ".mat" if not h5py.is_hdf5(other):
            return _matlab_frames(other, given, count, side)
        case ".h5" | ".hdf5" | ".mat":
            check_survival(other, lambda: _hdf5_frames(other, given))
            return _hdf5_frames(other, given)
    raise DataError(str(other), "is not read as frames of PtyRAD", "raw, npy, tif, mat and HDF5 are")


def _hdf5_frames(other: Path, given: dict[str, Any]) -> tuple[str, Stored]:
    with ExitStack() as opened:
        file = opened.enter_context(open_for_reading(other))
        found = [given.get("key") or "", *(key for key in file if isinstance(file[key], h5py.Dataset))]
        key = next((one for one in found if one in file), "dp")
        return key, Source(other, file, opened).rows(key, ndim=(3, 4))


def _matlab_frames(other: Path, given: dict[str, Any], count: int, side: int) -> tuple[str, Stored]:
    """An array of a MATLAB file of version 5, where frames may lie along the last axis."""
    found = version_5(other)
    key = str(given.get("key") or next((name for name, array in found.items() if array.ndim in (3, 4)), "dp"))
    if key not in found:
        raise DataError(str(other), f"has no {key}; it holds {', '.join(sorted(found)) or 'nothing'}")
    array = found[key]
    as_stored = array.shape[-2:] == (side, side) and math.prod(array.shape[:-2]) == count
    return key, array if as_stored or array.ndim < 3 else np.moveaxis(array, (0, 1), (-2, -1))


def _raw_rows(other: Path, count: int, side: int, gap: int) -> Stored:
    """Frames of an EMPAD: float32 with `gap` bytes, or two more lines, after each."""
    size, width = other.stat().st_size, side * side * 4
    if size != count * (width + gap):
        raise DataError(
            str(other),
            f"has {size} bytes, {count} frames of {side} x {side} with a gap of {gap} need {count * (width + gap)}",
            "correct meas_params.gap",
        )
    if gap % (4 * side):
        raise DataError(str(other), f"a gap of {gap} bytes is not a number of lines of {side} pixels")
    padded = FileRows(other, 0, (count, side + gap // (4 * side), side), np.dtype("<f4"))
    return crop(padded, (slice(0, side), slice(0, side)))
