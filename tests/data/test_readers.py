"""The NPZ contract: every accepted layout, and a clear sentence for everything else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_torch.data.formats.axes import is_legacy_order
from ptycho_torch.data.readers import inspect_dataset, read_scan, scan_files
from ptycho_torch.errors import DataError

REAL = Path(__file__).parent / "siemens_star_64.npz"


def _arrays(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    made = {
        "diff3d": rng.poisson(5.0, (7, 8, 8)).astype(np.uint16),
        "xcoords": np.arange(7.0),
        "ycoords": np.arange(7.0) + 10,
        "probeGuess": np.ones((8, 8), np.complex64),
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def _write(folder: Path, **changes: Any) -> Path:
    path = folder / "scan.npz"
    np.savez(path, **_arrays(**changes))
    return path


def test_the_experimental_scan_reads() -> None:
    """516 patterns whose probe holds their mean counts (DATA-001)."""
    dataset = read_scan(REAL, "count_intensity")
    assert dataset.intensity.shape == (516, 64, 64)
    assert dataset.probe.shape == (1, 64, 64)
    np.testing.assert_allclose(np.square(np.abs(dataset.probe)).sum(), dataset.intensity.sum() / 516, rtol=1e-4)
    facts = inspect_dataset(REAL)
    assert (facts.n_patterns, facts.n_pixels, facts.probe_modes, facts.nphotons) == (516, 64, 1, None)


def test_positions_are_rows_and_columns(tmp_path: Path) -> None:
    """`ycoords` are rows and come first."""
    dataset = read_scan(_write(tmp_path), "count_intensity")
    assert dataset.position_yx[0].tolist() == [10.0, 0.0]


def test_both_axis_orders_read_alike(tmp_path: Path) -> None:
    """(H, W, n) files are turned into (n, H, W) (FORMAT-001)."""
    canonical = read_scan(_write(tmp_path), "count_intensity").intensity
    legacy = read_scan(_write(tmp_path, diff3d=np.moveaxis(_arrays()["diff3d"], 0, 2)), "count_intensity").intensity
    assert np.array_equal(canonical, legacy)


@pytest.mark.parametrize(
    ("shape", "positions", "legacy"),
    [
        ((5, 64, 64), 5, False),
        ((64, 64, 5), 5, True),
        ((64, 64, 64), 64, False),
        ((64, 64, 200), 200, True),
        ((10, 8, 9), 10, False),
        ((8, 9, 10), 10, True),
        ((8, 9, 10), 9, False),
        ((4, 5, 30), 40, True),
    ],
)
def test_the_order_of_axes_follows_the_rules(shape: tuple[int, ...], positions: int, *, legacy: bool) -> None:
    """Square pair, then number of positions, then size."""
    assert is_legacy_order(shape, positions) is legacy


def test_amplitudes_are_squared_only_when_they_are_declared(tmp_path: Path) -> None:
    """The domain is never guessed from the values."""
    amplitude = np.sqrt(_arrays()["diff3d"].astype(np.float32))
    path = _write(tmp_path, diff3d=None, diffraction=amplitude)
    np.testing.assert_allclose(read_scan(path, "normalized_amplitude").intensity, _arrays()["diff3d"], rtol=1e-6)
    np.testing.assert_array_equal(read_scan(path, "count_intensity").intensity, amplitude)


@pytest.mark.parametrize(("probe", "modes"), [(np.ones((8, 8)), 1), (np.ones((8, 8, 1)), 1), (np.ones((3, 8, 8)), 3)])
def test_probes_of_every_layout_get_a_mode_axis(tmp_path: Path, probe: Any, modes: int) -> None:
    """(N, N), (N, N, 1) and (P, N, N)."""
    path = _write(tmp_path, probeGuess=probe.astype(np.complex64))
    assert read_scan(path, "count_intensity").probe.shape == (modes, 8, 8)
    assert inspect_dataset(path).probe_modes == modes


@pytest.mark.parametrize("boxed", [True, False])
def test_the_photon_count_is_read_without_running_the_file(tmp_path: Path, *, boxed: bool) -> None:
    """Metadata stored as a pickled string or as plain text give the same number."""
    text = json.dumps({"physics_parameters": {"nphotons": 2.5e5}})
    stored = np.array(text, dtype=object) if boxed else np.array(text)
    assert inspect_dataset(_write(tmp_path, _metadata=stored)).nphotons == 2.5e5


class _Bomb:
    """A pickle that would run code when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


