"""Scans as people have them: a path, arrays by name, a dataset, a simulation; as the file that a run records."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_torch.errors import DataError
from ptycho_torch.files import UNFINISHED, create_writable_folder, file_digest
from ptycho_torch.output.npz_file import write_arrays
from ptycho_torch.records import Dataset, Geometry
from ptycho_torch.simulation.scan import Simulated
from ptycho_torch.simulation.write import simulation_arrays

ScanLike = Path | str | Mapping[str, Any] | Dataset | Simulated
_DIGITS = 12


def scan_arrays(scan: Mapping[str, Any] | Dataset | Simulated) -> dict[str, Any]:
    """The scan as the arrays of an NPZ file, by name. Raises DataError for a dataset whose flux or background is known,
    which such a file does not hold."""
    if isinstance(scan, Simulated):
        return simulation_arrays(scan)
    if isinstance(scan, Mapping):
        return dict(scan)
    if scan.flux is not None or scan.background is not None:
        raise DataError(scan.name, "has an estimated flux or background, which no scan file holds", "give its file")
    arrays: dict[str, Any] = {
        "diff3d": scan.intensity[:],
        "xcoords": scan.position_yx[:, 1],
        "ycoords": scan.position_yx[:, 0],
        "axes": np.array("nyx"),
    }
    if scan.probe_known:
        arrays["probeGuess"] = scan.probe
    if scan.valid_pixels is not None:
        arrays["bad_pixels"] = ~scan.valid_pixels
    if scan.geometry is not None:
        arrays |= _lengths(scan.name, scan.geometry)
    return arrays


def _lengths(name: str, geometry: Geometry) -> dict[str, Any]:
    pixel = geometry.detector_pixel_m
    if pixel is not None and pixel[0] != pixel[1]:
        raise DataError(name, f"has detector pixels of {pixel} m, an NPZ knows square ones", "give the scan as a file")
    known = {
        "object_pixel_m": geometry.pixel_m,
        "object_origin_m": geometry.origin_m,
        "photon_energy_eV": geometry.photon_energy_ev,
        "detector_distance_m": geometry.distance_m,
        "detector_pixel_size_m": None if pixel is None else pixel[0],
    }
    return {key: value for key, value in known.items() if value is not None}


@contextmanager
def scan_file(scan: ScanLike, folder: Path | None = None) -> Iterator[Path]:
    """The path of the scan, for a block. Arrays are written as NPZ: into the `folder` of the results, under a name with
    their digest, so that the run can be repeated from its record; where the block fails, such a file is removed.
    Without a folder they are gone after the block."""
    if isinstance(scan, Path | str):
        yield Path(scan)
        return
    arrays = scan_arrays(scan)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED) as temporary:
            path = Path(temporary) / "scan.npz"
            write_arrays(path, arrays)
            yield path
        return
    with _kept_scan(arrays, folder) as path:
        yield path


@contextmanager
def _kept_scan(arrays: Mapping[str, Any], folder: Path) -> Iterator[Path]:
    is_new = not folder.exists()
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=create_writable_folder(folder)) as temporary:
        made = Path(temporary) / "scan.npz"
        write_arrays(made, arrays)
        path = folder / f"scan-{file_digest(made)[:_DIGITS]}.npz"
        was_there = path.exists()
        made.replace(path)
    try:
        yield path
    except BaseException:
        if not was_there:
            path.unlink(missing_ok=True)
        if is_new and folder.exists() and not any(folder.iterdir()):
            shutil.rmtree(folder)
        raise
