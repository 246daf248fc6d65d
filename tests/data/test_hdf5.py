"""Scans of ptychodus and pty-chi in HDF5, and what is no scan."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ptycho_torch.data import readers
from ptycho_torch.data.labels import read_labels
from ptycho_torch.data.scan import split_positions
from ptycho_torch.errors import DataError, MissingFileError


@pytest.mark.parametrize("name", ["", "scan7_"])
def test_a_product_and_its_diffraction_are_one_scan(name: str, layouts: Any, tmp_path: Path) -> None:
    """From either file; metres become pixels of the object, patch centres as everywhere here."""
    product = layouts.write(tmp_path / f"{name}product.h5", layouts.product())
    diffraction = layouts.write(tmp_path / f"{name}diffraction.h5", layouts.diffraction())
    for path in (product, diffraction):
        read = readers.read_scan(path, "count_intensity")
        np.testing.assert_allclose(read.position_yx, layouts.scan.position_yx, atol=1e-6)
        np.testing.assert_array_equal(read.intensity[:], layouts.scan.counts)
        np.testing.assert_array_equal(read.probe, layouts.scan.probe)
    assert readers.scan_files(tmp_path) == [diffraction]


def test_patterns_are_matched_by_index(layouts: Any, tmp_path: Path) -> None:
    """A product may know fewer positions, in another order."""
    chosen = np.array([30, 4, 17])
    whole = layouts.product()
    names = ("probe_position_indexes", "probe_position_y_m", "probe_position_x_m")
    layouts.write(tmp_path / "product.h5", whole | {name: whole[name][chosen] for name in names})
    path = layouts.write(tmp_path / "diffraction.h5", layouts.diffraction())
    read = readers.read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.intensity[:], layouts.scan.counts[[4, 17, 30]])
    np.testing.assert_allclose(read.position_yx, layouts.scan.position_yx[[4, 17, 30]], atol=1e-6)


def test_training_data(layouts: Any, tmp_path: Path) -> None:
    """Offsets from the centre of the object, whose pixel may be known."""
    path = layouts.write(tmp_path / "training.h5", layouts.training_data())
    read = readers.read_scan(path, "count_intensity")
    np.testing.assert_allclose(read.position_yx, layouts.scan.position_yx, atol=1e-9)
    assert read.geometry is None
    facts = readers.inspect_dataset(path)
    assert (facts.n_patterns, facts.n_pixels, facts.probe_modes) == (36, 64, 1)
    sizes = {"object_pixel_height_m": 2e-9, "object_pixel_width_m": 3e-9, "photon_energy_eV": 8e3}
    known = layouts.training_data(**sizes, detector_object_distance_m=1.5)
    geometry = readers.read_scan(layouts.write(path, known), "count_intensity").geometry
    assert geometry is not None
    assert (geometry.pixel_m, geometry.photon_energy_ev, geometry.distance_m) == ((2e-9, 3e-9), 8e3, 1.5)


def test_the_pair_of_pty_chi(layouts: Any, tmp_path: Path) -> None:
    """Patterns and parameters in two files, row by row; an object without a centre lies at 0 m."""
    entries = layouts.product()
    height, width = layouts.scan.truth.shape
    for axis, size, column in (("y", height, 0), ("x", width, 1)):
        offset = layouts.scan.position_yx[:, column] - size / 2
        entries[f"probe_position_{axis}_m"] = offset * layouts.pixel
    sizes = {"pixel_height_m": layouts.pixel, "pixel_width_m": layouts.pixel}
    parameters = layouts.write(tmp_path / "a_para.hdf5", entries | {"object": (layouts.scan.truth[None], sizes)})
    patterns = layouts.write(tmp_path / "a_dp.hdf5", {"dp": layouts.scan.counts})
    for path in (parameters, patterns):
        read = readers.read_scan(path, "count_intensity")
        np.testing.assert_allclose(read.position_yx, layouts.scan.position_yx, atol=1e-6)
        np.testing.assert_array_equal(read.intensity[:], layouts.scan.counts)
    assert readers.scan_files(tmp_path) == [patterns]
    layouts.write(patterns, {"dp": layouts.scan.counts[:30]})
    with pytest.raises(DataError, match="36 positions for 30 patterns"):
        readers.read_scan(parameters, "count_intensity")


def test_of_several_coherent_modes_the_first_is_used(layouts: Any, tmp_path: Path) -> None:
    """With a warning that says how many there are."""
    probe = np.concatenate([layouts.scan.probe[None], np.ones((2, 1, 64, 64), complex)])
    layouts.write(tmp_path / "product.h5", layouts.product(probe=probe))
    path = layouts.write(tmp_path / "diffraction.h5", layouts.diffraction())
    with pytest.warns(RuntimeWarning, match=r"3 coherent \(OPR\) modes, only the first"):
        read = readers.read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.probe, layouts.scan.probe)


@pytest.mark.parametrize("kind", ["training", "product"])
def test_labels_are_cut_from_the_object_of_the_file(kind: str, layouts: Any, tmp_path: Path) -> None:
    """The patch around each position; CXI places its object nowhere, so it has none."""
    layouts.write(tmp_path / "diffraction.h5", layouts.diffraction())
    entries = layouts.training_data() if kind == "training" else layouts.product()
    path = layouts.write(tmp_path / ("product.h5" if kind == "product" else "training.h5"), entries)
    centre, _ = split_positions(readers.read_scan(path, "count_intensity").position_yx)
    labels = read_labels(readers.open_scan(path), centre, 64, subtract_phase=False)
    y, x = centre[5] - 32
    np.testing.assert_array_equal(labels[5], layouts.scan.truth[y : y + 64, x : x + 64])
    bare = readers.open_scan(layouts.write(tmp_path / "a.cxi", layouts.cxi()))
    with pytest.raises(DataError, match="has no labels"):
        read_labels(bare, centre, 64, subtract_phase=False)


FLAT_OBJECT = np.ones((1, 9, 9), complex)
SHORT = {"probe_position_y_px": np.zeros(3), "probe_position_x_px": np.zeros(3)}
NEGATIVE = {"pixel_height_m": -1.0, "pixel_width_m": 1.0, "center_y_m": 0.0, "center_x_m": 0.0}
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "unequal positions": ("training", {"probe_position_y_px": np.zeros(3)}, "two lists of one length"),
    "few positions": ("training", SHORT, "3 positions for 36 patterns"),
    "not square": ("training", {"patterns": np.ones((36, 64, 32))}, "patterns must be square"),
    "flat": ("training", {"patterns": np.ones((36, 64))}, r"must be an array \(n, N, N\)"),
    "another probe": ("training", {"probe": np.ones((1, 32, 32), complex)}, "32 x 32 pixels, the patterns 64"),
    "no probe": ("training", {"probe": None}, "has no probe .* or save the scan as NPZ with probeGuess"),
    "not a number": ("training", {"patterns": np.full((36, 64, 64), np.nan)}, "NaN or infinite"),
    "odd energy": (
        "training",
        {"object_pixel_height_m": 1e-9, "object_pixel_width_m": 1e-9, "photon_energy_eV": -1.0},
        "photon_energy_eV must be one number, not below 0",
    ),
    "no pixel size": ("product", {"object": FLAT_OBJECT}, "no finite attribute pixel_height_m"),
    "negative pixel": ("product", {"object": (FLAT_OBJECT, NEGATIVE)}, "must be above 0"),
    "no object": ("product", {"object": None}, "has no object, whose pixel size"),
    "other indexes": ("product", {"probe_position_indexes": np.arange(36) + 99}, "none of its pattern index"),
    "few indexes": ("product", {"probe_position_indexes": np.arange(3)}, "3 probe_position_indexes for 36"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_named(name: str, layouts: Any, tmp_path: Path) -> None:
    """The dataset, what it is, and what it should be."""
    kind, changes, reason = WRONG[name]
    layouts.write(tmp_path / "diffraction.h5", layouts.diffraction())
    entries = (layouts.training_data if kind == "training" else layouts.product)(**changes)
    path = layouts.write(tmp_path / ("product.h5" if kind == "product" else "scan.h5"), entries)
    with pytest.raises(DataError, match=reason):
        readers.read_scan(path, "count_intensity")


def test_a_product_of_the_near_field_is_refused(layouts: Any, tmp_path: Path) -> None:
    """It says so itself."""
    layouts.write(tmp_path / "diffraction.h5", layouts.diffraction())
    path = layouts.write(tmp_path / "product.h5", layouts.product(), {"far_field": False})
    with pytest.raises(DataError, match="says that it is of the near field"):
        readers.read_scan(path, "count_intensity")


def test_a_file_without_its_partner_says_what_is_missing(layouts: Any, tmp_path: Path) -> None:
    """Either way round, whatever the names."""
    with pytest.raises(MissingFileError, match=r"the patterns of product\.h5 are not there"):
        readers.open_scan(layouts.write(tmp_path / "product.h5", layouts.product()))
    (tmp_path / "product.h5").unlink()
    with pytest.raises(MissingFileError, match=r"positions and probe of diffraction\.h5"):
        readers.open_scan(layouts.write(tmp_path / "diffraction.h5", layouts.diffraction()))
    with pytest.raises(MissingFileError, match=r"a_para\.hdf5: positions and probe of a_dp\.hdf5"):
        readers.open_scan(layouts.write(tmp_path / "a_dp.hdf5", {"dp": layouts.scan.counts}))


def test_foreign_and_damaged_files(layouts: Any, tmp_path: Path) -> None:
    """Named by what they hold, or as damaged."""
    with pytest.raises(DataError, match="is no scan that is known here; it holds stuff"):
        readers.open_scan(layouts.write(tmp_path / "other.h5", {"stuff": np.ones(3)}))
    (tmp_path / "cut.h5").write_bytes((tmp_path / "other.h5").read_bytes()[:64])
    with pytest.raises(DataError, match="is still growing, or was copied in part: it has 64 of 2072 bytes"):
        readers.open_scan(tmp_path / "cut.h5")
    damaged = bytearray((tmp_path / "other.h5").read_bytes())
    damaged[8] = 77
    (tmp_path / "other.h5").write_bytes(damaged)
    with pytest.raises(DataError, match="is damaged"):
        readers.open_scan(tmp_path / "other.h5")


def test_a_file_is_closed_after_it_was_read(layouts: Any, tmp_path: Path) -> None:
    """It can be written to at once, and what is read later opens it again."""
    path = layouts.write(tmp_path / "training.h5", layouts.training_data())
    with readers.open_scan(path) as scan:
        assert readers.facts_of(path, [scan]).n_patterns == 36
    with h5py.File(path, "a") as file:
        file.attrs["seen"] = True
    assert scan.patterns[3:4].shape == (1, 64, 64)


def test_hdf5_with_the_names_of_npz(layouts: Any, tmp_path: Path) -> None:
    """Is read as the NPZ of the same arrays; patterns (N, N, n) are refused."""
    arrays = layouts.named_arrays()
    np.savez(tmp_path / "scan.npz", **arrays)
    for name, patterns in (("scan.h5", arrays["diff3d"]), ("last.h5", np.moveaxis(arrays["diff3d"], 0, 2))):
        with h5py.File(tmp_path / name, "w") as file:
            for key, array in (arrays | {"diff3d": patterns}).items():
                file[key] = array
    first, second = (readers.read_scan(tmp_path / name, "count_intensity") for name in ("scan.npz", "scan.h5"))
    np.testing.assert_array_equal(second.intensity[:], first.intensity[:])
    np.testing.assert_array_equal(second.position_yx, first.position_yx)
    np.testing.assert_array_equal(second.probe, first.probe)
    with pytest.raises(DataError, match=r"diff3d must be \(n, N, N\)"):
        readers.read_scan(tmp_path / "last.h5", "count_intensity")
