"""The output folder of a run: for one run at a time, and with results that are of one run."""

import fcntl
import json
import os
import secrets
import shutil
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptycho_torch.errors import DataError
from ptycho_torch.files import (
    UNFINISHED,
    check_folder,
    create_writable_folder,
    file_digest,
    synchronise,
    unwritable,
    write_json,
)

RESULTS, SCHEMA = "results.json", "ptycho.results/1"
_LOCK, _STAGE = f"{UNFINISHED}lock", f"{UNFINISHED}results-"
_BEGUN = f"{UNFINISHED}begun"
_AS_THEY_WERE = "earlier results are as they were"


@contextmanager
def claim_folder(path: Path) -> Iterator[Path]:
    """Create the folder `path` and keep other runs out of it until the block ends.

    What a killed run has left unfinished there is removed; so is a new folder in which a block that fails has written
    nothing. Raises DataError where it cannot be written to, or another run has claimed it, with its process and start.
    """
    check_folder(path)
    missing = [place for place in (path, *path.absolute().parents) if not place.exists()]
    create_writable_folder(path)
    try:
        lock = _lock(path / _LOCK)
    except OSError as error:
        raise unwritable(path / _LOCK, error) from None
    try:
        for stage in path.glob(f"{_STAGE}*"):
            shutil.rmtree(stage)
        yield path
    finally:
        (path / _LOCK).unlink(missing_ok=True)
        os.close(lock)
        for place in missing:
            if not _remove_empty(place):
                break


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _lock(path: Path) -> int:
    """Lock the file at `path`, and write this process and the time into it; returns its descriptor."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 200, 0).decode(errors="replace") or "another process"
            os.close(lock)
            hint = "wait until it ends, or choose another output_dir"
            raise DataError(str(path.parent), f"another run writes here: {holder}", hint) from None
        except OSError as error:
            # Some network file systems have no locks.
            message = f"{path.parent}: no other run may write here, which cannot be made sure: {error.strerror}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        try:
            if _is_open_as(lock, path):
                os.ftruncate(lock, 0)
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}, since {since}".encode(), 0)
                return lock
        except BaseException:
            # A signal, too, leaves nothing.
            if _is_open_as(lock, path):
                path.unlink()
            os.close(lock)
            raise
        os.close(lock)


def _is_open_as(descriptor: int, path: Path) -> bool:
    """Whether the file at the path is the open one: the run that held a lock may have removed it meanwhile."""
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


@contextmanager
def write_results(folder: Path) -> Iterator[Path]:
    """A temporary folder for the results of a run, which all take their places in `folder`, claimed by this run, when
    the block ends without error.

    `results.json` is written last, with the digests of all results in the folder. Raises DataError where there is no
    room for them, or they cannot be written; then the earlier results are as they were.
    """
    stage = folder / f"{_STAGE}{secrets.token_hex(8)}"
    try:
        stage.mkdir()
        yield stage
        _replace_results(stage, folder)
    except DataError:
        raise
    except OSError as error:
        raise unwritable(folder, error, _AS_THEY_WERE) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _replace_results(stage: Path, folder: Path) -> None:
    """Everything that needs room on the disk comes before the first result is replaced."""
    digests = {path.name: file_digest(path) for path in sorted(stage.iterdir())}
    for name in digests:
        if (folder / name).is_dir():
            raise DataError(str(folder / name), "is a folder, and the name of a result", "choose another output_dir")
    others = {name: digest for name, digest in _read_mark(folder).get("files", {}).items() if name not in digests}
    write_json(stage / RESULTS, {"schema": SCHEMA, "files": {**others, **digests}})
    # Written in the temporary folder, which the next run removes where this one is killed.
    write_json(stage / _BEGUN, {"schema": SCHEMA, "replaced": list(digests), "files": others})
    (stage / _BEGUN).replace(folder / RESULTS)
    synchronise(folder)
    for name in digests:
        (stage / name).replace(folder / name)
    synchronise(folder)
    (stage / RESULTS).replace(folder / RESULTS)
    synchronise(folder)


def check_result(path: Path) -> None:
    """Raise DataError where the file at `path` is not of one run with the other results in its folder: a run was
    stopped while it replaced them, or the file is another one than it wrote. A file of no run passes."""
    marked = _read_mark(path.parent)
    if path.name in marked.get("replaced", ()):
        message = "is not known to be of one run with the other results here: a run was stopped while it replaced them"
        raise DataError(str(path), message, "repeat the run, a training with --resume")
    written = marked.get("files", {}).get(path.name)
    if written is not None and path.is_file() and written != file_digest(path):
        hint = f"copy all files of the run again; without {RESULTS} the file is taken as it is"
        raise DataError(str(path), "is not the file that the run in this folder wrote", hint)


def _read_mark(folder: Path) -> dict[str, Any]:
    """The content of `results.json` in the folder; nothing where there is none. Raises DataError."""
    path = folder / RESULTS
    if not path.is_file():
        return {}
    try:
        marked = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(str(path), f"cannot be read: {error}", _MARK_AGAIN) from None
    if not _is_mark(marked):
        raise DataError(str(path), "is not what a run of this version writes", _MARK_AGAIN)
    return dict(marked)


_MARK_AGAIN = "remove it, or repeat the run"


def _is_mark(found: Any) -> bool:
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        return False
    return isinstance(found.get("files"), dict) and isinstance(found.get("replaced", []), list)
