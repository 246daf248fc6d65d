"""Writing files so that a reader never sees half of one."""

import csv
import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptycho_torch.errors import DataError, OutputError

# Begins the names of what is not complete yet; no reader takes such a file for a scan or a result.
UNFINISHED = ".ptycho-"
_PARTIAL = ".partial"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file in the folder of `path` that takes its place when the block ends without error, after its
    content has reached the disk."""
    temporary = path.parent / f"{UNFINISHED}{secrets.token_hex(8)}{_PARTIAL}"
    # Not `mkstemp`, whose files only their owner may read.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        synchronise(temporary)
        temporary.replace(path)
        synchronise(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Remove what processes that were killed have left half written in a folder into which no other one writes."""
    for path in folder.glob(f"{UNFINISHED}*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def synchronise(path: Path) -> None:
    """Wait until the file or folder at `path` is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write `data` to `path` as indented JSON, whole or not at all. Raises ValueError for NaN and infinities."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to `path` as CSV with the keys of the first one as its header, whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


_BLOCK, _BLOCKS = 2**20, 256


def file_digest(path: Path) -> str:
    """The `open_digest` of a file at `path`. Raises DataError."""
    try:
        with path.open("rb") as stream:
            return open_digest(stream.fileno())
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from None


def file_stamp(state: os.stat_result) -> tuple[int, int]:
    """Size in bytes, and time of the last change in ns, of a file in this state."""
    return state.st_size, state.st_mtime_ns


def open_digest(descriptor: int) -> str:
    """sha256 of the size and content of an open file, whose position stays as it is; of one above 256 MiB, of 256
    blocks of 1 MiB that are spread evenly over it, so that it takes less than a second. Raises OSError."""
    size = os.fstat(descriptor).st_size
    whole = size <= _BLOCK * _BLOCKS
    starts = range(0, size, _BLOCK) if whole else (size * i // _BLOCKS for i in range(_BLOCKS))
    found = hashlib.sha256(str(size).encode())
    for start in starts:
        found.update(os.pread(descriptor, _BLOCK, start))
    return found.hexdigest()


def create_writable_folder(path: Path) -> Path:
    """Create the folder `path` and try that it can be written to; returns it. Raises DataError."""
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise unwritable(path, error) from None


def check_folder(path: Path) -> None:
    """Raise DataError where `path` cannot become a folder to write to; creates nothing."""
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise DataError(str(path), f"cannot write here: {nearest} is no folder", _ELSEWHERE)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(str(path), f"cannot write here: no permission to write into {nearest}", _ELSEWHERE)


_ELSEWHERE = "choose another output_dir"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def unwritable(path: Path, error: OSError, kept: str = "") -> OutputError:
    """The error that says why `path` cannot be written to, from that of the system. kept: a sentence on what is
    there as it was."""
    hint = "make room, or choose another output_dir" if error.errno in _NO_ROOM else _ELSEWHERE
    return OutputError(str(path), f"cannot write here: {error.strerror or error}{kept and f'; {kept}'}", hint)
