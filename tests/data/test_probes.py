"""Probes of another size than the patterns: padded or cropped in the space that their pixel says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_torch.data.probes import fit_probe
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import inspect_dataset, read_scan
from ptycho_torch.errors import DataError
from ptycho_torch.records import Geometry
from tests.layouts import SOURCE_1

GEOMETRY = Geometry((1e-8, 1e-8), (0.0, 0.0))


def _beam(side: int, pixel: float, width: float = 60e-9) -> Any:
    """A Gaussian beam with a curved front, unit peak, on pixels of `pixel` m."""
    r = np.square((np.arange(side) - side // 2) * pixel / width)
    return np.exp(-(1 + 2j) * (r[:, None] + r) / 2)[None]


def _scan(side: int, probe: Any, pixel: float | None) -> RawScan:
    return RawScan(
        Path("scan"),
        "memory",
        "patterns",
        np.ones((30, side, side)),
        np.zeros((30, 2)),
        probe,
        geometry=GEOMETRY,
        probe_pixel_m=None if pixel is None else (pixel, pixel),
    )


@pytest.mark.parametrize(("own", "side"), [(96, 64), (64, 96), (95, 64), (64, 65)])
def test_a_probe_with_the_pixels_of_the_object_is_cut_in_real_space(own: int, side: int) -> None:
    """It is the same beam on fewer or more pixels, with its middle at N//2."""
    made = fit_probe(_scan(side, _beam(own, 1e-8), 1e-8))
    np.testing.assert_allclose(made.probe, _beam(side, 1e-8), atol=1e-5)


@pytest.mark.parametrize(("own", "side"), [(128, 64), (64, 128), (63, 81)])
def test_a_probe_of_the_same_extent_is_cut_in_fourier_space(own: int, side: int) -> None:
    """The same beam on other pixels, with the same power."""
    made = fit_probe(_scan(side, _beam(own, 1e-8 * side / own), 1e-8 * side / own))
    np.testing.assert_allclose(made.probe, _beam(side, 1e-8) * own / side, atol=1e-4)


@pytest.mark.parametrize(
    ("pixel", "reason"),
    [(None, "either its pixels are those of the object, or it covers as much of it"), (1.3e-8, "its pixel is 1.3 x")],
)
def test_what_is_not_known_is_refused(pixel: float | None, reason: str) -> None:
    """With both readings; a probe of the right size is not looked at."""
    refused = fit_probe(_scan(64, _beam(32, 1e-8), pixel)).refusal
    assert refused is not None
    assert reason in str(refused)
    scan = _scan(64, _beam(64, 1e-8), pixel)
    assert fit_probe(scan) is scan


def test_files_state_the_pixel_of_their_probe(layouts: Any, tmp_path: Path) -> None:
    """HDF5 by the attributes that ptychodus writes, NPZ by name; the geometry gives that of the object."""
    probe = np.pad(layouts.scan.probe[0], 16)
    sizes = {"pixel_height_m": layouts.pixel, "pixel_width_m": layouts.pixel}
    cxi = layouts.write(tmp_path / "a.cxi", layouts.cxi(**{f"{SOURCE_1}/illumination": (probe, sizes)}))
    arrays = {"diff3d": layouts.scan.counts, "probeGuess": probe, "object_pixel_m": [1e-8] * 2}
    y, x = layouts.scan.position_yx.T
    np.savez(tmp_path / "a.npz", **arrays, xcoords=x, ycoords=y, probe_pixel_m=[1e-8] * 2)
    for path in (cxi, tmp_path / "a.npz"):
        with pytest.warns(RuntimeWarning, match="96 x 96 pixels, the patterns 64 x 64: it is cropped in real space"):
            read = read_scan(path, "count_intensity")
        np.testing.assert_array_equal(read.probe, layouts.scan.probe)
    np.savez(tmp_path / "a.npz", **arrays, xcoords=x, ycoords=y)
    with pytest.raises(DataError, match="state the pixel"):
        inspect_dataset(tmp_path / "a.npz")
