"""Scans in HDF5: every dialect arrives with its units, axes and indexes right."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ptycho_torch.data import readers
from ptycho_torch.data.geometry import PLANCK_TIMES_LIGHT, object_pixel_m
from ptycho_torch.data.hdf5 import open_hdf5
from ptycho_torch.data.patterns import StoredPatterns
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.physics.simulate import SimulatedScan, natural_object, simulate_scan

PIXEL = 8e-9


@pytest.fixture(scope="module")
def scan() -> SimulatedScan:
    """36 patterns; positions are patch centres on the truth."""
    return simulate_scan(natural_object("camera", "coins", 100), seed=0)


def _write(path: Path, entries: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in entries.items():
            array, attributes = value if isinstance(value, tuple) else (value, {})
            file.create_dataset(name, data=array).attrs.update(attributes)
    return path


def _product(scan: SimulatedScan, **changes: Any) -> dict[str, Any]:
    height, width = scan.truth.shape
    centre = {"center_y_m": 1e-6, "center_x_m": -2e-6}
    metres = (scan.position_yx - np.array([height / 2, width / 2])) * PIXEL
    return {
        "probe_position_indexes": np.arange(36),
        "probe_position_y_m": metres[:, 0] + centre["center_y_m"],
        "probe_position_x_m": metres[:, 1] + centre["center_x_m"],
        "probe": scan.probe[None],
        "object": (scan.truth[None], {**centre, "pixel_width_m": PIXEL, "pixel_height_m": PIXEL}),
    } | changes


def _diffraction(scan: SimulatedScan, **changes: Any) -> dict[str, Any]:
    return {"patterns": scan.counts.astype(np.uint16), "indexes": np.arange(36)} | changes


def _training_data(scan: SimulatedScan, **changes: Any) -> dict[str, Any]:
    height, width = scan.truth.shape
    return {
        "patterns": scan.counts.astype(np.int32),
        "probe": scan.probe,
        "object": scan.truth,
        "probe_position_y_px": scan.position_yx[:, 0] - height / 2,
        "probe_position_x_px": scan.position_yx[:, 1] - width / 2,
    } | changes


ENERGY, DISTANCE, DETECTOR = 1.3e-15, 2.0, 75e-6


def _cxi(scan: SimulatedScan, **changes: Any) -> dict[str, Any]:
    pixel = object_pixel_m(ENERGY, DISTANCE, DETECTOR, 64)
    translation = np.zeros((36, 3))
    translation[:, 0], translation[:, 1] = scan.position_yx[:, 1] * pixel, scan.position_yx[:, 0] * pixel
    detector, source = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
    return {
        f"{detector}/data": scan.counts.astype(np.uint16),
        f"{detector}/distance": DISTANCE,
        f"{detector}/x_pixel_size": DETECTOR,
        f"{detector}/y_pixel_size": DETECTOR,
        f"{source}/energy": ENERGY,
        f"{source}/illumination": scan.probe,
        "entry_1/sample_1/geometry_1/translation": translation,
    } | changes


def test_a_product_and_its_diffraction_are_one_scan(scan: SimulatedScan, tmp_path: Path) -> None:
    """From either file; metres become pixels of the object, patch centres as everywhere here."""
    product = _write(tmp_path / "product.h5", _product(scan))
    diffraction = _write(tmp_path / "diffraction.h5", _diffraction(scan))
    for path in (product, diffraction):
        read = readers.read_scan(path, "count_intensity")
        np.testing.assert_allclose(read.position_yx, scan.position_yx, atol=1e-6)
        np.testing.assert_array_equal(read.intensity[:], scan.counts)
        np.testing.assert_array_equal(read.probe, scan.probe)


def test_patterns_are_matched_by_index(scan: SimulatedScan, tmp_path: Path) -> None:
    """A product may know fewer positions, in another order."""
    chosen = np.array([30, 4, 17])
    whole = _product(scan)
    fewer = {
        name: whole[name][chosen]
        for name in ("probe_position_indexes", "probe_position_y_m", "probe_position_x_m")
    }
    _write(tmp_path / "product.h5", whole | fewer)
    path = _write(tmp_path / "diffraction.h5", _diffraction(scan))
    read = readers.read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.intensity[:], scan.counts[[4, 17, 30]])
    np.testing.assert_allclose(read.position_yx, scan.position_yx[[4, 17, 30]], atol=1e-6)


def test_training_data(scan: SimulatedScan, tmp_path: Path) -> None:
    """Offsets from the centre of the object."""
    path = _write(tmp_path / "training.h5", _training_data(scan))
    read = readers.read_scan(path, "count_intensity")
    np.testing.assert_allclose(read.position_yx, scan.position_yx, atol=1e-9)
    facts = readers.inspect_dataset(path)
    assert (facts.n_patterns, facts.n_pixels, facts.probe_modes) == (36, 64, 1)


def test_cxi(scan: SimulatedScan, tmp_path: Path) -> None:
    """Sample motion in metres, energy in joules; up to where the object starts."""
    read = readers.read_scan(_write(tmp_path / "scan.cxi", _cxi(scan)), "count_intensity")
    expected = scan.position_yx - scan.position_yx.min(axis=0) + 32
    np.testing.assert_allclose(read.position_yx, expected, atol=1e-6)


def test_the_pixel_of_an_object() -> None:
    """8 keV over 2 m on 64 pixels of 75 um: 0.155 nm times 2 m over 4.8 mm."""
    energy = PLANCK_TIMES_LIGHT / 1.5498e-10
    assert object_pixel_m(energy, 2.0, 75e-6, 64) == pytest.approx(1.5498e-10 * 2 / 4.8e-3)


def test_a_large_file_is_read_in_parts(
    scan: SimulatedScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns stay in the file."""
    monkeypatch.setattr(readers, "IN_MEMORY_BYTES", 0)
    path = _write(tmp_path / "training.h5", _training_data(scan))
    read = readers.read_scan(path, "count_intensity")
    assert isinstance(read.intensity, StoredPatterns)
    np.testing.assert_array_equal(read.intensity[np.array([1, 5, 6])], scan.counts[[1, 5, 6]])


