"""Files of beamlines and of other programs, as they write them: the same scan from each of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import yaml
from scipy.io import savemat

from ptycho_torch.data.geometry import ELECTRONVOLT, PLANCK_TIMES_LIGHT, electron_wavelength_m
from ptycho_torch.data.patterns import StoredPatterns, chunks
from ptycho_torch.data.readers import open_scan, read_scan
from ptycho_torch.data.summary import describe
from ptycho_torch.errors import DataError

MASTER = "entry/instrument/detector"
Write = Callable[..., Path]


def write_hxn(layouts: Any, folder: Path, **changes: Any) -> Path:
    """Amplitudes, zero frequency at [0, 0]; stage in um, which moves against the beam."""
    metres = -layouts.scan.position_yx * layouts.pixel
    made = {
        "diffamp": np.fft.fftshift(np.sqrt(layouts.scan.counts), axes=(1, 2)),
        "points": metres.T * 1e6,
        "lambda_nm": PLANCK_TIMES_LIGHT / layouts.energy_j * 1e9,
        "z_m": layouts.distance,
        "ccd_pixel_um": layouts.detector * 1e6,
        "angle": 0.0,
        "probe": layouts.scan.probe,
    }
    return layouts.write(folder / "scan_1.h5", made | changes)  # type: ignore[no-any-return]


def write_ptylab(layouts: Any, folder: Path, **changes: Any) -> Path:
    """Counts, metres; numbers are arrays of one element there."""
    made = {
        "ptychogram": layouts.scan.counts,
        "encoder": layouts.scan.position_yx * layouts.pixel,
        "wavelength": np.array([PLANCK_TIMES_LIGHT / layouts.energy_j]),
        "zo": np.array([layouts.distance]),
        "dxd": np.array([layouts.detector]),
        "probe": layouts.scan.probe.reshape(1, 1, -1, 1, 64, 64),
    }
    return layouts.write(folder / "scan.hdf5", made | changes)  # type: ignore[no-any-return]


def write_ptylab_matlab(layouts: Any, folder: Path, **changes: Any) -> Path:
    """As PtyLab.m writes it in version 5: frames along the last axis, numbers as matrices."""
    made = {
        "ptychogram": np.moveaxis(layouts.scan.counts, 0, 2),
        "encoder": layouts.scan.position_yx * layouts.pixel,
        "wavelength": PLANCK_TIMES_LIGHT / layouts.energy_j,
        "zo": layouts.distance,
        "dxd": layouts.detector,
        "probe": layouts.scan.probe[0],
    }
    savemat(folder / "scan.mat", made | changes)
    return folder / "scan.mat"


def write_ptylab_matlab_73(layouts: Any, folder: Path) -> Path:
    """In version 7.3, which is HDF5 with the axes the other way round, and complex numbers in pairs."""
    pairs = np.empty((64, 64), [("real", "f4"), ("imag", "f4")])
    pairs["real"], pairs["imag"] = layouts.scan.probe[0].T.real, layouts.scan.probe[0].T.imag
    entries = {
        "ptychogram": layouts.scan.counts.swapaxes(1, 2),
        "encoder": (layouts.scan.position_yx * layouts.pixel).T,
        "wavelength": np.array([[PLANCK_TIMES_LIGHT / layouts.energy_j]]),
        "zo": np.array([[layouts.distance]]),
        "dxd": np.array([[layouts.detector]]),
        "probe": pairs,
    }
    with h5py.File(folder / "scan.mat", "w", userblock_size=512) as file:
        for name, value in entries.items():
            file[name] = value
    with (folder / "scan.mat").open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    return folder / "scan.mat"


def write_master(layouts: Any, folder: Path, **changes: Any) -> Path:
    """A master, two files with frames that it links to, and positions in a text file."""
    frames = changes.pop("frames", layouts.scan.counts.astype(np.uint32))
    made = {
        f"{MASTER}/x_pixel_size": (layouts.detector, {"units": "m"}),
        f"{MASTER}/y_pixel_size": (layouts.detector, {"units": "m"}),
        f"{MASTER}/detector_distance": (layouts.distance, {"units": "m"}),
        f"{MASTER}/beam_center_x": 32.0,
        f"{MASTER}/beam_center_y": 32.0,
        f"{MASTER}/detectorSpecific/photon_energy": layouts.energy_j / ELECTRONVOLT,
        "probe": layouts.scan.probe,
    }
    path = layouts.write(folder / "scan_master.h5", made | changes)
    with h5py.File(path, "a") as file:
        for number, rows in ((1, slice(0, 20)), (2, slice(20, None))):
            layouts.write(folder / f"scan_data_{number:06d}.h5", {"entry/data/data": frames[rows]})
            link = h5py.ExternalLink(f"scan_data_{number:06d}.h5", "/entry/data/data")
            file[f"entry/data/data_{number:06d}"] = link
    microns = layouts.scan.position_yx * layouts.pixel * 1e6
    lines = ["x_um, y_um", *(f"{x!r}, {y!r}" for y, x in microns.tolist())]
    (folder / "scan_positions.csv").write_text("\n".join(lines))
    return path  # type: ignore[no-any-return]


SAME: dict[str, tuple[Write, float]] = {
    "HXN": (write_hxn, 1e-6),
    "PtyLab": (write_ptylab, 1e-6),
    "PtyLab, MATLAB 5": (write_ptylab_matlab, 1e-6),
    "PtyLab, MATLAB 7.3": (write_ptylab_matlab_73, 1e-6),
    "Dectris": (write_master, 1e-6),
}


@pytest.mark.parametrize("name", SAME)
def test_every_program_gives_the_same_scan(name: str, layouts: Any, tmp_path: Path) -> None:
    """Patterns, positions up to where the object starts, probe, geometry; in memory and in parts."""
    write, tolerance = SAME[name]
    path = write(layouts, tmp_path)
    for in_memory in (0, 2**30):
        read = read_scan(path, "count_intensity", in_memory=in_memory)
        np.testing.assert_allclose(read.intensity[:], layouts.scan.counts, rtol=1e-6)
        np.testing.assert_allclose(read.position_yx, layouts.from_corner, atol=tolerance)
        np.testing.assert_array_equal(read.probe, layouts.scan.probe)
        assert read.geometry is not None
        assert read.pixel_m == pytest.approx((layouts.pixel, layouts.pixel))
        assert read.geometry.photon_energy_ev == pytest.approx(layouts.energy_j / ELECTRONVOLT)
        assert read.geometry.distance_m == pytest.approx(layouts.distance)
    assert "36 of 64 x 64" in describe(open_scan(path))


WRONG: dict[str, tuple[Write, dict[str, Any], str]] = {
    "hxn without distance": (write_hxn, {"z_m": None}, "has no z_m"),
    "hxn points of another order": (write_hxn, {"points": np.ones((36, 2))}, r"points must be \(2, n\)"),
    "fourier ptychography": (write_ptylab, {"zled": 1.0}, r"Fourier ptychography scan \(zled\)"),
    "ptylab turned": (write_ptylab, {"orientation": 3}, "orientation is 3, its frames are turned"),
    "ptylab encoder": (write_ptylab, {"encoder": np.ones((36, 3))}, r"encoder must be \(n, 2\)"),
    "master without units": (write_master, {f"{MASTER}/detector_distance": 2.0}, "has the units ''"),
    "master off centre": (
        write_master,
        {f"{MASTER}/beam_center_y": 300.0, "frames": np.ones((36, 64, 70), np.uint16)},
        r"the beam centre \(300.0, 32.0\) lies outside of frames of 64 x 70",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_named(name: str, layouts: Any, tmp_path: Path) -> None:
    """The field, its value, and the fix."""
    write, changes, reason = WRONG[name]
    with pytest.raises(DataError, match=reason):
        read_scan(write(layouts, tmp_path, **changes), "count_intensity")


def test_amplitudes_of_hxn_are_squared_whatever_options_say(layouts: Any, tmp_path: Path) -> None:
    """And said so; frames that were never shifted are read as they lie, with a warning."""
    assert "amplitudes" in describe(open_scan(write_hxn(layouts, tmp_path)))
    centred = write_hxn(layouts, tmp_path, diffamp=np.sqrt(layouts.scan.counts))
    with pytest.warns(RuntimeWarning, match="zero frequency in the middle"):
        read = read_scan(centred, "normalized_amplitude")
    np.testing.assert_allclose(read.intensity[:], layouts.scan.counts, rtol=1e-6)


def test_a_struct_of_matlab_is_named(tmp_path: Path) -> None:
    """With the command that stores its fields."""
    savemat(tmp_path / "scan.mat", {"s": {"diff3d": np.ones((7, 8, 8)), "xcoords": np.arange(7.0)}})
    with pytest.raises(DataError, match=r"no array of numbers at its top \(.*'-struct'"):
        open_scan(tmp_path / "scan.mat")


def test_an_encoder_the_other_way_round_is_the_same_list(layouts: Any, tmp_path: Path) -> None:
    """(2, n) as PtyLab itself accepts it."""
    path = write_ptylab(layouts, tmp_path, encoder=(layouts.scan.position_yx * layouts.pixel).T)
    np.testing.assert_allclose(read_scan(path, "count_intensity").position_yx, layouts.from_corner, atol=1e-6)


def test_a_detector_is_cropped_around_the_beam(layouts: Any, tmp_path: Path) -> None:
    """The square around it that frame and mask have; the value of bad pixels means nothing."""
    frames, bits = np.full((36, 90, 70), 2**32 - 1, np.uint32), np.ones((90, 70), np.uint32)
    frames[:, 20:84, 3:67], bits[20:84, 3:67] = layouts.scan.counts, 0
    frames[:, 22, 5], bits[22, 5] = 2**32 - 1, 8
    centre = {f"{MASTER}/beam_center_y": 52.2, f"{MASTER}/beam_center_x": 34.9}
    path = write_master(layouts, tmp_path, frames=frames, **{f"{MASTER}/pixel_mask": bits}, **centre, probe=None)
    scan = open_scan(path)
    assert scan.frame == (70, 70)
    assert scan.remarks == (
        "of frames of 90 x 70 the 70 x 70 pixels around the beam are read: rows 17 to 86, columns 0 to 69",
    )
    assert scan.valid_pixels is not None
    valid = scan.valid_pixels
    patterns = StoredPatterns(scan.patterns, valid_pixels=valid)
    expected = np.where(valid[3:67, 3:67], layouts.scan.counts, 0)
    np.testing.assert_array_equal(patterns[:][:, 3:67, 3:67], expected)
    assert not valid[5, 5]
    assert valid.sum() == 64 * 64 - 1
    assert scan.geometry is not None
    assert scan.geometry.pixel_m[0] == pytest.approx(layouts.pixel * 64 / 70)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1e-6 2e-6\n3e-6 4e-6", "does not say which column is x"),
        ("x_m,z_m\n1,2", "does not say which column is x"),
        ("x_m,y_m\n1,two", "cannot be read as numbers"),
        ("x_m,y_m\n1\n2\n", "cannot be read as numbers"),
        ("y_m x_m\n1e-6 2e-6\n", "1 positions for 36 patterns"),
        (None, r"scan_positions\.csv: scan_master\.h5 has no positions, and this file is not there"),
    ],
)
def test_positions_in_a_text_file_must_say_what_they_are(
    text: str | None, reason: str, layouts: Any, tmp_path: Path
) -> None:
    """Nothing is guessed from their order."""
    path = write_master(layouts, tmp_path)
    (tmp_path / "scan_positions.csv").unlink()
    if text is not None:
        (tmp_path / "scan_positions.txt").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_scan(path, "count_intensity")


def _cube(layouts: Any) -> Any:
    return layouts.scan.counts.reshape(6, 6, 64, 64).astype(np.uint16)


STEP_M, FREQUENCY = 4e-10, 1 / (64 * 0.5e-10)


def write_py4dstem(layouts: Any, folder: Path, **changes: Any) -> Path:
    """A data cube of emdfile 0.0.16 with the calibration of py4DSTEM 0.14."""
    known = {
        "Q_pixel_size": FREQUENCY * 1e-10,
        "Q_pixel_units": "A^-1",
        "R_pixel_size": STEP_M * 1e10,
        "R_pixel_units": "A",
        "QR_rotation": 0.0,
        "QR_flip": False,
    }
    cube = changes.pop("cube", _cube(layouts))
    path = folder / "scan.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"emd_group_type": "file", "authoring_program": "emdfile", "version_major": 1})
        group = file.create_group("datacube_root/datacube")
        file["datacube_root"].attrs.update({"emd_group_type": "root", "python_class": "Root"})
        group.attrs.update({"emd_group_type": "array", "python_class": "DataCube"})
        group["data"] = cube
        calibration = file.create_group("datacube_root/metadatabundle/calibration")
        for name, value in (known | changes).items():
            if value is not None:
                calibration[name] = value
        file["probe"] = layouts.scan.probe
    return path


def write_ncempy(layouts: Any, folder: Path, **_: Any) -> Path:
    """EMD 0.2: steps and units in the axes `dim1` to `dim4`."""
    path = folder / "scan.emd"
    with h5py.File(path, "w") as file:
        group = file.create_group("data/cube")
        group.attrs["emd_group_type"] = 1
        group["data"] = _cube(layouts)
        for axis, (length, step, units) in enumerate(
            (
                (6, STEP_M * 1e9, "[n_m]"),
                (6, STEP_M * 1e9, "[n_m]"),
                (64, FREQUENCY * 1e-9, "n_m^-1"),
                (64, FREQUENCY * 1e-9, "n_m^-1"),
            )
        ):
            group[f"dim{axis + 1}"] = np.arange(length) * step
            group[f"dim{axis + 1}"].attrs["units"] = units
        file["probe"] = layouts.scan.probe
    return path


def _check_raster(path: Path, layouts: Any, *, columns: int = 6) -> None:
    """Frames line by line, at 4 Angstrom and 0.5 Angstrom a pixel."""
    scan = open_scan(path)
    np.testing.assert_array_equal(StoredPatterns(scan.patterns)[:], layouts.scan.counts)
    assert scan.geometry is not None
    assert scan.geometry.pixel_m == pytest.approx((0.5e-10, 0.5e-10))
    expected = np.stack(np.divmod(np.arange(36), columns), axis=1) * 8.0 + 32
    np.testing.assert_allclose(scan.position_yx, expected, rtol=1e-9)


@pytest.mark.parametrize("write", [write_py4dstem, write_ncempy])
def test_electron_scans_in_emd(write: Write, layouts: Any, tmp_path: Path) -> None:
    """Both kinds, in memory and in parts."""
    path = write(layouts, tmp_path)
    _check_raster(path, layouts)
    read = read_scan(path, "count_intensity", in_memory=0)
    assert [len(part) for part in chunks(read.intensity, most=5)] == [5] * 7 + [1]
    np.testing.assert_array_equal(read.probe, layouts.scan.probe)


def test_angles_need_the_energy_of_the_electrons(layouts: Any, tmp_path: Path) -> None:
    """`lambda / (N da)`; without an energy they are refused."""
    angle = electron_wavelength_m(80e3) * FREQUENCY * 1e3
    changes: dict[str, Any] = {"Q_pixel_size": angle, "Q_pixel_units": "mrad"}
    _check_raster(write_py4dstem(layouts, tmp_path, **changes, beam_energy=80e3), layouts)
    with pytest.raises(DataError, match=r"Q_pixel_size is in mrad, and no beam_energy in eV is given"):
        open_scan(write_py4dstem(layouts, tmp_path, **changes))


def test_the_wavelength_of_electrons() -> None:
    """2.51 pm at 200 keV, 4.18 pm at 80 keV."""
    assert electron_wavelength_m(200e3) == pytest.approx(2.5079e-12, rel=1e-4)
    assert electron_wavelength_m(80e3) == pytest.approx(4.1757e-12, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"QR_rotation": 0.2}, r"turned against the scan \(QR_rotation 0.2 rad, QR_flip False\)"),
        ({"QR_flip": True}, "turned against the scan"),
        ({"Q_pixel_units": "pixels"}, "Q_pixel_size has the units 'pixels'"),
        ({"R_pixel_size": 0.0}, "R_pixel_size must be a step above 0"),
        ({"qx0_mean": 900.0, "qy0_mean": 32.0}, "the beam centre .* lies outside"),
    ],
)
def test_what_an_emd_file_cannot_be_used_for(
    changes: dict[str, Any], reason: str, layouts: Any, tmp_path: Path
) -> None:
    """A turned scan, steps without a unit, a beam that is nowhere."""
    with pytest.raises(DataError, match=reason):
        open_scan(write_py4dstem(layouts, tmp_path, **changes))


def test_frames_of_emd_are_cropped_around_the_beam(layouts: Any, tmp_path: Path) -> None:
    """Where the calibration says that it is not in the middle."""
    cube = np.zeros((6, 6, 70, 70), np.uint16)
    cube[..., :64, 6:] = _cube(layouts)
    path = write_py4dstem(layouts, tmp_path, cube=cube, qx0_mean=32.3, qy0_mean=37.8)
    scan = open_scan(path)
    np.testing.assert_array_equal(StoredPatterns(scan.patterns)[:], layouts.scan.counts)
    assert scan.remarks == ("of frames of 70 x 70 the 64 x 64 pixels around the beam are read",)


def write_ptyrad(layouts: Any, folder: Path, **changes: Any) -> Path:
    """Parameters with the frames of an EMPAD, two lines longer than they are wide, in a folder of another machine."""
    ending = changes.pop("ending", ".raw")
    known = {
        "probe_illum_type": "electron",
        "probe_kv": 80,
        "meas_Npix": 64,
        "pos_N_scan_slow": 6,
        "pos_N_scan_fast": 6,
        "pos_scan_step_size": 4.0,
        "meas_calibration": {"mode": "dx", "value": 0.5},
        "meas_flipT": [1, 0, 1],
        "meas_pad": {"mode": None},
        "meas_params": {"path": f"data/of/others/frames{ending}", "gap": 512},
    }
    frames = layouts.scan.counts.swapaxes(1, 2)[:, ::-1]
    match ending:
        case ".raw":
            padded = np.concatenate([frames, np.full((36, 2, 64), np.nan)], axis=1)
            padded.astype("<f4").tofile(folder / "frames.raw")
        case ".npy":
            np.save(folder / "frames.npy", frames.reshape(6, 6, 64, 64))
        case ".hdf5":
            layouts.write(folder / "frames.hdf5", {"dp": frames})
        case ".tif":
            tifffile.imwrite(folder / "frames.tif", frames.astype(np.uint16), compression="zlib")
        case ".mat":
            savemat(folder / "frames.mat", {"dp": np.moveaxis(frames, 0, 2)}, do_compression=True)
    path = folder / "scan.yaml"
    path.write_text(yaml.safe_dump({"init_params": known | changes, "recon_params": {"NITER": 20}}))
    return path


@pytest.mark.parametrize("ending", [".raw", ".npy", ".hdf5", ".tif", ".mat"])
def test_parameters_of_ptyrad(ending: str, layouts: Any, tmp_path: Path) -> None:
    """Frames flipped up and down and transposed back, on a raster in Angstrom."""
    _check_raster(write_ptyrad(layouts, tmp_path, ending=ending), layouts)


def test_raw_frames_of_ptyrad_without_a_gap(layouts: Any, tmp_path: Path) -> None:
    """A gap of 0 is one."""
    path = write_ptyrad(layouts, tmp_path, meas_flipT=[0, 0, 0], meas_params={"path": "frames.raw", "gap": 0})
    layouts.scan.counts.astype("<f4").tofile(tmp_path / "frames.raw")
    _check_raster(path, layouts)


@pytest.mark.parametrize(
    "calibration",
    [
        {"mode": "dk", "value": FREQUENCY * 1e-10},
        {"mode": "kMax", "value": 32 * FREQUENCY * 1e-10},
        {"mode": "da", "value": electron_wavelength_m(80e3) * FREQUENCY * 1e3},
        {"mode": "angleMax", "value": 32 * electron_wavelength_m(80e3) * FREQUENCY * 1e3},
    ],
    ids=lambda calibration: str(calibration["mode"]),
)
def test_every_calibration_of_ptyrad_gives_the_same_pixel(
    calibration: dict[str, Any], layouts: Any, tmp_path: Path
) -> None:
    """Steps and largest values, of frequencies and of angles."""
    _check_raster(write_ptyrad(layouts, tmp_path, meas_calibration=calibration), layouts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"meas_calibration": {"mode": "fitRBF", "value": None}}, "has the mode 'fitRBF', which is fitted"),
        ({"pos_scan_affine": [1, 0, -3, 0]}, "pos_scan_affine is not read"),
        ({"meas_pad": {"mode": "precompute"}}, "meas_pad is not read"),
        ({"meas_Npix": 64.5}, "meas_Npix must be a whole number"),
        ({"probe_illum_type": "xray"}, "probe_illum_type is 'xray'"),
        ({"meas_params": {"path": "/etc/passwd"}}, "passwd: the frames of scan.yaml are not there"),
        ({"meas_params": {"path": "frames.raw"}}, "with a gap of 1024 need"),
        ({"pos_N_scan_fast": 7, "ending": ".npy"}, r"scan\.yaml says 42 frames of 64 x 64"),
    ],
)
def test_parameters_that_cannot_be_used(changes: dict[str, Any], reason: str, layouts: Any, tmp_path: Path) -> None:
    """By name, value and fix; no file outside of the folder is opened."""
    with pytest.raises(DataError, match=reason):
        open_scan(write_ptyrad(layouts, tmp_path, **changes))
