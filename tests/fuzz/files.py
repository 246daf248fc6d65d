"""A small scan in the layout of every reader."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
import yaml
from scipy.io import savemat

SIDE, ROWS, COLUMNS = 16, 5, 6
COUNT = ROWS * COLUMNS
_RNG = np.random.default_rng(0)
COUNTS = _RNG.poisson(30.0, (COUNT, SIDE, SIDE)).astype(np.uint16)
POSITION = np.stack(np.mgrid[:ROWS, :COLUMNS], -1).reshape(-1, 2) * 2.0 + 8
PROBE = (_RNG.normal(size=(SIDE, SIDE)) + 1j).astype(np.complex64)
PIXEL, DISTANCE, DETECTOR, ENERGY_J = 5e-8, 2.0, 3e-4, 1.6e-15
METRES = POSITION * PIXEL
MASK = np.zeros((SIDE, SIDE), np.bool_)
_D, _S = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
_M = "entry/instrument/detector"
_TRANSLATION = np.c_[METRES[:, ::-1], np.zeros(COUNT)]


def _units(value: Any, units: str) -> tuple[Any, dict[str, str]]:
    return value, {"units": units}


HDF5: dict[str, dict[str, Any]] = {
    "training": {
        "patterns": COUNTS,
        "probe": PROBE,
        "object": np.ones((40, 40), np.complex64),
        "probe_position_y_px": POSITION[:, 0],
        "probe_position_x_px": POSITION[:, 1],
        "object_pixel_height_m": PIXEL,
        "object_pixel_width_m": PIXEL,
        "photon_energy_eV": 9e3,
        "bad_pixels": MASK,
    },
    "cxi": {
        f"{_D}/data": COUNTS,
        f"{_D}/distance": DISTANCE,
        f"{_D}/x_pixel_size": DETECTOR,
        f"{_D}/y_pixel_size": DETECTOR,
        f"{_D}/basis_vectors": np.array([[0, -1, 0], [-1, 0, 0]]).T * DETECTOR,
        f"{_D}/mask": MASK.astype(np.uint32),
        f"{_S}/energy": ENERGY_J,
        f"{_S}/illumination": PROBE,
        "entry_1/sample_1/geometry_1/translation": _TRANSLATION,
    },
    "nexus": {
        f"{_D}/data": COUNTS.reshape(ROWS, COLUMNS, SIDE, SIDE),
        f"{_D}/distance": _units(DISTANCE, "m"),
        f"{_D}/x_pixel_size": _units(DETECTOR, "m"),
        f"{_D}/y_pixel_size": _units(DETECTOR, "m"),
        "entry_1/instrument_1/beam_1/energy": _units(10.0, "keV"),
        "entry_1/sample_1/geometry_1/translation": _units(_TRANSLATION, "m"),
        "probe": PROBE,
    },
    "ptyd": {
        "meta/energy": 10.0,
        "meta/distance": DISTANCE,
        "meta/psize": np.array([DETECTOR, DETECTOR]),
        "meta/propagation": "farfield",
        "meta/num_frames": COUNT,
        "meta/weight2d": np.ones((SIDE, SIDE)),
        "chunks/0/data": COUNTS,
        "chunks/0/positions": METRES,
        "chunks/0/weights": np.zeros(0),
        "probe": PROBE,
    },
    "hxn": {
        "diffamp": np.fft.ifftshift(np.sqrt(COUNTS), axes=(1, 2)),
        "points": METRES.T * 1e6,
        "lambda_nm": 0.124,
        "z_m": DISTANCE,
        "ccd_pixel_um": DETECTOR * 1e6,
        "probe": PROBE,
    },
    "ptylab": {
        "ptychogram": COUNTS,
        "encoder": METRES,
        "wavelength": np.array([1.24e-10]),
        "zo": np.array([DISTANCE]),
        "dxd": np.array([DETECTOR]),
        "orientation": np.array(0),
        "probe": PROBE.reshape(1, 1, 1, 1, SIDE, SIDE),
    },
    "dectris": {
        f"{_M}/x_pixel_size": _units(DETECTOR, "m"),
        f"{_M}/y_pixel_size": _units(DETECTOR, "m"),
        f"{_M}/detector_distance": _units(DISTANCE, "m"),
        f"{_M}/beam_center_x": 8.0,
        f"{_M}/beam_center_y": 8.0,
        f"{_M}/pixel_mask": MASK.astype(np.uint32),
        f"{_M}/detectorSpecific/photon_energy": 1e4,
        "entry/data/data_000001": COUNTS,
        "probe": PROBE,
    },
    "emd": {
        "a/data": COUNTS.reshape(ROWS, COLUMNS, SIDE, SIDE),
        "a/dim0": _units(np.arange(ROWS) * 1.0, "A"),
        "a/dim1": _units(np.arange(COLUMNS) * 1.0, "A"),
        "a/dim2": _units(np.arange(SIDE) * 0.1, "A^-1"),
        "a/dim3": _units(np.arange(SIDE) * 0.1, "A^-1"),
        "a/metadatabundle/calibration/beam_energy": 3e5,
        "probe": PROBE,
    },
}
NAMES = {
    "diff3d": COUNTS,
    "xcoords": POSITION[:, 1],
    "ycoords": POSITION[:, 0],
    "probeGuess": PROBE,
    "objectGuess": np.ones((40, 40), np.complex64),
    "bad_pixels": MASK,
    "object_pixel_m": np.array([PIXEL, PIXEL]),
    "_metadata": np.array('{"physics_parameters": {"nphotons": 1e4}}'),
}
ENDINGS = {"cxi": "scan.cxi", "nexus": "scan.nxs", "ptyd": "scan.ptyd", "emd": "scan.emd", "dectris": "a_master.h5"}
PTYRAD: dict[str, Any] = {
    "probe_kv": 300,
    "pos_N_scan_slow": ROWS,
    "pos_N_scan_fast": COLUMNS,
    "pos_scan_step_size": 1.0,
    "meas_Npix": SIDE,
    "meas_calibration": {"mode": "dk", "value": 0.1},
}


def write_hdf5(path: Path, entries: dict[str, Any]) -> Path:
    """Entries are arrays, or pairs of array and attributes."""
    with h5py.File(path, "w") as file:
        for name, value in entries.items():
            array, attributes = value if isinstance(value, tuple) else (value, {})
            file.create_dataset(name, data=array).attrs.update(attributes)
        if "a" in file:
            file["a"].attrs["emd_group_type"] = 1
    return path


def _write_product(folder: Path) -> Path:
    sizes = {"pixel_height_m": PIXEL, "pixel_width_m": PIXEL, "center_x_m": 0.0, "center_y_m": 0.0}
    write_hdf5(folder / "diffraction.h5", {"patterns": COUNTS, "indexes": np.arange(COUNT), "bad_pixels": MASK})
    entries = {
        "probe_position_indexes": np.arange(COUNT),
        "probe_position_y_m": METRES[:, 0],
        "probe_position_x_m": METRES[:, 1],
        "probe": PROBE[None, None],
        "object": (np.ones((1, 40, 40), np.complex64), sizes),
    }
    return write_hdf5(folder / "product.h5", entries)


def _write_npz(path: Path, *, compressed: bool) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **NAMES)
    return path


def _write_mat(path: Path) -> Path:
    named = {name: array for name, array in NAMES.items() if not name.startswith("_")}
    savemat(path, named)
    return path


def _write_ptyrad(folder: Path, *, tiff: bool) -> Path:
    if tiff:
        tifffile.imwrite(folder / "frames.tif", COUNTS)
    else:
        np.save(folder / "frames.npy", COUNTS)
    params = PTYRAD | {"meas_params": {"path": "frames.tif" if tiff else "frames.npy"}}
    path = folder / "scan.yaml"
    path.write_text(yaml.safe_dump({"init_params": params}))
    return path


READERS = [*HDF5, "product", "npz", "compressed npz", "mat", "ptylab mat", "ptyrad", "ptyrad tif"]


def write(reader: str, folder: Path) -> Path:
    """Write a valid scan for a reader into a folder; returns the file to open."""
    if reader == "dectris":
        lines = ["x_um,y_um", *(f"{x},{y}" for y, x in (METRES * 1e6).tolist())]
        (folder / "a_positions.csv").write_text("\n".join(lines))
    match reader:
        case "product":
            return _write_product(folder)
        case "npz" | "compressed npz":
            return _write_npz(folder / "scan.npz", compressed=reader != "npz")
        case "mat":
            return _write_mat(folder / "scan.mat")
        case "ptylab mat":
            savemat(folder / "scan.mat", HDF5["ptylab"] | {"probe": PROBE})
            return folder / "scan.mat"
        case "ptyrad" | "ptyrad tif":
            return _write_ptyrad(folder, tiff=reader != "ptyrad")
    return write_hdf5(folder / ENDINGS.get(reader, "scan.h5"), HDF5[reader])
