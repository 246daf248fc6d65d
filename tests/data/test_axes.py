"""Orders of axes: rasters, grids of coordinates, patterns first or last, and MATLAB, which turns them round."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from ptycho_torch.data.labels import read_labels
from ptycho_torch.data.readers import open_scan, read_scan
from ptycho_torch.errors import DataError


def _arrays(layouts: Any, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (layouts.named_arrays() | changes).items() if value is not None}


def _write(folder: Path, arrays: dict[str, Any], kind: str = "npz") -> Path:
    path = folder / f"scan.{'npz' if kind in {'npz', 'compressed'} else 'mat'}"
    match kind:
        case "npz":
            np.savez(path, **arrays)
        case "compressed":
            np.savez_compressed(path, **arrays)
        case "MATLAB 5":
            savemat(path, arrays)
        case _:
            _write_73(path, arrays)
    return path


def _write_73(path: Path, arrays: dict[str, Any]) -> None:
    """As MATLAB: a text of 512 bytes before the HDF5, axes turned round, complex numbers as pairs."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            turned = np.atleast_2d(array).T
            if np.iscomplexobj(turned):
                pairs = np.empty(turned.shape, [("real", "<f4"), ("imag", "<f4")])
                pairs["real"], pairs["imag"] = turned.real, turned.imag
                turned = pairs
            file[name] = turned
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def _check(path: Path, layouts: Any) -> None:
    for in_memory in (0, 2**30):
        read = read_scan(path, "count_intensity", in_memory=in_memory)
        np.testing.assert_array_equal(read.intensity[:], layouts.scan.counts)
        np.testing.assert_allclose(read.position_yx, layouts.scan.position_yx)
        np.testing.assert_allclose(read.probe, layouts.scan.probe)
        np.testing.assert_array_equal(read.intensity[np.array([1, 7, 35])], layouts.scan.counts[[1, 7, 35]])


KINDS = ["npz", "compressed", "MATLAB 5", "MATLAB 7.3"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "order", ["list", "one column", "raster", "last", "raster last", "Fortran", "channel", "last and channel"]
)
def test_every_order_is_the_same_scan(order: str, kind: str, layouts: Any, tmp_path: Path) -> None:
    """(n, N, N), (n, 1, N, N), (rows, columns, N, N), (N, N, n), (N, N, rows, columns), (n, N, N, 1), (1, N, N, n)."""
    counts = layouts.scan.counts.astype(np.uint16)
    stored = {
        "list": counts,
        "one column": counts[:, None],
        "raster": counts.reshape(6, 6, 64, 64),
        "last": np.moveaxis(counts, 0, 2),
        "raster last": np.moveaxis(counts, 0, 2).reshape(64, 64, 6, 6),
        "channel": counts[..., None],
        "last and channel": np.moveaxis(counts, 0, 2)[None],
        "Fortran": np.asfortranarray(counts.reshape(6, 6, 64, 64)),
    }[order]
    _check(_write(tmp_path, _arrays(layouts, diff3d=stored), kind), layouts)


def test_masks_and_labels_may_have_a_channel_too(layouts: Any, tmp_path: Path) -> None:
    """As networks of images want them."""
    counts = layouts.scan.counts
    bad, label = np.zeros((64, 64, 1), bool), (1 + 1j * counts[..., None]).astype(np.complex64)
    bad[3, 5] = True
    arrays = _arrays(layouts, diff3d=counts[..., None], bad_pixels=bad, label=label)
    path = _write(tmp_path, arrays)
    valid = read_scan(path, "count_intensity").valid_pixels
    assert valid is not None
    np.testing.assert_array_equal(~valid, bad[..., 0])
    with open_scan(path) as opened:
        labels = read_labels(opened, np.zeros((36, 2), np.int64), 64, subtract_phase=False)
    np.testing.assert_array_equal(labels, label[..., 0])


@pytest.mark.parametrize("kind", KINDS)
def test_grids_of_coordinates(kind: str, layouts: Any, tmp_path: Path) -> None:
    """One coordinate a frame, in the shape of the raster."""
    y, x = layouts.scan.position_yx.reshape(6, 6, 2).transpose(2, 0, 1)
    stored = layouts.scan.counts.reshape(6, 6, 64, 64)
    _check(_write(tmp_path, _arrays(layouts, diff3d=stored, xcoords=x, ycoords=y), kind), layouts)


