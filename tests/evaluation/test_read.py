"""Reading objects: what each kind of file says, and errors that say what is wrong."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.compare import compare
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.output.product import write_product, write_reconstruction
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.records import Canvas, Dataset

TRUTH = natural_object("camera", "coins", 140).astype(np.complex128)


def _scan() -> tuple[Dataset, Canvas]:
    made = simulate_scan(natural_object("camera", "coins", 140), seed=0)
    dataset = Dataset("simulated", made.counts, made.position_yx, made.probe)
    light = np.zeros(made.truth.shape, np.float32)
    power, side = np.square(np.abs(made.probe)).sum(axis=0), made.probe.shape[-1]
    for y, x in np.round(made.position_yx).astype(int) - side // 2:
        light[y : y + side, x : x + side] += power
    return dataset, Canvas(made.truth[3:, 5:], light[3:, 5:], (3, 5))


def test_a_product_and_a_reconstruction_tell_the_same(tmp_path: Path) -> None:
    """Object, place, and the light that the product's probe and positions say fell there."""
    dataset, canvas = _scan()
    write_product(tmp_path / "product.h5", dataset, canvas, [])
    write_reconstruction(tmp_path / "reconstruction.npz", canvas)
    product, reconstruction = (read_object(tmp_path / name) for name in ("product.h5", "reconstruction.npz"))
    assert product.origin_yx == reconstruction.origin_yx == (3, 5)
    assert product.pixel_m is None
    np.testing.assert_array_equal(product.values, reconstruction.values)
    assert product.illumination is not None
    np.testing.assert_allclose(product.illumination, canvas.illumination, atol=1e-3 * canvas.illumination.max())


def test_a_product_in_metres_is_placed_in_pixels(tmp_path: Path) -> None:
    """Its centre over its pixel size; pixels of other sizes are not compared."""
    for name, pixel in (("one.h5", 1e-8), ("other.h5", 2e-8)):
        with h5py.File(tmp_path / name, "w") as product:
            stored = product.create_dataset("object", data=TRUTH[None])
            stored.attrs.update(pixel_width_m=pixel, pixel_height_m=pixel)
            stored.attrs.update(center_x_m=72 * pixel, center_y_m=75 * pixel)
    one, other = (read_object(tmp_path / name) for name in ("one.h5", "other.h5"))
    assert one.origin_yx == (5, 2)
    assert one.pixel_m == pytest.approx(1e-8)
    with pytest.raises(DataError, match=r"pixels of 1e-08 m and 2e-08 m"):
        compare(one, other)


def test_scans_and_arrays_hold_objects_too(tmp_path: Path) -> None:
    """The objectGuess of a scan lies on the pixels of the positions; an array lies anywhere."""
    np.savez(tmp_path / "scan.npz", objectGuess=TRUTH, diff3d=np.ones((1, 8, 8)))
    np.save(tmp_path / "array.npy", TRUTH)
    assert read_object(tmp_path / "scan.npz").origin_yx == (0, 0)
    assert read_object(tmp_path / "array.npy").origin_yx is None


def _text(path: Path) -> None:
    path.write_text("hello, world")


def _half_an_array(path: Path) -> None:
    np.save(path.with_suffix(".npy"), TRUTH)
    path.write_bytes(path.with_suffix(".npy").read_bytes()[:1000])


def _half_a_product(path: Path) -> None:
    with h5py.File(path, "w") as product:
        product["object"] = TRUTH
    path.write_bytes(path.read_bytes()[:3000])


def _pickle(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.array([{}], object))


def _product_without_object(path: Path) -> None:
    with h5py.File(path, "w") as product:
        product["probe"] = np.ones((4, 4))


def _scan_without_object(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, diff3d=np.ones((2, 8, 8)), xcoords=np.ones(2))


def _array(values: NDArray[np.generic]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.save(stream, values)

    return write


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "text": (_text, "neither HDF5 nor NPZ nor NPY"),
    "folder": (Path.mkdir, "is a folder"),
    "nothing": (lambda _: None, "no such file"),
    "half an array": (_half_an_array, "cannot be read"),
    "half a product": (_half_a_product, "is still growing, or was copied in part"),
    "a pickle": (_pickle, "cannot be read"),
    "product without object": (_product_without_object, "has no object; it holds probe"),
    "scan without object": (_scan_without_object, "has no object; it holds diff3d, xcoords"),
    "real numbers": (_array(np.ones((40, 40))), "is float64 of shape"),
    "two layers": (_array(np.ones((2, 40, 40), complex)), r"\(2, 40, 40\), not complex"),
    "not finite": (_array(np.full((40, 40), np.nan + 0j)), "NaN"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_files_are_refused_with_what_they_are(case: str, tmp_path: Path) -> None:
    """A DataError with a reason, whatever is wrong."""
    make, reason = BAD[case]
    make(tmp_path / "file")
    with pytest.raises(DataError, match=reason):
        read_object(tmp_path / "file")
