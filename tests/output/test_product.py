"""Products: metres where the scan knows them, and the same places after a round trip."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ptycho_torch.data.readers import read_scan
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.output.product import write_product
from ptycho_torch.records import Canvas, Dataset

CENTRE = (1e-6, -2e-6)


def _canvas(height: int, width: int, origin: tuple[int, int]) -> Canvas:
    return Canvas(np.ones((height, width), np.complex64), np.ones((height, width), np.float32), origin)


def _metres(path: Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Positions (y, x), attributes of the object, attributes of the product."""
    with h5py.File(path) as file:
        position = np.stack([file[f"probe_position_{axis}_m"][()] for axis in "yx"], axis=1)
        return position, dict(file["object"].attrs), dict(file.attrs)


def _read(layouts: Any, folder: Path) -> Dataset:
    root = {"photon_energy_eV": 8113.9, "detector_object_distance_m": 2.0}
    layouts.write(folder / "product.h5", layouts.product(), root)
    layouts.write(folder / "diffraction.h5", layouts.diffraction())
    return read_scan(folder / "product.h5", "count_intensity")


def test_a_product_comes_back_as_it_was(layouts: Any, tmp_path: Path) -> None:
    """Read and written on the object it came with: positions, centre, pixel, energy and distance agree."""
    dataset = _read(layouts, tmp_path)
    before = _metres(tmp_path / "product.h5")
    (tmp_path / "again").mkdir()
    height, width = layouts.scan.truth.shape
    write_product(tmp_path / "again" / "product.h5", dataset, _canvas(height, width, (0, 0)), [])
    after = _metres(tmp_path / "again" / "product.h5")
    np.testing.assert_allclose(after[0], before[0], rtol=0, atol=1e-15)
    for name in ("center_y_m", "center_x_m", "pixel_height_m", "pixel_width_m"):
        assert after[1][name] == pytest.approx(before[1][name], rel=1e-9)
    for name in ("photon_energy_eV", "detector_object_distance_m"):
        assert after[2][name] == before[2][name]
    layouts.write(tmp_path / "again" / "diffraction.h5", layouts.diffraction())
    again = read_scan(tmp_path / "again" / "product.h5", "count_intensity")
    np.testing.assert_allclose(again.position_yx, dataset.position_yx, atol=1e-6)
    assert again.geometry is not None
    assert dataset.geometry is not None
    assert again.geometry.origin_m == pytest.approx(dataset.geometry.origin_m, rel=1e-9)


def test_a_smaller_canvas_lies_where_it_did(layouts: Any, tmp_path: Path) -> None:
    """The metres of positions stay; on the new object they are smaller by its origin."""
    dataset = _read(layouts, tmp_path)
    before = _metres(tmp_path / "product.h5")
    write_product(tmp_path / "product.h5", dataset, _canvas(90, 84, (4, 9)), [])
    after = _metres(tmp_path / "product.h5")
    np.testing.assert_allclose(after[0], before[0], rtol=0, atol=1e-15)
    again = read_scan(tmp_path / "product.h5", "count_intensity")
    np.testing.assert_allclose(again.position_yx, dataset.position_yx - [4, 9], atol=1e-6)


def test_a_scan_without_geometry_counts_in_pixels(layouts: Any, tmp_path: Path) -> None:
    """A pixel is 1 m, as the comment says, and is not taken for metres when it is read."""
    scan = layouts.scan
    dataset = Dataset("simulated", scan.counts, scan.position_yx, scan.probe)
    write_product(tmp_path / "product.h5", dataset, _canvas(100, 100, (0, 0)), [])
    position, stored, root = _metres(tmp_path / "product.h5")
    np.testing.assert_array_equal(position, scan.position_yx)
    assert (stored["pixel_width_m"], stored["center_x_m"], root["photon_energy_eV"]) == (1.0, 50.0, 0.0)
    assert "all lengths are in object pixels" in root["comments"]
    layouts.write(tmp_path / "diffraction.h5", layouts.diffraction())
    again = read_scan(tmp_path / "product.h5", "count_intensity")
    assert again.pixel_m is None
    np.testing.assert_allclose(again.position_yx, scan.position_yx, atol=1e-9)


def test_a_scan_of_cxi_becomes_a_product_in_metres(layouts: Any, tmp_path: Path) -> None:
    """Steps in metres are those of the stage."""
    dataset = read_scan(layouts.write(tmp_path / "scan.cxi", layouts.cxi()), "count_intensity")
    write_product(tmp_path / "product.h5", dataset, _canvas(100, 100, (0, 0)), [])
    position, stored, root = _metres(tmp_path / "product.h5")
    moved = layouts.translation()[:, 1::-1]
    np.testing.assert_allclose(position - position[0], moved - moved[0], atol=1e-14)
    assert stored["pixel_width_m"] == pytest.approx(layouts.pixel)
    assert root["detector_object_distance_m"] == layouts.distance


@pytest.mark.parametrize("side", [64, 51])
@pytest.mark.parametrize("shape", [(100, 97), (101, 96)])
def test_patches_lie_where_ptychodus_puts_them(side: int, shape: tuple[int, int], layouts: Any, tmp_path: Path) -> None:
    """To the pixel for even and odd N: there position x is column `(x - center_x) / dx + (W - 1) / 2`,
    and its patch lies symmetrically around it; what is written is read again as it was."""
    origin, position = np.array([3, -2]), np.array([[40.0, 50.0], [46.0, 51.0], [41.0, 57.0]])
    probe = np.ones((1, side, side), np.complex64)
    dataset = Dataset("scan", np.ones((3, side, side), np.float32), position, probe)
    write_product(tmp_path / "product.h5", dataset, _canvas(*shape, (3, -2)), [])
    metres, stored, _ = _metres(tmp_path / "product.h5")
    column = metres - [stored["center_y_m"], stored["center_x_m"]] + (np.array(shape) - 1) / 2
    np.testing.assert_array_equal(column - (side - 1) / 2, position - side // 2 - origin)
    entries = {"patterns": np.ones((3, side, side), np.uint16), "indexes": np.arange(3)}
    layouts.write(tmp_path / "diffraction.h5", entries)
    again = read_scan(tmp_path / "product.h5", "count_intensity")
    np.testing.assert_array_equal(again.position_yx, position - origin)
    placed = read_object(tmp_path / "product.h5")
    assert placed.origin_yx == placed.scan_origin_yx == (3, -2)


@pytest.mark.parametrize("side", [64, 51])
def test_training_data_count_from_the_middle_of_their_object(side: int, layouts: Any, tmp_path: Path) -> None:
    """An offset of 0 lies where the patch in the middle of an object of the same parity starts."""
    zeros, ones = np.zeros(2), np.ones((2, side, side))
    entries = {"probe": ones[:1].astype(complex), "object": np.ones((side + 10, side + 20), complex)}
    offsets = {"probe_position_y_px": zeros, "probe_position_x_px": np.arange(2.0)}
    path = layouts.write(tmp_path / "training.h5", {"patterns": ones, **entries, **offsets})
    read = read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.position_yx - side // 2, [[5, 10], [5, 11]])
