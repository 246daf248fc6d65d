"""Scans in HDF5: ptychodus product with diffraction, ptychodus training data, CXI.

What a file is, is decided by what it holds. Sources: ptychodus 1.7 `api/io.py` (names, units,
axes), CXI 1.6 (Maia 2012).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.geometry import centred_pixels, object_pixel_m, on_object_grid
from ptycho_torch.errors import DataError, MissingFileError

MAGIC = b"\x89HDF\r\n\x1a\n"
PRODUCT, DIFFRACTION = "product.h5", "diffraction.h5"
CXI_PATTERNS = ("entry_1/data_1/data", "entry_1/instrument_1/detector_1/data")
CXI_POSITIONS = "entry_1/sample_1/geometry_1/translation"


@attrs.frozen(eq=False)
class Hdf5Scan:
    """What a file holds: its dialect, patterns `(n, N, N)` still in the file, positions (y, x) in
    object pixels and probe `(P, N, N)`; `rows` are the patterns that have a position."""

    dialect: str
    patterns: Any
    key: str
    position_yx: NDArray[np.float64]
    probe: NDArray[Any]
    rows: NDArray[np.int64] | None = None


def is_hdf5(path: Path) -> bool:
    """Whether the file starts as HDF5 does."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def open_hdf5(path: Path) -> Hdf5Scan:
    """Recognise and read everything but the patterns. Raises DataError."""
    dialects: dict[str, Callable[[Path, h5py.File], Hdf5Scan]] = {
        "probe_position_x_px": _training_data,
        "probe_position_x_m": _product,
        "patterns": _diffraction,
        "entry_1": _cxi,
    }
    file = _opened(path)
    for key, read in dialects.items():
        if key in file:
            scan = read(path, file)
            return _checked(path, scan)
    raise DataError(
        str(path),
        f"is no scan that is known here; it holds {', '.join(sorted(file)) or 'nothing'}",
        "a ptychodus product with diffraction, ptychodus training data, or CXI",
    )


def _opened(path: Path) -> h5py.File:
    if not path.is_file():
        raise MissingFileError(str(path), "no such file")
    try:
        return h5py.File(path)
    except OSError as error:
        raise DataError(str(path), f"is damaged: {error}", "copy it again") from None


def _array(path: Path, file: h5py.File, key: str) -> NDArray[Any]:
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        raise DataError(str(path), f"has no {key}; it holds {', '.join(sorted(file))}")
    return np.asarray(found[()])


def _number(path: Path, file: h5py.File, key: str) -> float:
    value = _array(path, file, key)
    if value.size != 1 or not np.isfinite(value).all() or not float(value.reshape(-1)[0]) > 0:
        raise DataError(str(path), f"{key} must be one number above 0, got {value!r}")
    return float(value.reshape(-1)[0])


def _attribute(path: Path, dataset: h5py.Dataset, name: str) -> float:
    value = dataset.attrs.get(name)
    if value is None or not np.isfinite(value):
        raise DataError(str(path), f"{dataset.name} has no finite attribute {name}, got {value!r}")
    return float(value)


def _training_data(path: Path, file: h5py.File) -> Hdf5Scan:
    """Positions are offsets from the centre of the object, in object pixels."""
    shape = _array(path, file, "object").shape
    offsets = [_array(path, file, f"probe_position_{axis}_px") for axis in "yx"]
    position = _pairs(path, *(offset + n / 2 for offset, n in zip(offsets, shape[-2:], strict=True)))
    probe = _array(path, file, "probe")
    return Hdf5Scan("ptychodus training data", _patterns(path, file, "patterns"), "patterns", position, probe)


def _product(path: Path, file: h5py.File) -> Hdf5Scan:
    """A product; its patterns are in `diffraction.h5` beside it, matched by index."""
    partner = path.with_name(DIFFRACTION)
    if not partner.is_file():
        raise MissingFileError(str(partner), f"the patterns of {path.name} are not there", "put it beside it")
    return _pair(path, file, partner, _opened(partner))