FLAT_OBJECT = np.ones((1, 9, 9), complex)
FOREIGN = {"probe_position_indexes": np.arange(36) + 99}
SHORT = {"probe_position_y_px": np.zeros(3), "probe_position_x_px": np.zeros(3)}
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "unequal positions": ("training", {"probe_position_y_px": np.zeros(3)}, "two lists of one length"),
    "few positions": ("training", SHORT, "3 positions for 36 patterns"),
    "not square": ("training", {"patterns": np.ones((36, 64, 32))}, "patterns must be square"),
    "flat": ("training", {"patterns": np.ones((36, 64))}, r"must be an array \(n, N, N\)"),
    "another probe": (
        "training",
        {"probe": np.ones((1, 32, 32), complex)},
        "probe has 32 x 32 pixels, the patterns 64 x 64",
    ),
    "no pixel size": ("product", {"object": FLAT_OBJECT}, "no finite attribute pixel_height_m"),
    "other indexes": ("product", FOREIGN, "none of its pattern indexes"),
    "no energy": ("cxi", {"entry_1/instrument_1/source_1/energy": 0.0}, "must be one number above 0"),
    "not a number": ("training", {"patterns": np.full((36, 64, 64), np.nan)}, "NaN or infinite"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_named(name: str, scan: SimulatedScan, tmp_path: Path) -> None:
    """The dataset, what it is, and what it should be."""
    kind, changes, reason = WRONG[name]
    entries = {"training": _training_data, "product": _product, "cxi": _cxi}[kind](scan, **changes)
    _write(tmp_path / "diffraction.h5", _diffraction(scan))
    path = _write(tmp_path / ("product.h5" if kind == "product" else "scan.h5"), entries)
    with pytest.raises(DataError, match=reason):
        readers.read_scan(path, "count_intensity")


def test_a_file_without_its_partner_says_what_is_missing(scan: SimulatedScan, tmp_path: Path) -> None:
    """Either way round."""
    with pytest.raises(MissingFileError, match=r"the patterns of product\.h5 are not there"):
        open_hdf5(_write(tmp_path / "product.h5", _product(scan)))
    (tmp_path / "product.h5").unlink()
    with pytest.raises(MissingFileError, match=r"positions and probe of diffraction\.h5"):
        open_hdf5(_write(tmp_path / "diffraction.h5", _diffraction(scan)))


def test_foreign_and_damaged_files(tmp_path: Path) -> None:
    """Named by what they hold, or as damaged."""
    with pytest.raises(DataError, match="is no scan that is known here; it holds stuff"):
        open_hdf5(_write(tmp_path / "other.h5", {"stuff": np.ones(3)}))
    (tmp_path / "cut.h5").write_bytes((tmp_path / "other.h5").read_bytes()[:64])
    with pytest.raises(DataError, match="is damaged"):
        open_hdf5(tmp_path / "cut.h5")


def test_a_wrong_sign_of_the_sample_motion_would_be_seen(scan: SimulatedScan, tmp_path: Path) -> None:
    """Positions taken as they stand would be mirrored."""
    mirrored = _cxi(scan)
    mirrored["entry_1/sample_1/geometry_1/translation"] *= -1
    read = readers.read_scan(_write(tmp_path / "scan.cxi", mirrored), "count_intensity")
    expected = scan.position_yx - scan.position_yx.min(axis=0) + 32
    assert not np.allclose(read.position_yx, expected, atol=1.0)
