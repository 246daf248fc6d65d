"""Pixels that were not measured: every format says where they are, and none of them counts as light."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_config.schema import RefineOptions
from ptycho_torch.api import refine_scan
from ptycho_torch.cli.main import main
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


@pytest.mark.parametrize("kind", ["npz", "training", "product", "cxi", "nexus", "ptyd"])
@pytest.mark.parametrize("values", [[-1.0, np.inf], [np.nan, 2.0**32 - 1]], ids=str)
def test_what_a_detector_did_not_measure_is_read_as_zero(
    kind: str, values: list[float], layouts: Any, tmp_path: Path
) -> None:
    """Frames hold anything there, in every format; the other pixels are untouched."""
    patterns = layouts.scan.counts.copy()
    patterns[:, MASK] = values
    read = read_scan(_flat_values(kind, layouts, tmp_path, patterns), "count_intensity")
    assert read.valid_pixels is not None
    assert read.valid_pixels.dtype == bool
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
    np.testing.assert_array_equal(read.intensity[:], np.where(MASK, 0, layouts.scan.counts))


def test_a_mask_without_a_mark_would_be_missed(layouts: Any, tmp_path: Path) -> None:
    """Negative counts outside the mask are refused as ever."""
    patterns = layouts.scan.counts.copy()
    patterns[4, 0, 0] = -1
    with pytest.raises(DataError, match="negative values in 1 patterns"):
        read_scan(_flat_values("cxi", layouts, tmp_path, patterns), "count_intensity")


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((36, 32, 32), bool), r"bad_pixels has the shape \(32, 32\), a pattern has 64 x 64"),
        (np.zeros(64, bool), r"bad_pixels must be \(N, N\), or one such mask a pattern; its shape is \(64,\)"),
        (np.zeros((32, 32), bool), r"bad_pixels has the shape \(32, 32\)"),
        (np.ones((64, 64), bool), "bad_pixels marks every pixel"),
        (np.full((64, 64), 0.5), "bad_pixels must be bool"),
        (np.full((64, 64), 3), "bad_pixels must be bool"),
    ],
)
def test_a_mask_must_be_that_of_a_pattern(mask: Any, reason: str, layouts: Any, tmp_path: Path) -> None:
    """The reason is given before a pattern is read, and `ptycho inspect` gives it too."""
    path = _npz(layouts, tmp_path, bad_pixels=mask)
    with pytest.raises(DataError, match=reason):
        inspect_dataset(path)
    assert main(["inspect", str(path)]) == 2


def test_a_mask_of_numbers_is_a_mask(layouts: Any, tmp_path: Path) -> None:
    """0 and 1 are what HDF5 makes of bool in other languages."""
    read = read_scan(_npz(layouts, tmp_path, bad_pixels=MASK.astype(np.uint8)), "count_intensity")
    assert read.valid_pixels is not None
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)


@pytest.mark.parametrize("name", ["valid_pixels", "good_pixels"])
def test_a_mask_whose_name_says_that_1_is_measured(name: str, layouts: Any, tmp_path: Path) -> None:
    """In NPZ and in every HDF5 file; together with one of the other kind, both count."""
    other = np.zeros_like(MASK)
    other[0, 0] = True
    scans = [
        _npz(layouts, tmp_path, **{name: ~MASK, "bad_pixels": other}),
        layouts.write(tmp_path / "a.cxi", layouts.cxi(**{name: ~MASK, f"{DETECTOR}/mask": other.astype(np.uint32)})),
        layouts.write(tmp_path / "a.h5", layouts.training_data(**{name: ~MASK, "bad_pixels": other})),
    ]
    for path in scans:
        np.testing.assert_array_equal(read_scan(path, "count_intensity").valid_pixels, ~MASK & ~other)


@pytest.mark.parametrize("kind", ["npz", "cxi", "nexus"])
def test_one_mask_a_pattern_counts_for_all_patterns(kind: str, layouts: Any, tmp_path: Path) -> None:
    """A pixel that one pattern marks is left out of all, and that is a warning."""
    masks = np.zeros((36, 64, 64), np.uint32)
    masks[:, 3, 5] = masks[7, 40, 7] = 1
    if kind == "npz":
        path = _npz(layouts, tmp_path, bad_pixels=masks.astype(bool))
    else:
        path = layouts.write(tmp_path / "a.cxi", getattr(layouts, kind)(**{f"{DETECTOR}/mask": masks}))
    with pytest.warns(RuntimeWarning, match=r"marks 1 pixels in some patterns only: they are left out of all"):
        read = read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
    assert main(["inspect", str(path)]) == 0


def test_a_mask_along_with_patterns_that_come_last(layouts: Any, tmp_path: Path) -> None:
    """(N, N, n), as the patterns."""
    changes = {"diff3d": np.moveaxis(layouts.scan.counts, 0, 2), "bad_pixels": np.repeat(MASK[..., None], 36, axis=2)}
    read = read_scan(_npz(layouts, tmp_path, **changes), "count_intensity")
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)


def test_weights_of_all_frames_in_the_head_of_a_ptyd(layouts: Any, tmp_path: Path) -> None:
    """`meta/weight2d` counts for chunks without weights, and not where every chunk has its own."""
    head = {"meta/weight2d": (~MASK).astype(float)}
    read = read_scan(layouts.write(tmp_path / "a.ptyd", layouts.ptyd(**head)), "count_intensity")
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
    ones = {f"chunks/{name}/weights": np.ones((count, 64, 64)) for name, count in (("9", 20), ("10", 16))}
    read = read_scan(layouts.write(tmp_path / "b.ptyd", layouts.ptyd(**head, **ones)), "count_intensity")
    assert read.valid_pixels is not None
    assert read.valid_pixels.all()


@pytest.mark.parametrize("name", ["mask", "detector_mask", "badpixels", "weights"])
def test_a_mask_that_may_mean_either_is_refused(name: str, layouts: Any, tmp_path: Path) -> None:
    """Rather than passed over or guessed."""
    for path in (
        _npz(layouts, tmp_path, **{name: MASK}),
        layouts.write(tmp_path / "a.h5", layouts.training_data(**{name: MASK})),
    ):
        with pytest.raises(
            DataError, match=rf"{name} does not say whether 1 is .* \(name it bad_pixels .*valid_pixels"
        ):
            inspect_dataset(path)


def test_a_mask_of_floating_point_numbers(layouts: Any, tmp_path: Path) -> None:
    """As MATLAB makes them; any other number than 0 and 1 is refused."""
    read = read_scan(_npz(layouts, tmp_path, bad_pixels=MASK.astype(float)), "count_intensity")
    np.testing.assert_array_equal(read.valid_pixels, ~MASK)
    with pytest.raises(DataError, match="bad_pixels must be bool, or 0 and 1"):
        inspect_dataset(_npz(layouts, tmp_path, bad_pixels=0.5 * MASK))


def test_a_mask_that_leaves_less_than_half_must_say_so(layouts: Any, tmp_path: Path) -> None:
    """A CXI mask with 1 for a good pixel is caught; `valid_pixels` leaves no doubt."""
    path = layouts.write(tmp_path / "a.cxi", layouts.cxi(**{f"{DETECTOR}/mask": (~MASK).astype(np.uint32)}))
    with pytest.raises(DataError, match=r"mask marks 100 % of the pixels as not measured; does it mean 1 = measured"):
        inspect_dataset(path)
    few = np.zeros((64, 64), bool)
    few[16:48, 16:48] = True
    read = read_scan(layouts.write(path, layouts.cxi(valid_pixels=few)), "count_intensity")
    np.testing.assert_array_equal(read.valid_pixels, few)


def test_what_a_masked_pixel_holds_changes_no_reconstruction(layouts: Any, tmp_path: Path) -> None:
    """The largest value of a counter in a masked gap, and nothing there: the same object and the same R."""
    gap = np.zeros((64, 64), bool)
    gap[40:43] = gap[:, 40:43] = True
    made = []
    for name, value in (("full", 2**32 - 1), ("empty", 0)):
        patterns = layouts.scan.counts.astype(np.uint32)
        patterns[:, gap] = value
        path = _npz(layouts, tmp_path, diff3d=patterns, bad_pixels=gap)
        made.append(refine_scan(path, tmp_path / name, RefineOptions(passes=2), start="coarse", accelerator="cpu"))
    np.testing.assert_array_equal(made[0].canvas.object, made[1].canvas.object)
    assert made[0].metrics.R == made[1].metrics.R < 0.1
