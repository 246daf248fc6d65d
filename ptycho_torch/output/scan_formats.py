"""A scan in the formats that others read: NPZ, CXI, and HDF5 of ptychodus; patterns are written a part at a time."""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ptycho_torch.data.dataset import AMPLITUDE_KEY, COUNT_KEY, stored_patterns
from ptycho_torch.data.geometry import ELECTRONVOLT, array_centre, object_pixel_m
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError
from ptycho_torch.output.hdf5_file import create_hdf5
from ptycho_torch.output.product import write_places
from ptycho_torch.records import Geometry

_AT_ONCE = 64
_ENTRY = "entry_1"
_DETECTOR, _SOURCE = f"{_ENTRY}/instrument_1/detector_1", f"{_ENTRY}/instrument_1/source_1"
_TRANSLATION = f"{_ENTRY}/sample_1/geometry_1/translation"


def pattern_parts(scan: RawScan) -> Iterator[NDArray[Any]]:
    """The patterns `(n, N, N)` in their own type, a few at a time; masked pixels are 0, amplitudes are squared."""
    stored, rows = stored_patterns(scan, in_file=True).stored, scan.rows
    chosen = np.arange(scan.count) if rows is None else rows
    for start in range(0, len(chosen), _AT_ONCE):
        mine = chosen[start : start + _AT_ONCE]
        part = np.moveaxis(stored[..., mine], -1, 0) if scan.patterns_last else stored[mine]
        if scan.valid_pixels is not None:
            part = np.where(scan.valid_pixels, part, part.dtype.type(0))
        yield np.square(part.astype(np.float32)) if scan.amplitudes else np.ascontiguousarray(part)


def _pattern_key(scan: RawScan) -> str:
    """The name in NPZ, which may leave it to options what the patterns are."""
    return AMPLITUDE_KEY if scan.key == AMPLITUDE_KEY else COUNT_KEY


def stored_dtype(scan: RawScan) -> np.dtype[Any]:
    """The type of the patterns that are written."""
    return np.dtype(np.float32) if scan.amplitudes else scan.patterns.dtype


