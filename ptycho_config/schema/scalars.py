"""Strict scalars: each type accepts these values and nothing else.

An int refuses `True` and `2.0`; a float takes an int and stores a float; `-0.0` becomes
`0.0`; NaN and infinities are refused. Otherwise `1 == 1.0 == True` would be equal
configurations with different JSON and different fingerprints.
"""

import contextlib
import math
import os
import reprlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

Coerce = Callable[[object], Any]
# The name of a part of another package, `package:name`: a type of its own, so that a type checker tells it from
# a misspelt name of a built-in part.
EntryPoint = NewType("EntryPoint", str)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20


def shorten(value: object) -> str:
    """The representation of a `value` of any size, for a message."""
    return _SHORT.repr(value)


def _bool(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"must be true or false, got {shorten(value)}")


def _int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if -(2**63) <= value < 2**64:
            return int(value)
        raise ValueError(f"must be an integer of at most 64 bits, got {shorten(value)}")
    raise ValueError(f"must be an integer, got {shorten(value)}")


def _float(value: object) -> float:
    # x - x is 0 for every number but NaN and the infinities, and cheaper than isfinite.
    if type(value) is float and value - value == 0.0:
        return value + 0.0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # An integer may be too large for a float.
        with contextlib.suppress(OverflowError):
            if math.isfinite(value):
                return float(value) + 0.0
    raise ValueError(f"must be a finite number, got {shorten(value)}")


def _str(value: object) -> str:
    if isinstance(value, str) and not isinstance(value, Enum) and _is_unicode(value):
        return value if type(value) is str else str(value)
    raise ValueError(f"must be a string, got {shorten(value)}")


def _is_unicode(text: str) -> bool:
    """Whether every character can be written; JSON can name halves of characters."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _path(value: object) -> Path:
    if isinstance(value, (str, os.PathLike)) and str(value) and "\0" not in str(value):
        return Path(value)
    raise ValueError(f"must be a path, got {shorten(value)}")


def _iso(cls: type[date], expected: str) -> Coerce:
    def coerce(value: object) -> date:
        # A datetime is a date too, but not here.
        if isinstance(value, cls) and isinstance(value, datetime) == (cls is datetime):
            return value
        try:
            return cls.fromisoformat(value)  # type: ignore[arg-type] # TypeError where it is no text
        except (TypeError, ValueError):
            raise ValueError(f"must be {expected}, got {shorten(value)}") from None

    return coerce


def _none(value: object) -> None:
    if value is not None:
        raise ValueError(f"must be null, got {shorten(value)}")


SCALARS: dict[Any, Coerce] = {bool: _bool, int: _int, float: _float, str: _str, Path: _path, NoneType: _none}
SCALARS[EntryPoint] = _str
_NAMES = {NoneType: "null", EntryPoint: "package:name"}
SCALARS[date] = _iso(date, "a date, as 2024-12-31")
SCALARS[datetime] = _iso(datetime, "a date and time, as 2024-12-31T23:59:59")


def type_name(annotation: Any) -> str:
    """An annotation for people: `int`, `'a' | 'b'`, `float | null`, `[int, ...]`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, UnionType):
        return " | ".join(map(type_name, arguments))
    if origin is Mapping:
        return f"{{name: {type_name(arguments[1])}}}"
    if origin is tuple:
        return "[" + ", ".join("..." if a is Ellipsis else type_name(a) for a in arguments) + "]"
    if annotation in _NAMES:
        return _NAMES[annotation]
    return str(annotation.__name__).lower() if annotation in SCALARS else str(annotation.__name__)
