"""Scans in NPZ: the names and axis orders of the field."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.axes import grid_positions, patterns_last, without_channel
from ptycho_torch.data.formats.npz_archive import Archive
from ptycho_torch.data.formats.reader import READERS, ScanFile
from ptycho_torch.data.geometry import ELECTRONVOLT, object_pixel_m
from ptycho_torch.data.masks import NAMES, Mask, join_masks, read_mask, refuse_ambiguous
from ptycho_torch.data.raw import RawScan, mode_stack, own_output_error, positive_number, with_mask
from ptycho_torch.errors import DataError
from ptycho_torch.records import Geometry

PATTERN_KEYS = ("diffraction", "diff3d")
LABEL_KEYS = ("label", "Y")
# The arrays of `reconstruction.npz`.
_OUTPUT = {"object", "origin_px", "illumination"}
_ENERGIES = ("photon_energy_eV", "probe_energy_ev")


@attrs.frozen(eq=False)
class NamedArrays:
    """Arrays by name of the file at path: found, of which no values need be read yet; array reads one whole."""

    path: Path
    found: Mapping[str, Any]
    array: Callable[[str], NDArray[Any]]


class NpzReader:
    """Reads NPZ archives."""

    def recognise(self, file: ScanFile) -> bool:
        """Whether it is an archive at all: one without a scan is reported by what is missing."""
        return file.npz is not None

    def read(self, file: ScanFile) -> RawScan:
        """All but the patterns. Raises DataError."""
        assert file.npz is not None
        found = file.npz.arrays()
        if not any(name in found for name in PATTERN_KEYS) and set(found) == _OUTPUT:
            raise own_output_error(file.path)
        return read_names(NamedArrays(file.path, found, file.npz.array), "NPZ", _photons(file.npz))


READERS.add("npz")(NpzReader())


def read_names(archive: NamedArrays, dialect: str, nphotons: float | None) -> RawScan:
    """The scan in an archive of arrays with the names of PtychoPINN, in a format named dialect, with nphotons where it
    states that. Raises DataError."""
    found, path = archive.found, archive.path
    key = next((name for name in PATTERN_KEYS if name in found), None)
    names = _coordinates(found)
    if key is None or names is None:
        missing = [name for name in ("xcoords", "ycoords") if name not in found]
        wanted = [*missing, *(["diffraction (or diff3d)"] if key is None else [])]
        raise DataError(str(path), f"has no {', '.join(wanted)}", f"it holds {', '.join(sorted(found)) or 'nothing'}")
    shape = without_channel(tuple(found[key].shape))
    last = patterns_last(path, key, shape, math.prod(found[names[0]].shape), _declared_axes(archive))
    raster = shape[2:] if last else shape[:-2]
    count, frame = math.prod(raster), shape[:2] if last else shape[-2:]
    position = _positions(archive, names, raster)
    patterns = found[key]
    if len(patterns.shape) == 4:
        patterns = patterns.reshape((*frame, count) if last else (count, *frame))
    remarks: tuple[str, ...] = ()
    probe = None
    if "probeGuess" in found:
        probe, more = mode_stack(path, "probeGuess", archive.array("probeGuess"))
        remarks += more
    label_key = next((name for name in LABEL_KEYS if name in found), None)
    scan = RawScan(
        path=path,
        dialect=dialect,
        key=key,
        patterns=patterns,
        position_yx=position,
        origin_known=False,
        probe=probe,
        probe_key="probeGuess",
        probe_pixel_m=_pair(archive, "probe_pixel_m") if "probe_pixel_m" in found else None,
        patterns_last=last,
        geometry=_geometry(archive, found, frame[0]),
        nphotons=nphotons,
        object=found.get("objectGuess"),
        object_key="objectGuess",
        label=None if label_key is None else found[label_key],
        label_key=label_key or "",
        remarks=remarks,
    )
    return with_mask(scan, _mask(archive, found, frames_last=last))


def _mask(archive: NamedArrays, found: Mapping[str, Any], *, frames_last: bool) -> Mask | None:
    """All masks of the archive together."""
    path, names = archive.path, [name for name in NAMES if name in found]
    if not names:
        refuse_ambiguous(path, found)
    return join_masks(path, (read_mask(path, name, archive.array(name), frames_last=frames_last) for name in names))


def _coordinates(found: Mapping[str, Any]) -> tuple[str, str] | None:
    """The names of (y, x); files of SLAC have only `_start`."""
    pairs = [(f"ycoords{end}", f"xcoords{end}") for end in ("", "_start")]
    return next((pair for pair in pairs if pair[0] in found and pair[1] in found), None)


def _declared_axes(archive: NamedArrays) -> str | None:
    """As the file says it; training data of ptychodus, which writes a mask and the index of each scan, are `nyx`."""
    if "axes" in archive.found:
        return "".join(map(str, archive.array("axes").reshape(-1)))
    return "nyx" if {"bad_pixels", "scan_index", "diff3d"} <= set(archive.found) else None


def _positions(archive: NamedArrays, names: tuple[str, str], raster: tuple[int, ...]) -> NDArray[np.float64]:
    """`(n, 2)`; every pair of coordinates must fit together, also one that is not used."""
    path, found = archive.path, archive.found
    _check_pairs(path, found, raster)
    y, x = (archive.array(name) for name in names)
    if y.dtype.kind not in "uif" or x.dtype.kind not in "uif":
        raise DataError(str(path), f"xcoords or ycoords must be real, not {x.dtype}, {y.dtype}")
    position = grid_positions(path, y, x, raster)
    if position is None:
        raise DataError(str(path), f"{len(x)} {names[1]} but {len(y)} {names[0]}")
    return position


def _check_pairs(path: Path, found: Mapping[str, Any], raster: tuple[int, ...]) -> None:
    for end in ("", "_start"):
        shapes = {
            f"{axis}coords{end}": tuple(found[f"{axis}coords{end}"].shape)
            for axis in "xy"
            if f"{axis}coords{end}" in found
        }
        grids = len(shapes) == 2 and len(set(shapes.values())) == 1
        for name, shape in shapes.items():
            if len(shape) != 1 and not (grids and len(shape) == 2):
                raise DataError(
                    str(path), f"{name} must be one-dimensional, or both grids of one shape; its shape is {shape}"
                )
        if len(shapes) == 2 and not grids and len(raster) == 1:
            counts = " but ".join(f"{shape[0]} {name}" for name, shape in shapes.items())
            raise DataError(str(path), counts)


def _geometry(archive: NamedArrays, found: Mapping[str, Any], side: int) -> Geometry | None:
    """`object_pixel_m`, or `dx = lambda z / (N p)` where the file states energy, distance and detector pixel; None
    elsewhere."""

    def known(name: str) -> float | None:
        return positive_number(archive.path, name, archive.array(name)) if name in found else None

    ev = next((known(name) for name in _ENERGIES if name in found), None)
    distance, detector = known("detector_distance_m"), known("detector_pixel_size_m")
    sides = None if detector is None else (detector, detector)
    if "object_pixel_m" in found:
        pixel, origin = (_pair(archive, name) for name in ("object_pixel_m", "object_origin_m"))
        return Geometry(pixel, origin, ev, distance, sides)
    if ev is None or distance is None or detector is None:
        return None
    one = object_pixel_m(ev * ELECTRONVOLT, distance, detector, side)
    return Geometry((one, one), (0.0, 0.0), ev, distance, sides)


def _pair(archive: NamedArrays, name: str) -> tuple[float, float]:
    """Two lengths (y, x) in m, of a pixel above 0; an origin that is not given is 0."""
    stored = archive.array(name) if name in archive.found else np.zeros(2)
    least = -np.inf if name == "object_origin_m" else 0
    if stored.dtype.kind not in "uif" or stored.size != 2 or not ((stored > least) & np.isfinite(stored)).all():
        raise DataError(str(archive.path), f"{name} must be two lengths (y, x) in m, got {stored!r}")
    y, x = stored.reshape(-1).tolist()
    return y, x


def _photons(archive: Archive) -> float | None:
    physics = archive.metadata().get("physics_parameters", {})
    value = physics.get("nphotons") if isinstance(physics, dict) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        message = f"_metadata physics_parameters.nphotons must be a number above 0, got {value!r}"
        raise DataError(str(archive.path), message)
    return float(value)
