"""Patterns that stay in their file: the same numbers, read where they are needed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_torch.data import readers
from ptycho_torch.data.dataset import Domain
from ptycho_torch.data.formats.npz_archive import open_archive
from ptycho_torch.data.patterns import CHUNK, FileRows, StoredPatterns, StreamedAmplitude, mean_intensity
from ptycho_torch.data.scan import normalise
from ptycho_torch.errors import DataError


def _counts(count: int = 40, side: int = 64) -> NDArray[np.uint16]:
    return np.random.default_rng(0).poisson(3.0, (count, side, side)).astype(np.uint16)


def _write(path: Path, patterns: NDArray[np.uint16], *, compressed: bool = False) -> None:
    count = patterns.shape[2] if patterns.shape[0] == patterns.shape[1] else patterns.shape[0]
    position = np.random.default_rng(1).uniform(0, 50, (2, count))
    save = np.savez_compressed if compressed else np.savez
    save(path, diff3d=patterns, xcoords=position[0], ycoords=position[1], probeGuess=np.ones((64, 64), "c8"))


def _rows(path: Path) -> FileRows | NDArray[np.uint16] | None:
    with open_archive(path) as archive:
        return archive.rows("diff3d")


@pytest.mark.parametrize("domain", ["count_intensity", "normalized_amplitude"])
@pytest.mark.parametrize("patterns_last", [False, True])
def test_a_streamed_scan_is_the_scan_in_memory(
    domain: Domain,
    patterns_last: bool,  # noqa: FBT001 - pytest passes it
    tmp_path: Path,
) -> None:
    """Amplitudes of any index tensor, the scale of the object, and the mean agree bit for bit."""
    counts = _counts()
    _write(tmp_path / "scan.npz", np.moveaxis(counts, 0, 2) if patterns_last else counts)
    held = normalise(readers.read_scan(tmp_path / "scan.npz", domain))
    dataset = readers.read_scan(tmp_path / "scan.npz", domain, in_memory=0)
    assert isinstance(dataset.intensity, StoredPatterns)
    assert isinstance(dataset.intensity.stored, np.ndarray if patterns_last else FileRows)
    streamed = normalise(dataset)
    assert isinstance(streamed.amplitude, StreamedAmplitude)
    rows = torch.tensor([[5, 3], [3, 39], [0, 5]])
    assert torch.equal(streamed.amplitude[rows], held.amplitude[rows])
    assert streamed.object_scale == held.object_scale


def test_only_what_is_asked_for_is_read() -> None:
    """Rows of an array that counts its reads."""

    class Counting:
        shape = (1000, 8, 8)

        def __init__(self) -> None:
            self.read = 0

        def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
            self.read += len(rows)
            return np.ones((len(rows), 8, 8), np.float32)

    source = Counting()
    amplitude = StreamedAmplitude(StoredPatterns(source), 1.0)
    assert amplitude[torch.tensor([[1, 1, 7], [7, 7, 1]])].shape == (2, 3, 8, 8)
    assert source.read == 2


def test_a_compressed_array_cannot_be_mapped_and_is_read_whole(tmp_path: Path) -> None:
    """The numbers are the same."""
    _write(tmp_path / "small.npz", _counts(), compressed=True)
    assert _rows(tmp_path / "small.npz") is None
    dataset = readers.read_scan(tmp_path / "small.npz", "count_intensity", in_memory=0)
    assert np.array_equal(dataset.intensity[:], _counts())


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_map_is_the_array(order: str, tmp_path: Path) -> None:
    """Whatever the order in memory and whatever stands before it in the file."""
    array = np.asarray(_counts(), order=order)  # type: ignore[call-overload]
    np.savez(tmp_path / "a.npz", first=np.arange(7), diff3d=array)
    mapped = _rows(tmp_path / "a.npz")
    assert mapped is not None
    assert np.array_equal(mapped[:], array)
    assert np.array_equal(mapped[np.array([2, 3, 9])], array[[2, 3, 9]])
    assert mapped[5:5].shape == (0, 64, 64)


def test_bad_values_are_found_in_any_chunk(tmp_path: Path) -> None:
    """The last pattern of a streamed scan is checked like the first."""
    counts = np.resize(_counts().astype(np.float32), (CHUNK + 1, 64, 64))
    counts[-1, 3, 3] = np.nan
    _write(tmp_path / "bad.npz", counts)
    with pytest.raises(DataError, match="NaN or infinite values in 1 patterns"):
        readers.read_scan(tmp_path / "bad.npz", "count_intensity", in_memory=0)


def test_the_mean_does_not_depend_on_how_it_is_read() -> None:
    """Summed in parts, in float64."""
    counts = _counts().astype(np.float32)
    assert mean_intensity(counts, at_once=3) == mean_intensity(counts) == counts.mean(dtype=np.float64)


@pytest.mark.parametrize("dtype", [">u2", "<f4", "u1"])
def test_rows_of_a_file_are_read_in_any_byte_order(dtype: str, tmp_path: Path) -> None:
    """As they were written, single rows and runs of them; a file that was cut off says so."""
    array = _counts().astype(dtype)
    np.savez(tmp_path / "a.npz", diff3d=array)
    rows = _rows(tmp_path / "a.npz")
    assert isinstance(rows, FileRows)
    chosen = np.array([0, 2, 3, 4, 39])
    assert np.array_equal(rows[chosen], array[chosen])
    short = FileRows(rows.path, rows.offset, (200, 64, 64), rows.dtype)
    with pytest.raises(DataError, match="ends within its patterns"):
        short[150:151]
