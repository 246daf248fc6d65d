"""The NPZ dialects of the field: names, orders of axes, and what each may leave out."""

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_torch.data.formats.axes import is_legacy_order
from ptycho_torch.data.geometry import ELECTRONVOLT, object_pixel_m
from ptycho_torch.data.patterns import StoredPatterns
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.errors import DataError
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan


def _counts(count: int = 7, side: int = 8) -> NDArray[np.int64]:
    return np.random.default_rng(0).poisson(5.0, (count, side, side))


def _write(path: Path, **changes: Any) -> Path:
    made = {
        "diff3d": _counts().astype(np.uint16),
        "xcoords": np.arange(7.0),
        "ycoords": np.arange(7.0) + 10,
        "probeGuess": np.ones((8, 8), np.complex64),
    }
    np.savez(path, **{name: value for name, value in (made | changes).items() if value is not None})
    return path


def test_diffraction_comes_before_diff3d(tmp_path: Path) -> None:
    """In a file that has both, the first is read."""
    path = _write(tmp_path / "a.npz", diffraction=_counts() + 1)
    np.testing.assert_array_equal(read_scan(path, "count_intensity").intensity, _counts() + 1)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint32", "float32", "float64"])
def test_every_number_type_reads_alike(dtype: str, tmp_path: Path) -> None:
    """Counts arrive as float32 whatever they were stored as (DATA-001)."""
    read = read_scan(_write(tmp_path / "a.npz", diff3d=_counts().astype(dtype)), "count_intensity")
    assert read.intensity[:].dtype == np.float32
    np.testing.assert_array_equal(read.intensity, _counts())


def test_start_coordinates_may_be_there_or_not(tmp_path: Path) -> None:
    """Nominal positions count; start positions are read where there are no others, as in SLAC files."""
    start = {"xcoords_start": np.arange(7.0) + 1, "ycoords_start": np.arange(7.0) + 30}
    both = read_scan(_write(tmp_path / "a.npz", **start), "count_intensity")
    alone = read_scan(_write(tmp_path / "b.npz", **start, xcoords=None, ycoords=None), "count_intensity")
    assert both.position_yx[0].tolist() == [10.0, 0.0]
    assert alone.position_yx[0].tolist() == [30.0, 1.0]
    short = start | {"xcoords_start": np.arange(5.0)}
    with pytest.raises(DataError, match="5 xcoords_start"):
        read_scan(_write(tmp_path / "c.npz", **short), "count_intensity")
    with pytest.raises(DataError, match="xcoords_start must be one-dimensional"):
        read_scan(_write(tmp_path / "d.npz", xcoords_start=np.ones((7, 1))), "count_intensity")


def test_the_files_of_slac(tmp_path: Path) -> None:
    """Patterns along the last axis, start coordinates, energy and detector: the pixel is known."""
    path = _write(
        tmp_path / "slac.npz",
        diff3d=None,
        diffraction=np.moveaxis(_counts(), 0, 2),
        xcoords=None,
        ycoords=None,
        xcoords_start=np.arange(7.0),
        ycoords_start=np.arange(7.0),
        detector_distance_m=0.75,
        photon_energy_eV=8000.0,
        detector_pixel_size_m=75e-6,
    )
    read = read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.intensity, _counts())
    pixel = object_pixel_m(8000 * ELECTRONVOLT, 0.75, 75e-6, 8)
    assert read.pixel_m == pytest.approx((pixel, pixel))
    with pytest.raises(DataError, match="photon_energy_eV must be one number above 0"):
        read_scan(
            _write(path, photon_energy_eV=-1.0, detector_distance_m=0.75, detector_pixel_size_m=75e-6),
            "count_intensity",
        )


def test_an_array_of_objects_is_named(tmp_path: Path) -> None:
    """With its fix, and nothing in it runs."""
    path = _write(tmp_path / "a.npz", probeGuess=np.array([np.ones((8, 8)), None], object))
    with pytest.raises(DataError, match=r"'probeGuess' holds Python objects.*save an array of numbers"):
        read_scan(path, "count_intensity")


