"""The interface of a file format, and the registry in which formats are found."""

import struct
import zipfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

import attrs
import h5py

from ptycho_torch.data.damage import check_regular, damage_as_error, unfinished_archive
from ptycho_torch.data.formats.hdf5_rows import names_in, open_for_reading
from ptycho_torch.data.formats.hdf5_trial import check_survival
from ptycho_torch.data.formats.npz_archive import Archive
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError
from ptycho_torch.files import file_stamp
from ptycho_torch.registry import Registry

HDF5_SIGNATURE, MATLAB_73 = b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file"
ZIP_SIGNATURE = b"PK"
HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi", ".nxs", ".ptyd", ".emd")


@attrs.frozen(eq=False)
class ScanFile:
    """A file that is being recognised and read, opened once for all readers.

    path: its place; head: its first bytes, at most 64; opened: closes it, and what else is entered there, together
    with the scan; hdf5, npz: the open file where it is of that container, None otherwise.
    """

    path: Path
    head: bytes
    opened: ExitStack
    hdf5: h5py.File | None = None
    npz: Archive | None = None

    def descriptor(self) -> int | None:
        """The descriptor of the open file, None once it is closed."""
        if self.hdf5:
            handle: int = self.hdf5.id.get_vfd_handle()
            return handle
        stream = None if self.npz is None else self.npz.archive.fp
        return None if stream is None else stream.fileno()


class Reader(Protocol):
    """Reads the files of one format. A module with these two functions is a reader too."""

    def recognise(self, file: ScanFile, /) -> bool:
        """Whether the file is of this format, by what it holds."""

    def read(self, file: ScanFile, /) -> RawScan:
        """All of the scan but its patterns, which stay in the file. Raises DataError."""


READERS: Registry[Reader] = Registry("reader", "ptycho.readers")


def _open(path: Path, opened: ExitStack) -> ScanFile:
    """A file for the readers. Raises DataError where it cannot be opened."""
    # Only a first attempt, which saves to open it again after a look at its first bytes.
    if path.suffix.lower() in HDF5_SUFFIXES:
        with suppress(OSError):
            return ScanFile(path, HDF5_SIGNATURE, opened, hdf5=opened.enter_context(h5py.File(path, "r")))
    try:
        archive = opened.enter_context(zipfile.ZipFile(path))
    # What zipfile says of a file that is no archive, has a damaged directory, or needs a later version of ZIP.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
        with path.open("rb") as stream:
            head = stream.read(64)
        if head.startswith(ZIP_SIGNATURE):
            raise unfinished_archive(path) from None
        is_hdf5 = head.startswith((HDF5_SIGNATURE, MATLAB_73))
        return ScanFile(path, head, opened, hdf5=opened.enter_context(open_for_reading(path)) if is_hdf5 else None)
    except OSError as error:
        raise DataError(str(path), f"cannot be opened: {error.strerror}") from None
    return ScanFile(path, ZIP_SIGNATURE, opened, npz=Archive(path, archive))


def read_file(path: Path) -> RawScan:
    """A file by the first reader that recognises it: those of other packages, then the built-in ones.

    The scan holds it open. Raises DataError where none does, and ConfigError where a reader of an installed package
    cannot be imported.
    """
    check_regular(path)
    stamp = file_stamp(path.stat())
    if h5py.is_hdf5(path):
        check_survival(path, lambda: _read(path))
    return attrs.evolve(_read(path), stamp=stamp)


def _read(path: Path) -> RawScan:
    built_in = READERS.built_in
    external = [READERS.find(name, READERS.group) for name in READERS.names() if name not in built_in]
    with ExitStack() as opened:
        with damage_as_error(path):
            file = _open(path, opened)
        for reader in external:
            if reader.recognise(file):
                return _with_files(reader.read(file), file)
        for reader in built_in.values():
            with damage_as_error(path):
                if reader.recognise(file):
                    return _with_files(reader.read(file), file)
        if file.hdf5 is None:
            message = "is not a readable NPZ archive, no HDF5 file, and no installed reader knows it"
            raise DataError(str(path), message)
        with damage_as_error(path):
            names = names_in(file.hdf5)
        raise DataError(
            str(path),
            f"is no scan that is known here; it holds {names}",
            "known are files of ptychodus and pty-chi, CXI, NXcxi_ptycho, ptyd, PtyLab, Dectris masters, EMD, and "
            "those of HXN with diffamp",
        )


def _with_files(scan: RawScan, file: ScanFile) -> RawScan:
    """The scan with the files that it needs, which are no longer closed here."""
    return attrs.evolve(scan, descriptor=file.descriptor, opened=file.opened.pop_all())
