"""Errors that a user can act on: what is wrong, where, and what to do."""


class DataError(ValueError):
    """A file that cannot be used. `name` is the file, `message` the reason, `hint` the fix."""

    def __init__(self, name: str, message: str, hint: str = "") -> None:
        self.name, self.message, self.hint = name, message, hint
        super().__init__(name, message, hint)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class MissingFileError(DataError, FileNotFoundError):
    """A file that is not there."""


class DivergedError(RuntimeError):
    """A training whose loss, or an object whose fit, is no longer a number; says what to change."""
