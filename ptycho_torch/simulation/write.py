"""Simulated scans in files, with their truth."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_config import dump
from ptycho_torch.errors import DataError
from ptycho_torch.files import UNFINISHED, check_folder
from ptycho_torch.output.convert import convert_scan
from ptycho_torch.output.npz_file import write_arrays
from ptycho_torch.simulation.scan import Simulated


def write_simulation(path: Path, scan: Simulated) -> tuple[Path, ...]:
    """Write a simulated scan to a new file and return what was written.

    path: `.npz`, with the truth in the same file (`objectGuess`, `truth_modes`, `truth_yx`); or `.cxi` or `.h5`
    (training data of ptychodus), with the truth in a second file, `NAME.truth.npz`. Raises DataError for other endings
    and where a file is there already.
    """
    truth = path.with_suffix(".truth.npz")
    targets = (path,) if path.suffix.lower() == ".npz" else (path, truth)
    for target in targets:
        if target.exists():
            raise DataError(str(target), "is there already", "choose another name, or remove it")
    check_folder(path.absolute().parent)
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    if len(targets) == 1:
        write_arrays(path, simulation_arrays(scan))
        return targets
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.absolute().parent) as folder:
        whole = Path(folder) / "scan.npz"
        # CXI has no place for an object.
        arrays = _scan(scan) if path.suffix.lower() == ".cxi" else {**_scan(scan), "objectGuess": scan.truth}
        np.savez(whole, **arrays)
        made = convert_scan(whole, path)
    # Positions of other formats count from another pixel.
    write_arrays(truth, _truth(scan, made.position_yx[0] - scan.position_yx[0]))
    return targets


def simulation_arrays(scan: Simulated) -> dict[str, Any]:
    """A simulated scan and its truth as the arrays of an NPZ file, by name."""
    return {**_scan(scan), **_truth(scan)}


def _scan(scan: Simulated) -> dict[str, Any]:
    line = scan.options.beamline
    origin = -scan.pixel_m * (np.array(scan.truth.shape) / 2)
    masked = {} if scan.valid_pixels is None else {"bad_pixels": ~scan.valid_pixels}
    return {
        "diff3d": scan.counts,
        "xcoords": scan.position_yx[:, 1],
        "ycoords": scan.position_yx[:, 0],
        "axes": np.array("nyx"),
        "probeGuess": scan.probe,
        "object_pixel_m": np.array([scan.pixel_m, scan.pixel_m]),
        "object_origin_m": origin,
        "photon_energy_eV": line.energy_ev,
        "detector_distance_m": line.distance_m,
        "detector_pixel_size_m": line.detector_pixel_m,
        **masked,
    }


def _truth(scan: Simulated, origin_yx: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """The truth; origin_yx (y, x): the pixel of the scan, as it is in its file, of element `[0, 0]` of the object."""
    origin = np.zeros(2) if origin_yx is None else origin_yx
    return {
        "objectGuess": scan.truth,
        "origin_px": origin,
        "truth_modes": scan.true_probe,
        "truth_yx": scan.true_position_yx + origin,
        "simulation": np.array(json.dumps(dump(scan.options))),
    }
