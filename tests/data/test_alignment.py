"""More positions than patterns, or fewer: aligned by what the patterns show, or refused with both readings."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_torch.data.readers import inspect_dataset, read_scan
from ptycho_torch.errors import DataError
from ptycho_torch.records import Dataset
from tests.faults.scans import good

IMAGES = [("coins", "camera"), ("astronaut", "moon")]


def _write(path: Path, counts: Any, position_yx: Any) -> Path:
    y, x = np.asarray(position_yx).T
    np.savez(path, diff3d=counts, xcoords=x, ycoords=y, axes=np.array("nyx"), probeGuess=good().probe)
    return path


def _read(path: Path) -> tuple[Dataset, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read = read_scan(path, "count_intensity")
    return read, "; ".join(str(one.message) for one in caught)


@pytest.mark.parametrize("seed", range(len(IMAGES)))
@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1), (3, 0), (1, 2), (12, 0)])
def test_surplus_positions_are_left_out(before: int, after: int, seed: int, tmp_path: Path) -> None:
    """At the start, at the end, or on both sides; the others are those of the patterns."""
    scan = good(seed=seed, images=IMAGES[seed])
    count = len(scan.position_yx)
    path = _write(tmp_path / "a.npz", scan.intensity[before : count - after], scan.position_yx)
    read, told = _read(path)
    np.testing.assert_array_equal(read.position_yx, scan.position_yx[before : count - after])
    assert f"the first {before} and the last {after} positions are not used" in told
    assert inspect_dataset(path).n_patterns == count - before - after


@pytest.mark.parametrize("seed", range(len(IMAGES)))
@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 2), (1, 1)])
def test_surplus_patterns_are_left_out(before: int, after: int, seed: int, tmp_path: Path) -> None:
    """As in a fly scan whose detector started early or ended late."""
    scan = good(seed=seed, images=IMAGES[seed])
    part = slice(before, len(scan.position_yx) - after)
    read, told = _read(_write(tmp_path / "a.npz", scan.intensity[:], scan.position_yx[part]))
    np.testing.assert_array_equal(read.intensity[:], scan.intensity[part])
    assert f"the first {before} and the last {after} patterns are not used" in told


@pytest.mark.parametrize("seed", range(len(IMAGES)))
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_surplus_pattern_of_each_line_is_left_out(end: str, seed: int, tmp_path: Path) -> None:
    """As in a fly scan that takes one more while it turns; where nothing shows which, both possibilities are named."""
    scan = good(seed=seed, images=IMAGES[seed])
    lines = scan.intensity[:].reshape(13, 13, *scan.intensity.shape[1:])
    turn = np.random.default_rng(seed).poisson(lines[:, :1] if end == "first" else lines[:, -1:]).astype(np.float32)
    counts = np.concatenate([turn, lines] if end == "first" else [lines, turn], axis=1)
    path = _write(tmp_path / "a.npz", counts.reshape(-1, *lines.shape[2:]), scan.position_yx)
    read, told = _read(path)
    np.testing.assert_array_equal(read.intensity[:], scan.intensity[:])
    assert f"the {end} pattern of each of 13 lines is not used" in told
    weak = np.random.default_rng(0).poisson(1.0, counts.shape).astype(np.float32)
    with pytest.raises(DataError, match="either the first or the last pattern of each line has no position"):
        _read(_write(tmp_path / "b.npz", weak.reshape(-1, *lines.shape[2:]), scan.position_yx))


def test_a_pattern_lost_in_between_is_said(tmp_path: Path) -> None:
    """With the two alignments."""
    scan = good()
    path = _write(tmp_path / "a.npz", np.delete(scan.intensity[:], 84, axis=0), scan.position_yx)
    with pytest.raises(DataError, match="from number 0 on, the last ones those from 1 on: patterns were lost"):
        _read(path)


def test_what_nothing_shows_is_refused_with_both_readings(tmp_path: Path) -> None:
    """Patterns that are all alike, several patterns a position, and numbers that are too far apart."""
    scan = good()
    counts, position, few = scan.intensity[:], scan.position_yx, len(scan.position_yx) // 2
    flat = np.broadcast_to(counts.mean(axis=0).round(), counts.shape)
    cases = [
        (flat, position[:-1], "either the first 1 or the last 1 patterns have no position, and nothing shows"),
        (counts[: 2 * few], position[:few], "either 2 patterns in a row were taken at each position, or only"),
        (counts, position[:100], "100 positions for 169 patterns: each pattern needs one"),
    ]
    for made, place, reason in cases:
        with pytest.raises(DataError, match=reason):
            _read(_write(tmp_path / "a.npz", made, place))


def test_without_a_probe_nothing_shows_it(tmp_path: Path) -> None:
    """Refused before patterns are read."""
    scan = good()
    y, x = scan.position_yx.T
    np.savez(tmp_path / "a.npz", diff3d=scan.intensity[1:], xcoords=x, ycoords=y)
    with pytest.raises(DataError, match="either the first 1 or the last 1 positions have no pattern"):
        inspect_dataset(tmp_path / "a.npz", probe_needed=False)
