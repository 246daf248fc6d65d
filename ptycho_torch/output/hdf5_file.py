"""Writing HDF5 so that a disk without room is an error: the library itself tries to close such a file for ever."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class _Output(io.RawIOBase):
    """A file that takes everything; `error` is the first one of the system, after which nothing more is written."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def readinto(self, buffer: Any) -> int:
        place = memoryview(buffer)
        count = self.stream.readinto(buffer) or 0
        # What was not written is read as zeros.
        place[count:] = bytes(len(place) - count)
        return len(place)

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while self.error is None and len(rest):
                rest = rest[self.stream.write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            if self.error is None:
                return self.stream.truncate(size)
        except OSError as error:
            self.error = error
        return size or 0

    def close(self) -> None:
        self.stream.close()
        super().close()


@contextmanager
def create_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file at `path`. Raises OSError at the end of the block where it could not be written."""
    with _Output(path) as output:
        with h5py.File(output, "w") as file:
            yield file
        if output.error is not None:
            raise output.error
