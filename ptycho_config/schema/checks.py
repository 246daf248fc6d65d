"""Range checks: each returns the reason a value is refused, or None."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ptycho_config.errors import near_miss

Check = Callable[[Any], str | None]
_PART = re.compile(r"[A-Za-z_]\w*:[^\s:]+")


@attrs.frozen
class _Rule:
    """A check that `holds`, the `reason` where it does not, and as much of it as JSON Schema can express."""

    holds: Callable[[Any], bool]
    reason: str
    json_schema: Mapping[str, Any]

    def __call__(self, value: Any) -> str | None:
        return None if self.holds(value) else self.reason


_ABOVE_0 = {"exclusiveMinimum": 0}


def at_least(low: float) -> Check:
    """That number or a greater one."""
    return _Rule(lambda value: value >= low, f"must be {low} or greater", {"minimum": low})


def between(low: float, high: float) -> Check:
    """In the closed interval from low to high."""
    reason = f"must lie between {low} and {high}"
    return _Rule(lambda value: low <= value <= high, reason, {"minimum": low, "maximum": high})


positive = _Rule(lambda value: value > 0, "must be greater than 0", _ABOVE_0)
positive_or_auto = _Rule(lambda value: value == "auto" or value > 0, "must be 'auto' or above 0", _ABOVE_0)
non_negative = at_least(0)
non_negative_or_auto = _Rule(
    lambda value: value == "auto" or value >= 0, "must be 'auto', 0 or greater", {"minimum": 0}
)
power_of_two = _Rule(lambda value: value > 0 and value & (value - 1) == 0, "must be a power of two", _ABOVE_0)
odd = _Rule(lambda value: value > 0 and value % 2 == 1, "must be odd and above 0", _ABOVE_0)
share_below_one = _Rule(
    lambda value: 0 <= value < 1, "must be 0 or greater and less than 1", {"minimum": 0, "exclusiveMaximum": 1}
)
fractions = _Rule(
    lambda value: 0 <= value[0] < value[1] <= 1,
    "must be (low, high) with 0 <= low < high <= 1",
    {"items": {"minimum": 0, "maximum": 1}},
)


def part_name(*built_in: str) -> Check:
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
