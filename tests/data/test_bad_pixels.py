"""Pixels that were not measured: every format says where they are, and none of them counts as light."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_torch.data.readers import inspect_dataset, read_scan
from ptycho_torch.errors import DataError

DETECTOR = "entry_1/instrument_1/detector_1"
MASK = np.zeros((64, 64), bool)
MASK[3, 5] = MASK[40, 7] = True
BITS = np.where(MASK, 0x1, 0).astype(np.uint32)
BITS[10:20, 10:20] = 0x1000  # signal: good
BITS[40, 7] = 0x1001
WEIGHTS = np.broadcast_to(~MASK, (36, 64, 64)).astype(np.float32)


def _flat_values(kind: str, layouts: Any, folder: Path, patterns: Any) -> Path:
    """The scan with `patterns` and the mask."""
    if kind == "npz":
        return _npz(layouts, folder, diff3d=patterns, bad_pixels=MASK)
    if kind == "training":
        entries = layouts.training_data(patterns=patterns, bad_pixels=MASK)
        return layouts.write(folder / "training.h5", entries)  # type: ignore[no-any-return]
    if kind == "product":
        layouts.write(folder / "product.h5", layouts.product())
        entries = layouts.diffraction(patterns=patterns, bad_pixels=MASK)
        return layouts.write(folder / "diffraction.h5", entries)  # type: ignore[no-any-return]
    if kind == "ptyd":
        entries = layouts.ptyd(
            **{
                "chunks/9/data": patterns[:20],
                "chunks/10/data": patterns[20:],
                "chunks/9/weights": WEIGHTS[:20],
                "chunks/10/weights": np.ones((16, 64, 64)),
            }
        )
        return layouts.write(folder / "scan.ptyd", entries)  # type: ignore[no-any-return]
    made = layouts.cxi if kind == "cxi" else layouts.nexus
    entries = made(**{f"{DETECTOR}/data": patterns, f"{DETECTOR}/mask": BITS})
    return layouts.write(folder / "scan.cxi", entries)  # type: ignore[no-any-return]


def _npz(layouts: Any, folder: Path, **changes: Any) -> Path:
    scan = layouts.scan
    entries = {
        "diff3d": scan.counts,
        "xcoords": scan.position_yx[:, 1],
        "ycoords": scan.position_yx[:, 0],
        "probeGuess": scan.probe,
    }
    np.savez(folder / "scan.npz", **(entries | changes))
    return folder / "scan.npz"


@pytest.mark.parametrize("kind", ["product", "cxi", "nexus", "ptyd"])
def test_what_a_detector_did_not_measure_is_read_as_zero(kind: str, layouts: Any, tmp_path: Path) -> None:
    """Raw frames hold anything there, even negative or endless counts; the other pixels are untouched."""
    patterns = layouts.scan.counts.copy()
    patterns[:, MASK] = [-1.0, np.inf]
    read = read_scan(_flat_values(kind, layouts, tmp_path, patterns), "count_intensity")
    assert read.valid_pixels is not None
    assert read.valid_pixels.dtype == bool
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
    np.testing.assert_array_equal(read.intensity[:], np.where(MASK, 0, layouts.scan.counts))


@pytest.mark.parametrize("kind", ["npz", "training"])
def test_what_was_filled_in_is_kept(kind: str, layouts: Any, tmp_path: Path) -> None:
    """Files made for training are inpainted; values that cannot be are still refused."""
    patterns = layouts.scan.counts.copy()
    patterns[:, MASK] = 7
    read = read_scan(_flat_values(kind, layouts, tmp_path, patterns), "count_intensity")
    assert read.valid_pixels is not None
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
    np.testing.assert_array_equal(read.intensity[:], patterns)
    patterns[:, MASK] = -1
    with pytest.raises(DataError, match="negative values in 36 patterns"):
        read_scan(_flat_values(kind, layouts, tmp_path, patterns), "count_intensity")


def test_a_mask_without_a_mark_would_be_missed(layouts: Any, tmp_path: Path) -> None:
    """Negative counts outside the mask are refused as ever."""
    patterns = layouts.scan.counts.copy()
    patterns[4, 0, 0] = -1
    with pytest.raises(DataError, match="negative values in 1 patterns"):
        read_scan(_flat_values("cxi", layouts, tmp_path, patterns), "count_intensity")


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((36, 64, 64), bool), r"bad_pixels has the shape \(36, 64, 64\), a pattern has 64 x 64"),
        (np.zeros((32, 32), bool), r"bad_pixels has the shape \(32, 32\)"),
        (np.ones((64, 64), bool), "bad_pixels marks every pixel"),
        (np.full((64, 64), 0.5), "bad_pixels must be bool"),
        (np.full((64, 64), 3), "bad_pixels must be bool"),
    ],
)
def test_a_mask_must_be_that_of_a_pattern(mask: Any, reason: str, layouts: Any, tmp_path: Path) -> None:
    """The reason is given before a pattern is read."""
    with pytest.raises(DataError, match=reason):
        inspect_dataset(_npz(layouts, tmp_path, bad_pixels=mask))


def test_a_mask_of_numbers_is_a_mask(layouts: Any, tmp_path: Path) -> None:
    """0 and 1 are what HDF5 makes of bool in other languages."""
    read = read_scan(_npz(layouts, tmp_path, bad_pixels=MASK.astype(np.uint8)), "count_intensity")
    assert read.valid_pixels is not None
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