def test_a_crafted_metadata_pickle_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is refused and its code has not run."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no JSON table"):
        inspect_dataset(_write(tmp_path, _metadata=np.array(_Bomb(), dtype=object)))
    assert not (tmp_path / "exploded").exists()


BAD = {
    "no diffraction": ({"diff3d": None}, "has no diffraction"),
    "no probe": ({"probeGuess": None}, "has no probeGuess"),
    "flat patterns": ({"diff3d": np.ones((8, 8))}, r"must be \(n, N, N\), or a raster"),
    "empty": ({"diff3d": np.ones((0, 8, 8)), "xcoords": np.ones(0), "ycoords": np.ones(0)}, "holds no patterns"),
    "oblong": ({"diff3d": np.ones((7, 8, 6))}, "must be square"),
    "few positions": ({"xcoords": np.ones(5), "ycoords": np.ones(5)}, "5 positions for 7 patterns"),
    "unequal positions": ({"ycoords": np.ones(5)}, "7 xcoords but 5 ycoords"),
    "2-D positions": ({"xcoords": np.ones((7, 1))}, "must be one-dimensional"),
    "other probe": ({"probeGuess": np.ones((4, 4), complex)}, "4 x 4 pixels, the patterns 8 x 8"),
    "1-D probe": ({"probeGuess": np.ones(8, complex)}, r"must be \(N, N\) or \(modes, N, N\)"),
    "bad metadata": ({"_metadata": np.array("{")}, "no JSON table"),
    "bad photons": ({"_metadata": np.array('{"physics_parameters": {"nphotons": -1}}')}, "number above 0"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD.keys())
def test_a_wrong_layout_is_refused_from_the_headers(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """The sentence names the array and what is wrong with it (DATA-001)."""
    with pytest.raises(DataError, match=reason):
        inspect_dataset(_write(tmp_path, **changes))


BAD_VALUES = {
    "nan": ({"diff3d": np.full((7, 8, 8), np.nan)}, "NaN or infinite values in 7 patterns"),
    "negative": ({"diff3d": -np.ones((7, 8, 8))}, "negative values in 7 patterns"),
    "dark": ({"diff3d": np.zeros((7, 8, 8))}, "zero everywhere"),
    "complex": ({"diff3d": np.ones((7, 8, 8), complex)}, "must hold real numbers"),
    "no light": ({"probeGuess": np.zeros((8, 8), complex)}, "probeGuess is zero"),
    "lost": ({"xcoords": np.full(7, np.inf)}, r"\(xcoords or ycoords\) hold NaN"),
    "far": ({"xcoords": np.arange(7) * 1e6}, "positions span 6e.06 px"),
    "words": ({"xcoords": np.array(list("abcdefg"))}, "must be real"),
    "objects": ({"diff3d": np.full((7, 8, 8), None)}, "its type is object"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_wrong_values_are_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """The sentence names the array and how much of it is wrong."""
    with pytest.raises(DataError, match=reason):
        read_scan(_write(tmp_path, **changes), "count_intensity")


def test_what_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    """Missing, foreign and cut-off files each get their sentence."""
    with pytest.raises(DataError, match="no such file"):
        inspect_dataset(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match="not a readable NPZ archive"):
        inspect_dataset(tmp_path / "text.npz")
    whole = _write(tmp_path)
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(DataError):
        read_scan(whole, "count_intensity")


def test_positions_may_count_from_the_centre_of_a_pixel(tmp_path: Path) -> None:
    """As ptychodus does in its NPZ: position 0 is half a pixel from the corner; HDF5 says it itself.
    Patches of an odd number of pixels lie around the centre of one anyway."""
    odd = {"diff3d": np.ones((7, 9, 9)), "probeGuess": np.ones((9, 9), complex)}
    for changes, distance in (({}, 0.5), (odd, 0.0)):
        path = _write(tmp_path, **changes)
        corner, centre = (read_scan(path, "count_intensity", origin) for origin in ("corner", "centre"))
        np.testing.assert_array_equal(centre.position_yx, corner.position_yx + distance)


def test_a_name_with_a_star_is_all_files_that_match(tmp_path: Path) -> None:
    """In order; none is an error."""
    for name in ("b", "a"):
        np.savez(tmp_path / f"{name}.npz", **_arrays())
    (tmp_path / "c.h5").touch()
    assert [path.name for path in scan_files(tmp_path / "*.npz")] == ["a.npz", "b.npz"]
    with pytest.raises(DataError, match="no file has such a name"):
        scan_files(tmp_path / "*.cxi")
