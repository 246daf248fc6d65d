"""NPZ archives without pickle: array headers without the arrays, and embedded JSON text."""

import json
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ptycho_torch.errors import DataError, MissingFileError


@attrs.frozen
class Header:
    """Shape and dtype of an array in an archive."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _open(path: Path) -> zipfile.ZipFile:
    if not path.exists():
        raise MissingFileError(str(path), "no such file")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, IsADirectoryError, PermissionError) as error:
        raise DataError(str(path), f"is not a readable NPZ archive: {error}") from None


def headers(path: Path) -> dict[str, Header]:
    """The arrays of an archive by name; no array data is read."""
    found = {}
    with _open(path) as archive:
        for member in archive.namelist():
            if not member.endswith(".npy"):
                continue
            try:
                with archive.open(member) as stream:
                    major, _ = npy_format.read_magic(stream)
                    read = (
                        npy_format.read_array_header_1_0 if major == 1 else npy_format.read_array_header_2_0
                    )
                    shape, _, dtype = read(stream)
            except (ValueError, zipfile.BadZipFile, EOFError) as error:
                raise DataError(str(path), f"'{member}' is damaged: {error}") from None
            found[member.removesuffix(".npy")] = Header(shape, dtype)
    return found


def read_arrays(path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    """The named arrays. Objects are refused: they could only be read by running their code."""
    _open(path).close()
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in names:
                arrays[name] = archive[name]
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError(str(path), f"'{name}' cannot be read: {error}") from None
    return arrays


def read_metadata(path: Path, known: Mapping[str, Header]) -> dict[str, Any]:
    """The JSON table under `_metadata`, or an empty one where the file has none.

    Files in the field store it as a pickled string. The pickle is scanned for its one text
    and never executed.
    """
    if "_metadata" not in known:
        return {}
    try:
        with _open(path) as archive:
            payload = archive.read("_metadata.npy")
    except zipfile.BadZipFile as error:
        raise DataError(str(path), f"'_metadata' cannot be read: {error}") from None
    if known["_metadata"].dtype.hasobject:
        texts = [
            str(value) for code, value, _ in pickletools.genops(_body(payload)) if "UNICODE" in code.name
        ]
    else:
        texts = [str(read_arrays(path, ["_metadata"])["_metadata"])]
    for text in texts:
        try:
            table = json.loads(text)
        except ValueError:
            continue
        if isinstance(table, dict):
            return table
    raise DataError(str(path), "'_metadata' holds no JSON table", "remove it or write JSON text")


def _body(payload: bytes) -> bytes:
    length_bytes = 2 if payload[6] == 1 else 4
    header = int.from_bytes(payload[8 : 8 + length_bytes], "little")
    return payload[8 + length_bytes + header :]