def write_npz(path: Path, scan: RawScan) -> None:
    """Write a scan to path as NPZ with the names of PtychoPINN."""
    arrays: dict[str, Any] = {
        "xcoords": scan.position_yx[:, 1],
        "ycoords": scan.position_yx[:, 0],
        "axes": np.array("nyx"),
        "probeGuess": scan.probe,
        "objectGuess": None if scan.object is None else np.asarray(scan.object[...]).reshape(scan.object.shape[-2:]),
        "bad_pixels": None if scan.valid_pixels is None else ~scan.valid_pixels,
        "_metadata": None if scan.nphotons is None else _photons(scan.nphotons),
        **_npz_geometry(scan.geometry),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            if array is not None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    npy_format.write_array(stream, np.asarray(array), allow_pickle=False)
        with archive.open(f"{_pattern_key(scan)}.npy", "w", force_zip64=True) as stream:
            header = {"descr": npy_format.dtype_to_descr(stored_dtype(scan)), "fortran_order": False}
            npy_format.write_array_header_1_0(stream, {**header, "shape": (scan.count, *scan.frame)})
            for part in pattern_parts(scan):
                stream.write(part.tobytes())


def add_preparation(path: Path, text: str) -> None:
    """Add the text, JSON, to a written NPZ or HDF5 file at path, as `preparation`."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive, archive.open("preparation.npy", "w") as stream:
            npy_format.write_array(stream, np.array(text), allow_pickle=False)
    else:
        with h5py.File(path, "r+") as file:
            file["preparation"] = text


def _photons(nphotons: float) -> NDArray[np.str_]:
    return np.array(json.dumps({"physics_parameters": {"nphotons": nphotons}}))


def _npz_geometry(geometry: Geometry | None) -> dict[str, Any]:
    if geometry is None:
        return {}
    found: dict[str, Any] = {"object_pixel_m": geometry.pixel_m, "object_origin_m": geometry.origin_m}
    if geometry.photon_energy_ev is not None:
        found["photon_energy_eV"] = geometry.photon_energy_ev
    if geometry.distance_m is not None:
        found["detector_distance_m"] = geometry.distance_m
    if geometry.detector_pixel_m is not None and len(set(geometry.detector_pixel_m)) == 1:
        found["detector_pixel_size_m"] = geometry.detector_pixel_m[0]
    return found


def write_cxi(path: Path, scan: RawScan) -> None:
    """Write a scan to path as CXI. Raises DataError where its geometry is not known."""
    energy_j, geometry = checked_far_field(scan, "CXI")
    assert geometry.detector_pixel_m is not None
    y, x = (np.array(geometry.origin_m) + scan.position_yx * np.array(geometry.pixel_m)).T
    with create_hdf5(path) as file:
        file["cxi_version"], file["number_of_entries"] = 160, 1
        file[f"{_SOURCE}/energy"] = energy_j
        file[f"{_DETECTOR}/distance"] = geometry.distance_m
        file[f"{_DETECTOR}/y_pixel_size"], file[f"{_DETECTOR}/x_pixel_size"] = geometry.detector_pixel_m
        # A sample that moves to +x shows the beam what lies on its other side, and columns run against x.
        file[_TRANSLATION] = np.stack([x, y, np.zeros_like(x)], axis=1)
        if scan.valid_pixels is not None:
            file[f"{_DETECTOR}/mask"] = (~scan.valid_pixels).astype(np.uint32)
        if scan.probe is not None:
            file[f"{_SOURCE}/illumination"] = scan.probe
        write_patterns(file, f"{_DETECTOR}/data", scan).attrs["axes"] = "translation:y:x"
        file[f"{_ENTRY}/data_1/data"] = h5py.SoftLink(f"/{_DETECTOR}/data")
        file[f"{_ENTRY}/data_1/translation"] = h5py.SoftLink(f"/{_TRANSLATION}")


def checked_far_field(scan: RawScan, kind: str) -> tuple[float, Geometry]:
    """The energy in J and the geometry of a scan, complete and in agreement, for a format, kind. Raises DataError."""
    geometry, name = scan.geometry, str(scan.path)
    missing = geometry is None or None in (geometry.photon_energy_ev, geometry.distance_m, geometry.detector_pixel_m)
    if geometry is None or missing:
        raise DataError(
            name, f"has no energy, distance or detector pixel, which {kind} needs", "convert it to npz or h5"
        )
    assert geometry.photon_energy_ev is not None
    assert geometry.distance_m is not None
    assert geometry.detector_pixel_m is not None
    energy = geometry.photon_energy_ev * ELECTRONVOLT
    for pixel, detector, side in zip(geometry.pixel_m, geometry.detector_pixel_m, scan.frame, strict=True):
        far = object_pixel_m(energy, geometry.distance_m, detector, side)
        if not math.isclose(pixel, far, rel_tol=1e-3):
            message = f"has object pixels of {pixel:.4g} m, but its energy, distance and detector give {far:.4g} m"
            raise DataError(name, message, f"{kind} has no other way to state a pixel; convert it to npz or h5")
    return energy, geometry


def write_training_data(path: Path, scan: RawScan) -> None:
    """Write a scan to path as training data of ptychodus."""
    object_ = _object(scan)
    middle = np.array([array_centre(length, scan.frame[0]) for length in object_.shape])
    offset = scan.position_yx - middle
    with create_hdf5(path) as file:
        file["probe_position_y_px"], file["probe_position_x_px"] = offset.T
        file["object"], file["bad_pixels"] = object_, _bad_pixels(scan)
        if scan.probe is not None:
            file["probe"] = scan.probe
        _add_detector(write_patterns(file, "patterns", scan), scan.geometry)
        if scan.geometry is not None:
            file["object_pixel_height_m"], file["object_pixel_width_m"] = scan.geometry.pixel_m
            # As in a product; its programs do not look for it here.
            y, x = scan.geometry.origin_m + middle * scan.geometry.pixel_m
            file["object"].attrs.update({"center_y_m": y, "center_x_m": x})
            file["detector_object_distance_m"] = scan.geometry.distance_m or 0.0
            file["photon_energy_eV"] = scan.geometry.photon_energy_ev or 0.0


def write_pair(product: Path, diffraction: Path, scan: RawScan) -> None:
    """Write a scan as the two files of ptychodus: positions, probe and object to product, patterns to diffraction.

    Raises DataError for a scan without a probe.
    """
    if scan.probe is None:
        raise DataError(str(scan.path), "has no probe, which a product needs", "convert it to npz, cxi or another h5")
    geometry = scan.geometry
    with create_hdf5(diffraction) as file:
        file["indexes"], file["bad_pixels"] = np.arange(scan.count), _bad_pixels(scan)
        _add_detector(write_patterns(file, "patterns", scan), geometry)
    with create_hdf5(product) as file:
        write_places(file, scan.path.stem, scan.position_yx, scan.probe, _object(scan), (0, 0), geometry)


def _add_detector(patterns: h5py.Dataset, geometry: Geometry | None) -> None:
    if geometry is not None and geometry.detector_pixel_m is not None:
        height, width = geometry.detector_pixel_m
        patterns.attrs.update({"detector_pixel_height_m": height, "detector_pixel_width_m": width})


def _object(scan: RawScan) -> NDArray[Any]:
    """The object of a scan `(H, W)`; without one it holds nothing, but its size places the positions."""
    if scan.object is not None:
        return np.asarray(scan.object[...]).reshape(scan.object.shape[-2:])
    height, width = (math.ceil(float(most)) + scan.frame[0] for most in scan.position_yx.max(axis=0))
    return np.ones((height, width), np.complex64)


def _bad_pixels(scan: RawScan) -> NDArray[np.bool_]:
    return np.zeros(scan.frame, bool) if scan.valid_pixels is None else ~scan.valid_pixels


def write_patterns(file: h5py.File, key: str, scan: RawScan) -> h5py.Dataset:
    """Write the patterns of a scan to a dataset key `(n, N, N)` of an open file."""
    shape = (scan.count, *scan.frame)
    made = file.create_dataset(key, shape, stored_dtype(scan), chunks=(1, *scan.frame), compression="lzf")
    start = 0
    for part in pattern_parts(scan):
        made[start : start + len(part)] = part
        start += len(part)
    return made
