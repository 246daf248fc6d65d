"""Errors that a user can act on: what is wrong, where, and what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """A file that cannot be used. `name` is the file, `message` the reason, `hint` the fix."""

    def __init__(self, name: str, message: str, hint: str = "") -> None:
        self.name, self.message, self.hint = name, message, hint
        super().__init__(name, message, hint)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class MissingFileError(DataError, FileNotFoundError):
    """A file that is not there."""


class OutputError(DataError):
    """A place that cannot be written to, or that has no room."""


class DivergedError(RuntimeError):
    """A training whose loss, or an object whose fit, is no longer a number; says what to change."""


class Stopped(BaseException):
    """A signal, `number`, asks this process to end. No error: only a boundary may catch it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


NOTHING_NEW = "nothing was written, earlier results are as they were: run the same command again"


@contextmanager
def note_when_stopped(describe: Callable[[], str]) -> Iterator[None]:
    """Add a note to the exception of a signal that ends the block: `describe()`, which says what is kept and how to go
    on; instead of that of a part of the block."""
    try:
        yield
    except (KeyboardInterrupt, Stopped) as stopped:
        stopped.__notes__ = [describe()]
        raise
