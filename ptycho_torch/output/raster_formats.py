"""A scan in the formats that state more of it than a list of positions: ptypy's ptyd, and EMD, which holds rasters."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError
from ptycho_torch.output.hdf5_file import create_hdf5
from ptycho_torch.output.scan_formats import checked_far_field, pattern_parts, stored_dtype, write_patterns

# Positions are a raster where they lie within this share of a step of it.
RASTER = 1e-3
_ANGSTROM = 1e-10
_CUBE = "datacube_root/datacube"


def write_ptyd(path: Path, scan: RawScan) -> None:
    """Write a scan to path as ptyd, in one chunk, with its probe in the root. Raises DataError where its geometry is
    not known."""
    _, geometry = checked_far_field(scan, "ptyd")
    assert geometry.photon_energy_ev is not None
    valid = np.ones(scan.frame, np.bool_) if scan.valid_pixels is None else scan.valid_pixels
    with create_hdf5(path) as file:
        file["meta/energy"], file["meta/distance"] = geometry.photon_energy_ev / 1e3, geometry.distance_m
        file["meta/psize"], file["meta/num_frames"] = geometry.detector_pixel_m, scan.count
        file["meta/shape"] = scan.frame
        file["meta/weight2d"] = valid.astype(np.float32)
        file["chunks/0/positions"] = geometry.origin_m + scan.position_yx * np.array(geometry.pixel_m)
        file["chunks/0/indices"], file["chunks/0/weights"] = np.arange(scan.count), np.zeros(0)
        write_patterns(file, "chunks/0/data", scan)
        if scan.probe is not None:
            file["probe"] = scan.probe


def write_emd(path: Path, scan: RawScan) -> None:
    """Write a scan to path as a data cube of EMD, with its places in the axes. Raises DataError where its positions are
    no raster, line by line, or no pixel in m is known."""
    if scan.geometry is None:
        raise DataError(str(scan.path), "has no pixel in m, which EMD needs", "convert it to npz or h5")
    (rows, columns), step = _raster(scan)
    pixel, frame = scan.geometry.pixel_m, scan.frame
    start = (scan.geometry.origin_m + scan.position_yx[0] * pixel) / _ANGSTROM
    axes = [
        (first + np.arange(length) * step_px * size / _ANGSTROM, "A")
        for first, length, step_px, size in zip(start, (rows, columns), step, pixel, strict=True)
    ]
    axes += [
        (np.arange(length) * _ANGSTROM / (length * size), "A^-1") for length, size in zip(frame, pixel, strict=True)
    ]
    with create_hdf5(path) as file:
        file.attrs.update({"emd_group_type": "file", "version_major": 1, "version_minor": 0})
        group = file.create_group(_CUBE)
        file[_CUBE.partition("/")[0]].attrs.update({"emd_group_type": "root", "python_class": "Root"})
        group.attrs.update({"emd_group_type": "array", "python_class": "DataCube"})
        shape = (rows, columns, *frame)
        cube = group.create_dataset("data", shape, stored_dtype(scan), chunks=(1, 1, *frame), compression="lzf")
        number = 0
        for part in pattern_parts(scan):
            for pattern in part:
                cube[divmod(number, columns)] = pattern
                number += 1
        for axis, (places, unit) in enumerate(axes):
            group[f"dim{axis}"] = places
            group[f"dim{axis}"].attrs["units"] = unit
        if scan.valid_pixels is not None:
            file["bad_pixels"] = ~scan.valid_pixels
        if scan.probe is not None:
            file["probe"] = scan.probe


def _raster(scan: RawScan) -> tuple[tuple[int, int], NDArray[np.float64]]:
    """Rows and columns of a raster, and its steps (y, x) in px. Raises DataError for other positions."""
    position = scan.position_yx
    along = np.diff(position[:, 1])
    step_x = float(along[0]) if len(along) else 0.0
    columns = int(np.argmax(np.append(np.abs(along - step_x) > RASTER * abs(step_x), True))) + 1
    rows, rest = divmod(len(position), columns)
    step_y = float(position[columns, 0] - position[0, 0]) if rows > 1 else step_x
    steps = np.array([step_y, step_x if columns > 1 else step_y])
    if rest == 0 and (steps > 0).all():
        y, x = np.divmod(np.arange(len(position)), columns)
        if (np.abs(position - position[0] - np.stack([y, x], axis=1) * steps) <= RASTER * steps).all():
            return (rows, columns), steps
    message = "its positions are no raster with equal steps, line by line from the top left, which EMD needs"
    raise DataError(str(scan.path), message, "convert it to npz, cxi, ptyd or h5")