def _diffraction(path: Path, file: h5py.File) -> Hdf5Scan:
    """Patterns; their positions and probe are in `product.h5` beside them."""
    partner = path.with_name(PRODUCT)
    if not partner.is_file():
        raise MissingFileError(
            str(partner), f"positions and probe of {path.name} are not there", "put it beside it"
        )
    return _pair(partner, _opened(partner), path, file)


def _pair(path: Path, product: h5py.File, other: Path, diffraction: h5py.File) -> Hdf5Scan:
    stored = product.get("object")
    if not isinstance(stored, h5py.Dataset):
        raise DataError(str(path), "has no object, whose pixel size and centre place the positions")
    columns = []
    for axis, size, length in (("y", "height", stored.shape[-2]), ("x", "width", stored.shape[-1])):
        metres = _array(path, product, f"probe_position_{axis}_m").astype(np.float64)
        pixel = _attribute(path, stored, f"pixel_{size}_m")
        columns.append(on_object_grid(metres, _attribute(path, stored, f"center_{axis}_m"), pixel, length))
    probe = _array(path, product, "probe")
    probe = probe[0] if probe.ndim == 4 else probe
    wanted = _array(path, product, "probe_position_indexes").astype(np.int64)
    found = _array(other, diffraction, "indexes").astype(np.int64)
    common, rows, places = np.intersect1d(found, wanted, return_indices=True)
    if len(common) == 0:
        raise DataError(str(other), f"none of its pattern indexes is a position index of {path.name}")
    order = np.argsort(rows)
    position = _pairs(path, *columns)[places[order]]
    patterns = _patterns(other, diffraction, "patterns")
    return Hdf5Scan("ptychodus product and diffraction", patterns, "patterns", position, probe, rows[order])


def _cxi(path: Path, file: h5py.File) -> Hdf5Scan:
    """CXI states the motion of the sample; the probe moves over it the other way."""
    key = next((name for name in CXI_PATTERNS if name in file), None)
    if key is None:
        raise DataError(str(path), f"has no patterns at {' or '.join(CXI_PATTERNS)}")
    patterns = _patterns(path, file, key)
    metres = _array(path, file, CXI_POSITIONS)
    detector, source = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
    if f"{source}/illumination" not in file:
        raise DataError(str(path), f"has no probe at {source}/illumination", "every network needs a probe")
    probe = _array(path, file, f"{source}/illumination")
    energy, distance = _number(path, file, f"{source}/energy"), _number(path, file, f"{detector}/distance")
    side = patterns.shape[-1]
    columns = []
    for axis, column in (("y", 1), ("x", 0)):
        detector_pixel = _number(path, file, f"{detector}/{axis}_pixel_size")
        pixel = object_pixel_m(energy, distance, detector_pixel, side)
        columns.append(centred_pixels(-metres[:, column].astype(np.float64), pixel, side / 2))
    return Hdf5Scan("CXI", patterns, key, np.stack(columns, axis=1), probe)


def _pairs(path: Path, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    if y.ndim != 1 or y.shape != x.shape:
        raise DataError(str(path), f"positions must be two lists of one length, got {y.shape} and {x.shape}")
    return np.stack([y, x], axis=1)


def _patterns(path: Path, file: h5py.File, key: str) -> h5py.Dataset:
    found = file.get(key)
    if not isinstance(found, h5py.Dataset) or found.ndim != 3:
        shape = getattr(found, "shape", None)
        raise DataError(str(path), f"{key} must be an array (n, N, N), its shape is {shape}")
    return found


def _checked(path: Path, scan: Hdf5Scan) -> Hdf5Scan:
    count, height, width = scan.patterns.shape
    if height != width:
        raise DataError(str(path), f"patterns must be square, {scan.key} has {height} x {width} pixels")
    used = count if scan.rows is None else len(scan.rows)
    if len(scan.position_yx) != used:
        raise DataError(str(path), f"{len(scan.position_yx)} positions for {used} patterns")
    if scan.probe.ndim not in (2, 3) or scan.probe.shape[-2:] != (height, width):
        raise DataError(
            str(path), f"the probe has the shape {scan.probe.shape}, the patterns {height} x {width} px"
        )
    return scan
