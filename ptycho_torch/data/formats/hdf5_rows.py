"""Arrays that stay in an HDF5 file: read in parts, and known to be readable."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.damage import check_regular, damage_as_error
from ptycho_torch.data.formats.hdf5_safety import check_files, check_size, check_type, check_virtual_size
from ptycho_torch.data.raw import Stored
from ptycho_torch.errors import DataError

# A virtual dataset of others that are virtual too.
MOST_VIRTUAL = 4

# Registers the filters of detectors (bitshuffle, LZ4) that HDF5 itself does not have.
with suppress(ModuleNotFoundError):
    import hdf5plugin  # noqa: F401


@contextmanager
def open_for_reading(path: Path) -> Iterator[h5py.File]:
    """The file for reading. Raises MissingFileError, or DataError for one that is damaged."""
    check_regular(path)
    with damage_as_error(path):
        file = h5py.File(path, "r")
    with file:
        yield file


def names_in(file: h5py.File) -> str:
    """The names at the root of a file, for people."""
    return ", ".join(sorted(map(str, file))) or "nothing"


def check_readable(path: Path, dataset: h5py.Dataset, depth: int = 0) -> None:
    """Raise DataError where a filter of a dataset of the file at path is not installed, or a file that it is
    made of, if it is virtual, is not there: HDF5 itself would give zeros for those; also where it lies outside of the
    folder, or declares more than the file holds, or is damaged; depth: of virtual datasets that are made of others."""
    check_files(path, dataset)
    check_size(path, dataset)
    check_type(path, dataset)
    if dataset.chunks:
        # Reads the places of all chunks, before any is needed.
        dataset.id.get_num_chunks()
    plist = dataset.id.get_create_plist()
    for position in range(plist.get_nfilters()):
        code, _, _, name = plist.get_filter(position)
        if not h5py.h5z.filter_avail(code):
            what = f"{dataset.name} is compressed with filter {code} ({name.decode(errors='replace')})"
            raise DataError(str(path), f"{what}, which is not installed", "pip install hdf5plugin")
    if not dataset.is_virtual:
        return
    if depth > MOST_VIRTUAL:
        raise DataError(str(path), f"{dataset.name} is made of parts that are made of each other")
    held = 0
    for source in {entry.file_name: entry for entry in dataset.virtual_sources()}.values():
        if source.file_name == ".":
            found = dataset.file.get(source.dset_name)
            if isinstance(found, h5py.Dataset):
                check_readable(path, found, depth + 1)
                held += found.nbytes
            continue
        # Relative to the file that the dataset is in, which a link may have led to.
        other = Path(dataset.file.filename).parent / source.file_name
        with open_for_reading(other) as file:
            found = file.get(source.dset_name)
            if not isinstance(found, h5py.Dataset):
                raise DataError(str(other), f"has no {source.dset_name}, a part of {path.name}")
            check_readable(other, found, depth + 1)
            held += found.nbytes
    check_virtual_size(path, dataset, held)


@attrs.frozen(eq=False)
class Hdf5Rows:
    """The array `key` of a file, read from the dataset that was found there while its file is open.

    Afterwards every read opens the file anew, so that processes that load batches can share it.
    """

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    found: h5py.Dataset | None = None

    @classmethod
    def of(cls, path: Path, key: str, dataset: h5py.Dataset) -> "Hdf5Rows":
        """The rows of an open dataset, which must be readable; behind a link it has another name than `key`.

        Raises DataError.
        """
        check_readable(path, dataset)
        return cls(path, key, dataset.shape, dataset.dtype, dataset)

    def __reduce__(self) -> tuple[Any, ...]:
        return Hdf5Rows, (self.path, self.key, self.shape, self.dtype)

    @contextmanager
    def _dataset(self) -> Iterator[h5py.Dataset]:
        if self.found:
            yield self.found
            return
        with open_for_reading(self.path) as file:
            yield file[self.key]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """A slice, or rows that are sorted and without repeats; runs of rows are read at once."""
        chosen = np.arange(self.shape[0])[rows]
        found = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
        with damage_as_error(self.path, self.key), self._dataset() as dataset:
            for run in np.split(np.arange(len(chosen)), breaks):
                if len(run):
                    first, last = chosen[run[0]], chosen[run[-1]]
                    found[run[0] : run[-1] + 1] = dataset[first : last + 1]
        return found


@attrs.frozen(eq=False)
class Joined:
    """Arrays of one frame size, one after the other."""

    parts: tuple[Stored, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, H, W)`, n of all parts."""
        return (sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type for the values of all parts."""
        return np.result_type(*(part.dtype for part in self.parts))

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """A slice, or rows that are sorted and without repeats."""
        chosen = np.arange(self.shape[0])[rows]
        ends = np.cumsum([part.shape[0] for part in self.parts])
        which = np.searchsorted(ends, chosen, side="right")
        found = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for number in np.unique(which):
            mine = which == number
            part = self.parts[number]
            found[mine] = part[chosen[mine] - (ends[number] - part.shape[0])]
        return found