def test_metres_are_not_taken_for_pixels(tmp_path: Path) -> None:
    """A scan that spans less than a hundredth of a pixel is in another unit."""
    path = _write(tmp_path / "a.npz", xcoords=np.arange(7.0) * 1e-6, ycoords=np.arange(7.0) * 1e-6)
    with pytest.raises(DataError, match=r"positions span 6e-06 px .*must be object pixels"):
        read_scan(path, "count_intensity")


@given(st.integers(1, 12), st.integers(2, 12), st.data())
def test_a_stack_and_its_transpose_are_told_apart(count: int, side: int, data: st.DataObject) -> None:
    """`(n, N, N)` and `(N, N, n)` are never confused while n differs from N; surplus positions are no
    matter, since a pattern is square (FORMAT-001)."""
    assume(count != side)
    positions = count + data.draw(st.integers(0, 3))
    assert is_legacy_order((side, side, count), positions)
    assert not is_legacy_order((count, side, side), positions)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_the_order_of_axes_is_decided_by_the_first_rule_that_can(a: int, b: int, c: int, n: int) -> None:
    """Square pair; number of positions; fewer than positions; the larger last axis."""
    found = is_legacy_order((a, b, c), n)
    if (b == c) != (a == b):
        assert found == (a == b)
    elif (a == n) != (c == n):
        assert found == (c == n)
    elif (a < n) != (c < n):
        assert found == (c < n)
    else:
        assert found == (c > max(a, b))


def test_patterns_that_may_not_be_written_to(tmp_path: Path) -> None:
    """A read-only file, mapped or not, and a read-only array become tensors without a warning."""
    path = _write(tmp_path / "a.npz", diff3d=np.asfortranarray(_counts().astype(np.float32)))
    path.chmod(0o444)
    for limit in (0, 2**30):
        scan = normalise(read_scan(path, "count_intensity", in_memory=limit))
        assert scan.amplitude[torch.tensor([0, 3])].shape == (2, 8, 8)
    frozen = _counts().astype(np.float32)
    frozen.flags.writeable = False
    assert torch.from_numpy(StoredPatterns(frozen)[:]).shape == (7, 8, 8)


def test_patterns_without_overlap_are_remarked(tmp_path: Path) -> None:
    """Positions in another unit are the usual reason; the scan can still be read."""
    made = simulate_scan(natural_object("camera", "coins", 100), seed=0)
    far = attrs.evolve(made, position_yx=made.position_yx * 20)
    write_scan(tmp_path / "far.npz", far)
    with pytest.warns(RuntimeWarning, match="do not overlap: their positions are 1.. px apart"):
        read_scan(tmp_path / "far.npz", "count_intensity")


def test_normalised_amplitudes_are_never_read_as_counts(tmp_path: Path) -> None:
    """`diffraction` of PtychoPINN: no whole numbers, and a probe of hundreds of times the sum. Both options read it
    once it is stated, and counts of any scale under the name for counts."""
    amplitude = np.sqrt(_counts().astype(np.float32)) / 40
    stored = {"diff3d": None, "diffraction": amplitude, "probeGuess": np.full((8, 8), 6.0, np.complex64)}
    path = _write(tmp_path / "a.npz", **stored)
    reason = (
        r"seems to hold amplitudes .* \(set torch.scale.domain=normalized_amplitude; if they are counts, name .*diff3d"
    )
    with pytest.raises(DataError, match=reason):
        read_scan(path, "count_intensity")
    read = read_scan(path, "normalized_amplitude")
    np.testing.assert_allclose(read.intensity, np.square(amplitude), rtol=1e-6)
    named = read_scan(
        _write(tmp_path / "b.npz", **(stored | {"diffraction": None, "diff3d": amplitude})), "count_intensity"
    )
    np.testing.assert_array_equal(named.intensity, amplitude)
    whole = stored | {"diffraction": _counts(), "probeGuess": np.full((8, 8), 60.0, np.complex64)}
    np.testing.assert_array_equal(
        read_scan(_write(tmp_path / "c.npz", **whole), "count_intensity").intensity, _counts()
    )
