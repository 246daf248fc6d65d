"""Damaged, unfinished and irregular files: what libraries raise for them, as one error."""

import re
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptycho_torch.errors import DataError, MissingFileError

# HDF5 raises RuntimeError, KeyError and OSError, h5py TypeError for names that are no text and types that are none,
# tifffile AssertionError, and archives the others, wherever they notice damage.
DAMAGE = (
    OSError,
    TypeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    LookupError,
    ValueError,
    EOFError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
)
_TRUNCATED = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")
_LOCKED = ("unable to lock file", "already open for write")
_LONGEST = 200
UNFINISHED = "is still growing, or was copied in part"
_WAIT = "wait until it is complete, or copy it again"


@contextmanager
def damage_as_error(path: Path, what: str = "") -> Iterator[None]:
    """Raise DataError for what libraries raise in the block; path: the file that is read; what: the part of it."""
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        raise damage_error(path, error, what) from None


def damage_error(path: Path, error: Exception, what: str = "") -> DataError:
    """The error for an error of a library that read `what` of the file at path: damaged, still growing, or being
    written."""
    text = " ".join(str(error).split())
    if any(words in text for words in _LOCKED):
        return DataError(str(path), "is being written by another program", "wait until that has closed it")
    found = _TRUNCATED.search(text)
    if found is not None:
        return DataError(str(path), f"{UNFINISHED}: it has {found[1]} of {found[2]} bytes", _WAIT)
    if what:
        return DataError(str(path), f"{what} cannot be read: {text[:_LONGEST]}", "copy it again")
    return DataError(str(path), f"is damaged: {text[:_LONGEST]}", "copy it again")


def unfinished_archive(path: Path) -> DataError:
    """The error for an archive at path that has no directory, which is written last."""
    return DataError(str(path), f"{UNFINISHED}: an archive ends with its directory, which is not there", _WAIT)


def check_regular(path: Path) -> None:
    """Raise MissingFileError where nothing is at path, and DataError where it is no file that can be read: a pipe would
    block, and a device has no end."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(str(path), "no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(str(path), f"cannot be opened: {error}") from None
    if stat.S_ISDIR(mode):
        raise DataError(str(path), "is a folder, one scan file is needed", "give one of the files in it")
    if not stat.S_ISREG(mode):
        raise DataError(str(path), "is no regular file but a pipe, socket or device", "copy its content to a file")