@pytest.mark.parametrize("x_first", ["y first", "x first"])
def test_the_axes_of_a_raster_give_its_positions(x_first: str, layouts: Any, tmp_path: Path) -> None:
    """As many rows as one has values, as many columns as the other."""
    y, x, shape = np.arange(4.0) * 5, np.arange(9.0) * 3, (4, 9)
    expected = np.stack([grid.reshape(-1) for grid in np.meshgrid(y, x, indexing="ij")], axis=1)
    if x_first == "x first":
        shape = (9, 4)
        expected = np.stack([grid.reshape(-1) for grid in np.meshgrid(x, y, indexing="ij")][::-1], axis=1)
    stored = layouts.scan.counts.reshape(*shape, 64, 64)
    path = _write(tmp_path, _arrays(layouts, diff3d=stored, xcoords=x, ycoords=y))
    np.testing.assert_array_equal(read_scan(path, "count_intensity").position_yx, expected)


def test_axes_of_one_length_do_not_say_which_is_y(layouts: Any, tmp_path: Path) -> None:
    """Neither is taken for it."""
    stored = layouts.scan.counts.reshape(6, 6, 64, 64)
    path = _write(tmp_path, _arrays(layouts, diff3d=stored, xcoords=np.arange(6.0), ycoords=np.arange(6.0)))
    with pytest.raises(DataError, match="6 coordinates along each axis of 6 x 6 frames: is the first y or x"):
        read_scan(path, "count_intensity")


def _cube(**changes: Any) -> dict[str, Any]:
    counts = np.random.default_rng(0).poisson(5.0, (16, 16, 16)).astype(np.uint16)
    place = np.random.default_rng(1).uniform(0, 9, 16)
    return {"diff3d": counts, "xcoords": place, "ycoords": place, "probeGuess": np.ones((16, 16), complex)} | changes


@pytest.mark.parametrize("kind", KINDS)
def test_a_cube_is_ambiguous_until_the_file_says_its_order(kind: str, tmp_path: Path) -> None:
    """Both readings are named; the text `axes` decides."""
    both = r"ambiguous: 16 patterns of 16 x 16 along the first axis, or 16 of 16 x 16 along the last"
    with pytest.raises(DataError, match=both):
        read_scan(_write(tmp_path, _cube(), kind), "count_intensity")
    counts = _cube()["diff3d"]
    if kind == "MATLAB 7.3":
        return
    for axes, expected in (("nyx", counts), ("yxn", np.moveaxis(counts, 2, 0))):
        read = read_scan(_write(tmp_path, _cube(axes=axes), kind), "count_intensity")
        np.testing.assert_array_equal(read.intensity[:], expected)
    with pytest.raises(DataError, match="axes must be nyx or yxn"):
        read_scan(_write(tmp_path, _cube(axes="xyn"), kind), "count_intensity")


def test_training_data_of_ptychodus_are_never_ambiguous(tmp_path: Path) -> None:
    """It always writes a mask and the index of each scan, and patterns first."""
    path = _write(tmp_path, _cube(bad_pixels=np.zeros((16, 16), bool), scan_index=np.zeros(16, int)))
    np.testing.assert_array_equal(read_scan(path, "count_intensity").intensity[:], _cube()["diff3d"])


def test_an_archive_that_declares_more_than_it_holds(layouts: Any, tmp_path: Path) -> None:
    """The header of an array is no reason to take memory."""
    path = _write(tmp_path, _arrays(layouts))
    stored = path.read_bytes()
    path.write_bytes(stored.replace(b"(36, 64, 64)", b"(99, 64, 64)"))
    with pytest.raises(DataError, match=r"damaged"):
        read_scan(path, "count_intensity")


@pytest.mark.parametrize("kind", ["MATLAB 5", "MATLAB 7.3"])
def test_a_damaged_matlab_file_is_named(kind: str, layouts: Any, tmp_path: Path) -> None:
    """Cut in the middle."""
    path = _write(tmp_path, _arrays(layouts), kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"scan\.mat: .*(damaged|has no|was copied in part)"):
        read_scan(path, "count_intensity")
