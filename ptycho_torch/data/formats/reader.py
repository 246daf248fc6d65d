"""The interface of a file format, and the registry in which formats are found."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import attrs
import h5py

from ptycho_torch.data.formats.hdf5_rows import open_for_reading
from ptycho_torch.data.formats.npz_archive import Archive
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.registry import Registry

HDF5_SIGNATURE, MATLAB_73 = b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file"


@attrs.frozen(eq=False)
class ScanFile:
    """A file that is being recognised and read, opened once for all readers and closed after them.

    path: its place; head: its first 64 bytes; hdf5, npz: the open file where it is of that container, None otherwise.
    """

    path: Path
    head: bytes
    hdf5: h5py.File | None = None
    npz: Archive | None = None


class Reader(Protocol):
    """Reads the files of one format. A module with these two functions is a reader too."""

    def recognise(self, file: ScanFile, /) -> bool:
        """Whether the file is of this format, by what it holds."""

    def read(self, file: ScanFile, /) -> RawScan:
        """All of the scan but its patterns, which stay in the file. Raises DataError."""


READERS: Registry[Reader] = Registry("reader", "ptycho.readers")


@contextmanager
def open_file(path: Path) -> Iterator[ScanFile]:
    """A file for the readers. Raises MissingFileError, or DataError where it cannot be opened."""
    with ExitStack() as opened:
        try:
            stream = opened.enter_context(path.open("rb"))
        except FileNotFoundError:
            raise MissingFileError(str(path), "no such file") from None
        except OSError as error:
            raise DataError(str(path), f"cannot be opened: {error.strerror}") from None
        head = stream.read(64)
        if head.startswith((HDF5_SIGNATURE, MATLAB_73)):
            yield ScanFile(path, head, hdf5=opened.enter_context(open_for_reading(path)))
            return
        try:
            archive = opened.enter_context(zipfile.ZipFile(stream))
        except zipfile.BadZipFile:
            yield ScanFile(path, head)
            return
        yield ScanFile(path, head, npz=Archive(path, archive))


def read_file(path: Path) -> RawScan:
    """A file by the first reader that recognises it: those of other packages, then the built-in ones.

    Raises DataError where none does, and ConfigError where a reader of an installed package cannot be imported.
    """
    built_in = READERS.built_in
    external = [READERS.find(name, READERS.group) for name in READERS.names() if name not in built_in]
    with open_file(path) as file:
        for reader in (*external, *built_in.values()):
            if reader.recognise(file):
                return reader.read(file)
        if file.hdf5 is None:
            message = "is not a readable NPZ archive, no HDF5 file, and no installed reader knows it"
            raise DataError(str(path), message)
        raise DataError(
            str(path),
            f"is no scan that is known here; it holds {', '.join(sorted(file.hdf5)) or 'nothing'}",
            "a ptychodus product with diffraction, ptychodus training data, CXI, NXcxi_ptycho, ptyd, or "
            "a pair of _dp and _para files",
        )
