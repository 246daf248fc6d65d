"""Limits for HDF5 files of unknown origin: no file outside the folder of the scan, no memory for what is not there."""

import math
from operator import itemgetter
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptycho_torch.data.damage import check_regular
from ptycho_torch.errors import DataError

# Less is read without a question; of more the file must hold a part, four times what deflate can make of it.
_FREE_BYTES, _MOST_COMPRESSION = 2**28, 4096
# A virtual dataset may have places that no part fills.
_MOST_EMPTY = 16
# Most bytes of an array that is no stack of patterns.
SMALL_ARRAY_BYTES = 2**31
_COPY = "copy all its files into its folder, and link them by relative names"


def is_below(place: Path, path: Path) -> bool:
    """Whether place lies in the folder of the file at path, wherever links of the file system lead."""
    folders = {path.parent.resolve(), path.resolve().parent}
    return any(place.resolve().is_relative_to(folder) for folder in folders)


def check_links(path: Path, file: h5py.File, key: str) -> None:
    """Raise DataError where a part of key in the open file at path is a link to a file outside of its folder."""
    parts = [part for part in key.split("/") if part]
    for end in range(1, len(parts) + 1):
        place = "/".join(parts[:end])
        try:
            link = file.get(place, getlink=True)
        except (KeyError, OSError, RuntimeError):
            return
        if isinstance(link, h5py.ExternalLink):
            other = path.parent / link.filename
            _refuse_outside(path, f"{place} is a link to", other)
            if other.exists():
                check_regular(other)
            # HDF5 also looks in the working directory; what it found is checked where it is read.
            return


def check_files(path: Path, dataset: h5py.Dataset) -> None:
    """Raise DataError where a dataset, found through the file at path, lies in a file outside of its folder or takes
    values from one."""
    _refuse_outside(path, f"{dataset.name} is in", Path(dataset.file.filename))
    for name, _, _ in dataset.external or ():
        # Relative to the working directory, as HDF5 opens it.
        _refuse_outside(path, f"{dataset.name} takes its values from", Path(name))
        check_regular(Path(name))
    if dataset.is_virtual:
        for name in {source.file_name for source in dataset.virtual_sources()} - {"."}:
            place = Path(dataset.file.filename).parent / name
            _refuse_outside(path, f"{dataset.name} takes a part from", place)


def _refuse_outside(path: Path, message: str, place: Path) -> None:
    if not is_below(place, path):
        raise DataError(str(path), f"{message} {place}, outside of its folder", _COPY)


def check_type(path: Path, dataset: h5py.Dataset) -> None:
    """Raise DataError where the numbers that make up a value of a dataset of the file at path share bytes: HDF5 would
    write them beyond the memory that they are read into."""
    if _parts_share_bytes(dataset.dtype):
        raise DataError(str(path), f"is damaged: the parts of {dataset.name} lie in each other", "copy it again")


def _parts_share_bytes(kind: np.dtype[Any]) -> bool:
    parts = sorted(((start, part) for part, start, *_ in (kind.fields or {}).values()), key=itemgetter(0))
    ends = [0, *(start + part.itemsize for start, part in parts)]
    crossed = any(start < end for end, (start, _) in zip(ends, parts, strict=False))
    return crossed or any(_parts_share_bytes(part) for _, part in parts)


def check_size(path: Path, dataset: h5py.Dataset) -> None:
    """Raise DataError where a dataset of the file at path declares far more values than the file can hold."""
    declared = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
    if declared <= _FREE_BYTES or dataset.is_virtual or dataset.external:
        return
    stored = dataset.id.get_storage_size()
    if declared > stored * _MOST_COMPRESSION:
        message = f"{dataset.name} declares {declared / 2**30:.3g} GiB, of which the file holds {stored} bytes"
        raise DataError(str(path), message, "its writing was not finished; copy it again")


def check_virtual_size(path: Path, dataset: h5py.Dataset, held: int) -> None:
    """Raise DataError where a virtual dataset of the file at path declares far more than the held bytes of its
    parts."""
    declared = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
    if declared > max(_FREE_BYTES, _MOST_EMPTY * held):
        message = f"{dataset.name} declares {declared / 2**30:.3g} GiB, its parts have {held / 2**30:.3g} GiB"
        raise DataError(str(path), message, "make it as large as its parts")
