"""NPZ archives without pickle: array headers without the arrays, and embedded JSON text."""

import json
import math
import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import attrs
import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ptycho_torch.data.damage import DAMAGE, check_regular, damage_as_error
from ptycho_torch.data.patterns import FileRows
from ptycho_torch.errors import DataError

_LOCAL_HEADER, _BLOCK = 30, 2**20


@attrs.frozen(eq=False)
class NpzArray:
    """The array `key` of an archive, of which only the header has been read.

    archive: as it was when that was read; a closed one is opened again.
    """

    archive: "Archive"
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored_shape: tuple[int, ...] | None = None

    def reshape(self, shape: tuple[int, ...]) -> "NpzArray":
        """The same values in another shape, in the order in which they lie in the file."""
        return attrs.evolve(self, shape=shape, stored_shape=self.shape)

    @property
    def path(self) -> Path:
        """The file of the archive."""
        return self.archive.path

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Some of it, or all with `...`; reads all of an archive that is compressed."""
        return self.load(in_file=rows is not ...)[rows]

    def load(self, *, in_file: bool, checked: bool = False) -> FileRows | NDArray[Any]:
        """The array: left in the file if that is wanted and it is not compressed, or read.

        checked: compare the checksum of what is left in the file, which is read for it. Raises DataError where it is
        wrong, or it is no longer the array that was found.
        """
        with nullcontext(self.archive) if self.archive.is_open else open_archive(self.path) as archive:
            if in_file and checked:
                archive.check(self.key)
            rows = archive.rows(self.key) if in_file else None
            found = archive.array(self.key) if rows is None else rows
        if (found.shape, found.dtype) != (self.stored_shape or self.shape, self.dtype):
            raise DataError(str(self.path), f"{self.key} has changed since the file was opened", "run again")
        if self.stored_shape is None:
            return found
        return attrs.evolve(found, shape=self.shape) if isinstance(found, FileRows) else found.reshape(self.shape)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and type of an array; the stream then stands at its values."""
    major, _ = npy_format.read_magic(stream)
    read = npy_format.read_array_header_1_0 if major == 1 else npy_format.read_array_header_2_0
    return read(stream)


@attrs.frozen(eq=False)
class Archive:
    """An open NPZ archive; every method raises DataError with its path for a damaged one."""

    path: Path
    archive: zipfile.ZipFile

    @property
    def is_open(self) -> bool:
        """Whether it can still be read."""
        return self.archive.fp is not None

    def arrays(self) -> dict[str, NpzArray]:
        """All arrays by name; only their headers are read."""
        found = {}
        for member in self.archive.namelist():
            if not member.endswith(".npy"):
                continue
            try:
                with self.archive.open(member) as stream:
                    shape, _, dtype = _read_header(stream)
            except DAMAGE as error:
                raise DataError(str(self.path), f"'{member}' is damaged: {error}", "copy it again") from None
            name = member.removesuffix(".npy")
            held, declared = self.archive.getinfo(member).file_size, math.prod(shape) * dtype.itemsize
            if declared > held and not dtype.hasobject:
                message = f"'{member}' is damaged: it declares {declared} bytes and has {held}"
                raise DataError(str(self.path), message)
            found[name] = NpzArray(self, name, shape, dtype)
        return found

    def array(self, name: str) -> NDArray[Any]:
        """One array. Objects are refused: they could only be read by running their code."""
        with damage_as_error(self.path, f"'{name}'"):
            with self.archive.open(f"{name}.npy") as stream:
                _, _, dtype = _read_header(stream)
            if dtype.hasobject:
                message = f"'{name}' holds Python objects, and reading them could run code"
                raise DataError(str(self.path), message, "save an array of numbers")
            with self.archive.open(f"{name}.npy") as stream:
                return npy_format.read_array(stream, allow_pickle=False)

    def check(self, name: str) -> None:
        """Raise DataError where an array that is not compressed has another checksum than the archive says."""
        if self.archive.getinfo(f"{name}.npy").compress_type != zipfile.ZIP_STORED:
            return
        with damage_as_error(self.path, f"'{name}'"), self.archive.open(f"{name}.npy") as stream:
            while stream.read(_BLOCK):
                pass

    def rows(self, name: str) -> FileRows | NDArray[Any] | None:
        """One array, to be read row by row or mapped; None where it is compressed.

        The members of an NPZ written by `np.savez` lie uncompressed in the file (ZIP specification,
        4.3.7: a local header of 30 bytes, the name and extra fields before the data).
        """
        member, stream = self.archive.getinfo(f"{name}.npy"), self.archive.fp
        if member.compress_type != zipfile.ZIP_STORED or stream is None:
            return None
        stream.seek(member.header_offset)
        local = stream.read(_LOCAL_HEADER)
        skipped = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        stream.seek(skipped, 1)
        shape, fortran, dtype = _read_header(stream)
        if not fortran:
            return FileRows(self.path, stream.tell(), shape, dtype)
        return np.memmap(self.path, dtype, "r", stream.tell(), shape, "F")

    def metadata(self) -> dict[str, Any]:
        """The JSON table under `_metadata`, or an empty one where the archive has none.

        Files in the field store it as a pickled string. The pickle is scanned for its one text and never executed.
        """
        if "_metadata.npy" not in self.archive.namelist():
            return {}
        with damage_as_error(self.path, "'_metadata'"), self.archive.open("_metadata.npy") as stream:
            _, _, dtype = _read_header(stream)
            payload = stream.read()
        if dtype.hasobject:
            with damage_as_error(self.path, "'_metadata'"):
                texts = [str(value) for code, value, _ in pickletools.genops(payload) if "UNICODE" in code.name]
        else:
            texts = [str(self.array("_metadata"))]
        for text in texts:
            try:
                table = json.loads(text)
            except ValueError:
                continue
            if isinstance(table, dict):
                return table
        raise DataError(str(self.path), "'_metadata' holds no JSON table", "remove it or write JSON text")


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """An NPZ file for reading. Raises MissingFileError, or DataError for what is no archive."""
    check_regular(path)
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise DataError(str(path), f"is not a readable NPZ archive: {error}") from None
    with archive:
        yield Archive(path, archive)
