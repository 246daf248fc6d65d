"""Range checks: each returns the reason a value is refused, or None."""

import re
from collections.abc import Callable
from typing import Any

from ptycho_config.errors import near_miss

_PART = re.compile(r"[A-Za-z_]\w*:[^\s:]+")


def positive(value: float) -> str | None:
    """Greater than zero."""
    return None if value > 0 else "must be greater than 0"


def positive_or_auto(value: int | str) -> str | None:
    """Greater than zero, or the word."""
    return None if value == "auto" or (isinstance(value, int) and value > 0) else "must be 'auto' or above 0"


def non_negative(value: float) -> str | None:
    """Zero or greater."""
    return None if value >= 0 else "must be 0 or greater"


def power_of_two(value: int) -> str | None:
    """1, 2, 4, 8, ..."""
    return None if value > 0 and value & (value - 1) == 0 else "must be a power of two"


def at_least(low: float) -> Callable[[Any], str | None]:
    """That number or a greater one."""

    def check(value: float) -> str | None:
        return None if value >= low else f"must be {low} or greater"

    return check


def between(low: float, high: float) -> Callable[[Any], str | None]:
    """In the closed interval from low to high."""

    def check(value: float) -> str | None:
        return None if low <= value <= high else f"must lie between {low} and {high}"

    return check


def share_below_one(value: float) -> str | None:
    """`0 <= value < 1`."""
    return None if 0 <= value < 1 else "must be 0 or greater and less than 1"


def odd(value: int) -> str | None:
    """1, 3, 5, ..."""
    return None if value > 0 and value % 2 else "must be odd and above 0"


def fractions(value: tuple[float, float]) -> str | None:
    """`0 <= low < high <= 1`."""
    low, high = value
    return None if 0 <= low < high <= 1 else "must be (low, high) with 0 <= low < high <= 1"


def part_name(*built_in: str) -> Callable[[Any], str | None]:
    """One of the built-in names, or `package:name`, the entry point of another package."""
    listed = "".join(f"{name!r}, " for name in built_in) + ("or " if built_in else "")

    def check(value: str) -> str | None:
        if value in built_in or _PART.fullmatch(value):
            return None
        close = near_miss(value, built_in)
        return f"must be {listed}'package:name' of an installed package{f' ({close})' if close else ''}"

    return check


def assignments(value: tuple[str, ...]) -> str | None:
    """Each `name=value`, no name twice."""
    names = [text.partition("=")[0] for text in value if "=" in text]
    if len(names) == len(value) == len(set(names)) and all(map(str.isidentifier, names)):
        return None
    return "must be a list of 'name=value', each name once"
