"""Arrays that stay in an HDF5 file: the right rows, in parts, and nothing that only looks like data."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_torch.data import readers
from ptycho_torch.data.formats.hdf5_rows import Hdf5Rows, Joined, open_for_reading
from ptycho_torch.data.formats.views import Raster
from ptycho_torch.data.patterns import StoredPatterns, chunks
from ptycho_torch.errors import DataError, MissingFileError

FRAMES = np.arange(30 * 4 * 4, dtype=np.uint16).reshape(30, 4, 4)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Hdf5Rows:
    """30 frames in a file, in chunks that do not match what is asked for."""
    path = tmp_path_factory.mktemp("rows") / "rows.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("frames", data=FRAMES, chunks=(7, 4, 4), compression="gzip")
        return Hdf5Rows.of(path, "frames", made)


def _views(stored: Hdf5Rows) -> dict[str, Any]:
    parts = tuple(StoredPart(stored, slice(*ends)) for ends in ((0, 11), (11, 12), (12, 30)))
    return {"one": stored, "joined": Joined(parts), "raster": Raster(Lines(stored))}


class StoredPart:
    """Some rows of an array as an array."""

    def __init__(self, stored: Hdf5Rows, part: slice) -> None:
        self.stored, self.first = stored, part.start
        self.shape, self.dtype = (part.stop - part.start, 4, 4), stored.dtype

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self.stored[rows + self.first]


class Lines:
    """The frames as a raster of 5 lines."""

    def __init__(self, stored: Hdf5Rows) -> None:
        self.stored, self.shape, self.dtype = stored, (5, 6, 4, 4), stored.dtype

    def __getitem__(self, lines: slice) -> NDArray[Any]:
        frames = self.stored[slice(lines.start * 6, lines.stop * 6)]
        return frames.reshape(-1, 6, 4, 4)


@pytest.mark.parametrize("view", ["one", "joined", "raster"])
@given(rows=st.sets(st.integers(0, 29)), first=st.integers(0, 30), length=st.integers(0, 30))
def test_any_rows_are_those_of_the_array(view: str, stored: Hdf5Rows, rows: set[int], first: int, length: int) -> None:
    """Sorted rows, slices, and nothing at all."""
    seen = _views(stored)[view]
    chosen = np.array(sorted(rows), np.int64)
    assert np.array_equal(seen[chosen], FRAMES[chosen])
    assert np.array_equal(seen[first : first + length], FRAMES[first : first + length])
    assert seen.shape == FRAMES.shape
    assert seen.dtype == FRAMES.dtype


@pytest.mark.parametrize(
    ("kind", "name"), [("training_data", "a.h5"), ("cxi", "a.cxi"), ("nexus", "a.nxs"), ("ptyd", "a.ptyd")]
)
def test_a_large_file_is_read_in_parts(kind: str, name: str, layouts: Any, tmp_path: Path) -> None:
    """Above the limit patterns stay in the file, and are read as many at a time as is asked for."""
    path = layouts.write(tmp_path / name, getattr(layouts, kind)())
    read = readers.read_scan(path, "count_intensity", in_memory=0)
    assert isinstance(read.intensity, StoredPatterns)
    parts = list(chunks(read.intensity, most=5))
    assert [len(part) for part in parts] == [5] * 7 + [1]
    np.testing.assert_array_equal(np.concatenate(parts), layouts.scan.counts)
    np.testing.assert_array_equal(read.intensity[np.array([1, 5, 6, 33])], layouts.scan.counts[[1, 5, 6, 33]])


def test_a_missing_filter_names_the_package(layouts: Any, tmp_path: Path) -> None:
    """Chunks compressed by a filter that is registered nowhere."""
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data(patterns=None))
    with h5py.File(path, "a") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, 64, 64))
        plist.set_filter(31999, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((36, 64, 64))
        made = h5py.h5d.create(file.id, b"patterns", h5py.h5t.NATIVE_UINT16, space, plist)
        made.write_direct_chunk((0, 0, 0), b"compressed")
    with pytest.raises(DataError, match=r"filter 31999 .*not installed \(pip install hdf5plugin\)"):
        readers.read_scan(path, "count_intensity")


def test_a_part_of_a_virtual_dataset_that_is_missing_is_not_zeros(layouts: Any, tmp_path: Path) -> None:
    """HDF5 itself would fill the gap without a word."""
    layouts.write(tmp_path / "part.h5", {"frames": layouts.scan.counts.astype(np.uint16)})
    virtual = h5py.VirtualLayout((36, 64, 64), np.uint16)
    virtual[:] = h5py.VirtualSource("part.h5", "frames", (36, 64, 64))
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data(patterns=None))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("patterns", virtual)
    np.testing.assert_array_equal(readers.read_scan(path, "count_intensity").intensity[:], layouts.scan.counts)
    (tmp_path / "part.h5").unlink()
    with h5py.File(path) as file:
        assert not file["patterns"][()].any()
    with pytest.raises(MissingFileError, match=r"part\.h5: no such file"):
        readers.read_scan(path, "count_intensity")
    layouts.write(tmp_path / "part.h5", {"others": np.ones(3)})
    with pytest.raises(DataError, match=r"part\.h5: has no frames, a part of scan\.h5"):
        readers.read_scan(path, "count_intensity")


def test_damage_found_while_reading_is_named(tmp_path: Path) -> None:
    """The file is cut off after its header was read."""
    path = tmp_path / "cut.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = FRAMES
        rows = Hdf5Rows.of(path, "frames", file["frames"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"is still growing, or was copied in part: it has 2808 of 3008 bytes"):
        rows[0:30]
    with pytest.raises(MissingFileError, match="no such file"), open_for_reading(tmp_path / "none.h5"):
        pass
