"""`--mask auto` leaves out the pixels that do not measure, those and no others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_torch.cli import main
from ptycho_torch.data.readers import read_scan
from ptycho_torch.records import Dataset
from tests.faults.scans import FAULTS, SIDE, STOP, STRIPES, good

Mask = NDArray[np.bool_]
HOT = np.zeros((SIDE, SIDE), np.bool_)
HOT[6, 25] = True


def _write(folder: Path, scan: Dataset, **more: Any) -> Path:
    y, x = scan.position_yx.T
    path = folder / "scan.npz"
    np.savez(path, diff3d=scan.intensity[:], xcoords=x, ycoords=y, probeGuess=scan.probe, **more)
    return path


def _as_stored(value: float) -> Callable[[Dataset], Dataset]:
    """Stripes hold a value that no pattern can have."""
    return lambda scan: attrs.evolve(scan, intensity=np.where(STRIPES, np.float32(value), scan.intensity[:]))


def _brightest(scan: Dataset) -> Mask:
    return np.asarray((scan.intensity[:] == scan.intensity[:].max()).any(axis=0))


KINDS: dict[str, tuple[Callable[[Dataset], Dataset], Mask | Callable[[Dataset], Mask], str]] = {
    "fill value": (FAULTS["fill value"][0], STRIPES, "124 pixels hold 4294967296"),
    "-1": (_as_stored(-1), STRIPES, "124 pixels hold -1"),
    "NaN": (_as_stored(np.nan), STRIPES, "124 pixels hold nan"),
    "dead": (FAULTS["dead stripes"][0], STRIPES, "are 0 in every pattern"),
    "beam stop": (FAULTS["beam stop"][0], STOP, "16 pixels are 0"),
    "hot": (FAULTS["hot pixel"][0], HOT, r"\[6, 25\]"),
    "clipped": (FAULTS["clipped"][0], _brightest, "are clipped at"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_that_do_not_measure_are_masked(kind: str, tmp_path: Path) -> None:
    """With a word on each; without the option they are not."""
    fault, mask, words = KINDS[kind]
    scan = fault(good())
    expected = mask(scan) if callable(mask) else mask
    with pytest.warns(RuntimeWarning, match=f"{words}.*, left out"):
        read = read_scan(_write(tmp_path, scan), "count_intensity", mask="auto")
    assert read.valid_pixels is not None
    # In the dark corners of the patterns a dead pixel is like its neighbours.
    bright = np.sum(good().intensity[:], axis=0) > 100
    np.testing.assert_array_equal(~read.valid_pixels & bright, expected & bright)
    assert not read.intensity[:][:, ~read.valid_pixels].any()


def test_masks_of_the_file_stay(tmp_path: Path) -> None:
    """What it marks is left out too."""
    stored = _write(tmp_path, FAULTS["hot pixel"][0](good()), bad_pixels=STOP)
    with pytest.warns(RuntimeWarning, match="1 pixels have over ten times"):
        read = read_scan(stored, "count_intensity", mask="auto")
    assert read.valid_pixels is not None
    np.testing.assert_array_equal(~read.valid_pixels, HOT | STOP)


@pytest.mark.filterwarnings("default:.*left out:RuntimeWarning")
def test_a_scan_is_then_sound(tmp_path: Path) -> None:
    """Where it is wrong without; by the command."""
    path = str(_write(tmp_path, FAULTS["fill value"][0](good())))
    assert main.main(["inspect", path, "--strict"]) == 3
    assert main.main(["inspect", path, "--strict", "--mask", "auto"]) == 0
