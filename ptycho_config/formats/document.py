"""The content of a file of options, and the line of every key."""

from collections.abc import Mapping
from typing import Any

import attrs

# No schema nests deeper, and what reads the data may recurse.
MAX_DEPTH = 64
_MAX_DIGITS = 4000
Keys = tuple[str, ...]


class FormatError(ValueError):
    """A text that is not of its format; `line` counts from 1."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@attrs.frozen
class Document:
    """data: the content. lines: the line of a key, by the keys that lead to it. texts: the text of values that
    are written without quotes, in formats in which such text can be a string."""

    data: Any
    lines: Mapping[Keys, int]
    texts: Mapping[Keys, str] = attrs.field(factory=dict)

    def line_of(self, keys: Keys) -> int | None:
        """The line of the key, or of the nearest above it that has one."""
        return next((self.lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in self.lines), None)


def check_depth(depth: int, line: int) -> None:
    """Raise FormatError where `depth` tables and lists stand within each other in this `line`, and are too many."""
    if depth > MAX_DEPTH:
        raise FormatError(f"nests more than {MAX_DEPTH} deep", line)


def check_digits(number: str, line: int | None = None) -> None:
    """Raise FormatError where the `number` in this `line` has more digits than Python prints."""
    if len(number) > _MAX_DIGITS:
        raise FormatError(f"a number of {len(number)} digits is not read", line)


def given_twice(key: str, first: int, second: int) -> FormatError:
    """The error for a `key` of one table that stands in the lines `first` and `second`."""
    return FormatError(f"{key!r} is given twice, in lines {first} and {second}", second)
