"""Writing files so that a reader never sees half of one."""

import csv
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptycho_torch.errors import DataError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file in the folder of `path` that takes its place when the block ends without error."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}{path.suffix}"
    # Not `mkstemp`, whose files only their owner may read.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def create_writable_folder(path: Path) -> Path:
    """Create the folder `path` and try that it can be written to; returns it. Raises DataError."""
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from None


def check_folder(path: Path) -> None:
    """Raise DataError where `path` cannot become a folder to write to; creates nothing."""
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise _unwritable(path, f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(path, f"no permission to write into {nearest}")


def _unwritable(path: Path, reason: str) -> DataError:
    return DataError(str(path), f"cannot write here: {reason}", "choose another output_dir")
